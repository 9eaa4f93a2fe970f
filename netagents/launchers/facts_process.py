"""A process of a moment that makes somebody else's environment once, asks it for its facts, and is gone.

Such an environment may exist once only, go to another folder, start threads or end the process that makes it.  The launcher therefore
never makes it; it learns the spaces from a forked child, and the copies live in the environment server alone.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import netagents.errors
from netagents.environments.networked_mdp import EnvironmentSpec, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.specification_json import spec_from_json, spec_to_json
from netagents.errors import DeadlineError, EnvironmentMismatchError, ForeignExitError, NetagentsError
from netagents.experiment import Experiment
from netagents.experiment.environment_settings import ParallelEnvSettings
from netagents.foreign.containment import end_children, exit_at_once, flush_output
from netagents.foreign.part_modules import make_importable, search_folder
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.learning.setup_builder import check_fits, make_setup
from netagents.topology import Topology, build_topology


class EnvironmentElsewhere(NetworkedMDP):
    """The facts of an environment that lives in another process.

    Args:
        spec: its specification. topology: the graph.
    """

    def __init__(self, spec: EnvironmentSpec, topology: Topology) -> None:
        self.spec, self.topology = spec, topology

    def reset(self, noise: FloatArray) -> JointState:  # noqa: ARG002 - the contract's
        """Never here."""
        raise self._elsewhere()

    def step(self, state: JointState, actions: Any, noise: FloatArray) -> Transition:  # noqa: ARG002
        """Never here."""
        raise self._elsewhere()

    def observe(self, state: JointState) -> list[Any]:  # noqa: ARG002
        """Never here."""
        raise self._elsewhere()

    def _elsewhere(self) -> EnvironmentMismatchError:
        return EnvironmentMismatchError(f"environment '{self.spec.name}' lives in the server's process", fix="use launcher in_process")


def prepare_apart(
    experiment: Experiment,
    base: Path | None = None,
    *,
    check: Callable[[Topology], None] | None = None,
    stage: Callable[[str], None] | None = None,
) -> Prepared:
    """As :func:`netagents.learning.prepared_experiment.prepare`, but somebody else's environment is made in another process.

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
        ForeignExitError: making the environment ended that process.
        DeadlineError: it took longer than ``timeouts.make``.
    """
    settings = experiment.environment
    if not isinstance(settings, ParallelEnvSettings) or not hasattr(os, "fork"):
        return prepare(experiment, base, check=check, stage=stage)
    topology = build_topology(experiment.topology, base, experiment.seed)
    if check is not None:
        check(topology)
    if base is not None:
        search_folder(base)
    # The nodes of the run look where this process would.
    make_importable(settings.make.partition(":")[0])
    where = f"environment '{settings.make}'"
    if stage is not None:
        stage(f"making one copy of {where}")
    spec = spec_from_json(_facts_from(experiment, base, where))
    setup = make_setup(experiment, topology, spec)
    check_fits(setup)
    return Prepared(experiment, topology, EnvironmentElsewhere(spec, topology), setup)


def _facts_from(experiment: Experiment, base: Path | None, where: str) -> dict[str, Any]:
    reader, writer = os.pipe()
    flush_output()
    with warnings.catch_warnings():
        # The child runs nothing that another thread of this process could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _answer(experiment, base, writer)
    os.close(writer)
    try:
        answer = _read(reader, experiment.timeouts.seconds("make"), where)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(reader)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        reply = json.loads(answer)
    except ValueError:
        manner = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        raise ForeignExitError(f"making it ended its process {manner}", where=where, fix="something in its code did that") from None
    if "error" in reply:
        kind = getattr(netagents.errors, reply["error"], NetagentsError)
        raise kind(reply["what"], where=reply["where"], fix=reply["fix"])
    if "crash" in reply:
        raise RuntimeError(reply["crash"])
    facts: dict[str, Any] = reply["facts"]
    return facts


def _answer(experiment: Experiment, base: Path | None, writer: int) -> NoReturn:
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        try:
            reply: dict[str, Any] = {"facts": spec_to_json(prepare(experiment, base).setup.spec)}
        except NetagentsError as error:
            reply = {"error": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
        except BaseException as error:
            reply = {"crash": f"{type(error).__name__}: {error}"}
        end_children()
        flush_output()
        with os.fdopen(writer, "w", encoding="utf-8") as file:
            file.write(json.dumps(reply))
    finally:
        exit_at_once(0)


def _read(reader: int, seconds: float, where: str) -> bytes:
    deadline = time.monotonic() + seconds
    parts: list[bytes] = []
    poller = select.poll()
    poller.register(reader)
    while True:
        if not poller.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
            raise DeadlineError(f"one copy was not made within {seconds:g} s", where=where, fix="raise timeouts.make if it is just slow")
        part = os.read(reader, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
