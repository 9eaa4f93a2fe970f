"""Radii of ``kappa: auto``, chosen when a run begins: the same numbers whatever launcher then carries it out.

The calibration is a function of the experiment alone.  It trains in one process of its own, in lockstep and without faults, and what it
chooses becomes part of the experiment: ``kappa_policy``, ``kappa_critic`` and ``kappa_gradient``, one radius per agent.  Whoever reads the
run directory afterwards (a resume, a replay, a report) finds radii like any others.
"""

from __future__ import annotations

import json
import select
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import netagents.errors
from netagents.errors import InterruptedRunError, NetagentsError, NodeFailedError
from netagents.experiment import Experiment, resolved
from netagents.experiment.load import LoadedExperiment
from netagents.experiment.origins import Origin, trace
from netagents.experiment.yaml_document import KeyPath
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.worker_process import WorkerProcess
from netagents.records.radii_models import RADII, RadiiFacts
from netagents.records.record_files import read_record
from netagents.topology import Topology, build_topology

_FAILURE = "failure.json"
"""Why a calibration failed: the kind of the error, and its line in three parts."""

_WHERE = "kappa: auto"
_NAMES = ("policy", "critic", "gradient")


def with_chosen_radii(
    loaded: LoadedExperiment, note: Callable[[str], None] | None = None, stage: Callable[[str], None] | None = None
) -> tuple[LoadedExperiment, RadiiFacts | None]:
    """The experiment with the radii that a calibration chooses, where it asks for that; otherwise as it is.

    Args:
        loaded: the experiment.
        note: takes a line that says what was chosen.
        stage: told what is being done.

    Returns:
        The experiment, and what was chosen and why; None where there was nothing to choose.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; nothing has been written.
        NetagentsError: the calibration failed, in one line; nothing has been written.
    """
    experiment = loaded.experiment
    if not experiment.chooses_radii:
        return loaded, None
    topology = build_topology(experiment.topology, loaded.base, experiment.seed)
    largest = largest_radius(experiment, topology)
    settings = experiment.calibration
    if stage is not None:
        stage(f"calibrating: {settings.training} iterations with radius {largest}, then who matters to whom")
    with tempfile.TemporaryDirectory(prefix="netagents-radii-") as folder:
        job = {
            "experiment": resolved(experiment),
            "base": str(loaded.base.absolute()),
            "n": topology.n,
            "largest": largest,
            "folder": folder,
            "failure": _FAILURE,
        }
        _wait(job, Path(folder))
        facts = RadiiFacts.model_validate(read_record(Path(folder) / RADII, RADII, topology.n))
    if note is not None:
        note(summary(facts))
    return with_radii(loaded, facts), facts


def largest_radius(experiment: Experiment, topology: Topology) -> int:
    """The radius of the calibration: the largest distance of two agents, or ``calibration.largest`` where that is less."""
    hops = topology.hops.matrix()
    farthest = int(hops[hops < topology.n].max(initial=0))
    return farthest if experiment.calibration.largest is None else min(farthest, experiment.calibration.largest)


def with_radii(loaded: LoadedExperiment, facts: RadiiFacts) -> LoadedExperiment:
    """The experiment with all radii set; ``kappa: auto`` stays and says where they come from."""
    radii = {f"kappa_{name}": tuple(getattr(facts, name)) for name in _NAMES}
    free = {name: value for name, value in radii.items() if getattr(loaded.experiment, name) is None}
    experiment = loaded.experiment.model_copy(update=free)
    origins: dict[KeyPath, Origin] = dict(loaded.origins) | {(name,): Origin("value", "calibration") for name in free}
    return replace(loaded, experiment=experiment, origins=trace(resolved(experiment), origins, resolved(experiment)))


def summary(facts: RadiiFacts) -> str:
    """What was chosen, in one line."""
    means = ", ".join(f"{name} {sum(radii) / max(len(radii), 1):.3g}" for name in _NAMES if (radii := getattr(facts, name)))
    if not any(any(getattr(facts, name)) for name in _NAMES):
        return f"kappa: auto: no agent gets a radius above 0: of {facts.by} nothing counts, or the budget pays for no ring"
    share = facts.bytes_chosen / facts.bytes_largest if facts.bytes_largest else 0.0
    return (
        f"kappa: auto: mean radii {means} (largest {facts.largest}), chosen by {facts.by}; {share:.0%} of the payload between agents "
        f"with the largest radius, of {facts.byte_budget:.0%} allowed"
    )


def _wait(job: dict[str, Any], folder: Path) -> None:
    """Have the calibration done by a process of its own.

    Raises:
        InterruptedRunError, NetagentsError: see :func:`with_chosen_radii`.
    """
    interruptions = Interruptions()
    try:
        worker = WorkerProcess("netagents.launchers.radius_worker", job)
        try:
            while (code := worker.poll()) is None:
                select.select([interruptions.descriptor], [], [], 0.1)
                if interruptions.first is not None:
                    raise InterruptedRunError(
                        "the radii were not chosen yet",
                        signal_number=interruptions.first,
                        where=_WHERE,
                        fix="nothing has been written; run it again",
                    )
            if code:
                raise _failure(folder, worker.reason() or f"exit code {code}")
        finally:
            worker.kill()
            worker.close()
    finally:
        interruptions.close()


def _failure(folder: Path, reason: str) -> NetagentsError:
    """The error of the calibration as it was; of another kind where its process ended without telling."""
    file = folder / _FAILURE
    if not file.is_file():
        return NodeFailedError(f"the process that chooses radii failed: {reason}", where=_WHERE, fix="run it again")
    parts = json.loads(file.read_text(encoding="utf-8"))
    kind: type[NetagentsError] = getattr(netagents.errors, parts["error"], NetagentsError)
    if issubclass(kind, InterruptedRunError):
        return NodeFailedError("the process that chooses radii was ended by a signal", where=_WHERE, fix="run it again")
    # Some kinds want more than a line; what they add is in the line already.
    error = kind.__new__(kind)
    NetagentsError.__init__(error, parts["what"], where=f"{_WHERE}, {parts['where']}" if parts["where"] else _WHERE, fix=parts["fix"])
    return error
