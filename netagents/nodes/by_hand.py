"""Roles started by hand, without a launcher: on other hosts, in containers, under Slurm or Kubernetes."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from netagents.errors import UsageError
from netagents.experiment.load import load_experiment
from netagents.learning.prepare import prepare
from netagents.messages import ENVIRONMENT, MONITOR
from netagents.nodes.keys import link_settings
from netagents.nodes.process import run_role
from netagents.records.resuming import reopen
from netagents.records.run_directory import RunDirectory
from netagents.wire.transport import LinkSettings, Transport, open_transport

_AGENT = re.compile(r"agent[-_](\d{1,6})")


def start_environment(
    file: str | None,
    overrides: Sequence[str],
    listen: str,
    *,
    announce: Path | None,
    out: Path | None,
    log: Path | None,
    keys: Path | None = None,
    advertise: str | None = None,
    resume: Path | None = None,
) -> int:
    """Make the run directory, or open the one of a run that goes on, and serve the run from this process; gives its exit code.

    Args:
        file: the experiment; None for a run that goes on.
        resume: run directory of a run that goes on from its newest checkpoint.

    Raises:
        NetagentsError: the experiment is wrong, keys cannot be used, or the run cannot go on; nothing has been written.
    """
    from netagents.nodes.environment import run_environment

    secured = _secured(keys, advertise)
    links = link_settings(secured, ENVIRONMENT)
    arguments = {"listen": listen, **secured}
    if resume is not None:
        directory = RunDirectory.open(resume)
        _try(listen, lambda transport: transport.listen(listen).close(), links)
        _, first = reopen(directory, overrides)
        arguments["resume_from"] = str(first)
    else:
        assert file is not None
        loaded = load_experiment(file, overrides)
        prepared = prepare(loaded.experiment, loaded.base)
        experiment = prepared.experiment
        _try(listen, lambda transport: transport.listen(listen).close(), links)
        directory = RunDirectory.create(Path(experiment.runtime.directory), experiment.name, prepared.setup, launcher="by_hand", path=out)
    arguments["run_directory"] = str(directory.path)
    if announce is not None:
        # What a killed server left there would send nodes to an address where nobody is.
        announce.unlink(missing_ok=True)
        arguments["announce"] = str(announce.resolve())
    return _start("environment", run_environment, arguments, log)


def start_member(
    role: str,
    join: str,
    *,
    listen: str | None,
    log: Path | None,
    timeout_scale: float,
    keys: Path | None = None,
    advertise: str | None = None,
    allow_imports: bool = False,
) -> int:
    """Join a run as its monitor or as one of its agents; gives the exit code.

    Raises:
        UsageError: there is no such role, or an address is none.
        SecurityError: keys that cannot be used, or none where they are needed.
    """
    found = _AGENT.fullmatch(role)
    if found is None and role != "monitor":
        raise UsageError(f"no role is called '{role}'", fix="there are environment, monitor, and agent-0, agent-1, ...")
    secured = _secured(keys, advertise)
    settings = link_settings(secured, int(found[1]) if found else MONITOR)
    if not join.startswith("file://"):
        _try(join, lambda transport: transport.check(join), settings)
    if listen is not None:
        _try(listen, lambda transport: transport.listen(listen).close(), settings)
    arguments: dict[str, Any] = {"join": join, "timeout_scale": str(timeout_scale), **secured}
    if allow_imports:
        arguments["allow_imports"] = "1"
    if listen is not None:
        arguments["listen"] = listen
    if found is None:
        from netagents.nodes.monitor import run_monitor

        return _start("monitor", run_monitor, arguments, log)
    from netagents.nodes.agent import run_agent

    return _start(f"agent_{int(found[1])}", run_agent, {**arguments, "index": found[1]}, log)


def _secured(keys: Path | None, advertise: str | None) -> dict[str, str]:
    given = {"keys": None if keys is None else str(keys.resolve()), "advertise": advertise}
    return {name: value for name, value in given.items() if value is not None}


def _try(address: str, use: Callable[[Transport], None], settings: LinkSettings) -> None:
    """Refuse an address that is none, or at which nobody can listen, before anything is written or started."""
    if address.startswith("memory://"):
        raise UsageError(f"'{address[:200]}' does not leave its process", fix="write an address that begins with ipc:// or tcp://")
    transport = open_transport(address, settings)
    try:
        use(transport)
    finally:
        transport.close()


def _start(role: str, function: Any, arguments: dict[str, Any], log: Path | None) -> int:
    # By hand there is no launcher to answer Ctrl-C: it ends the role as SIGTERM does.
    previous = signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        return run_role(role, lambda: function, arguments, log_path=log)
    finally:
        signal.signal(signal.SIGINT, previous)
