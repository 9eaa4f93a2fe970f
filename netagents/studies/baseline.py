"""A baseline beside a run: the same experiment with some settings changed, over the same seeds, kept in the run's own directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netagents.errors import ExperimentError, UsageError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.load import LoadedExperiment
from netagents.launchers.launch import launch
from netagents.records.run_creation import COMPARISON
from netagents.records.run_reader import Run

Source = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class Baseline:
    """What is still to be run so that a run can be compared.

    Attributes:
        changes: the settings that differ, as overrides.
        runs: folder name and experiment of each run to make: further seeds of the experiment itself, and all seeds of the baseline.
    """

    changes: tuple[str, ...]
    runs: tuple[tuple[str, LoadedExperiment], ...]


def plan_baseline(source: Source, overrides: Sequence[str], changes: Sequence[str], seeds: int = 1) -> Baseline:
    """Which runs a comparison needs besides the run itself; nothing is written.

    The seeds are that of the experiment and the ones after it, the same on both sides.  The runs take place in one process where the
    experiment allows it, which changes no bit of what is learned.

    Args:
        source, overrides: the experiment of the run.
        changes: overrides that make the baseline of it, such as ``kappa=0``.
        seeds: on either side, at least 1.

    Raises:
        ExperimentError, UsageError: the changed experiment is wrong, or no other than the experiment itself.
    """
    own = load_experiment(source, overrides)
    other = load_experiment(source, [*overrides, *changes])
    if _learned(own.experiment) == _learned(other.experiment):
        raise UsageError(
            "changes nothing that is learned", where=f"--against {' '.join(changes)}", fix="name settings in which the baseline differs"
        )
    first = own.experiment.seed
    runs = [(f"same-seed-{seed}", _beside(source, overrides, seed)) for seed in range(first + 1, first + seeds)]
    runs += [(f"changed-seed-{seed}", _beside(source, [*overrides, *changes], seed)) for seed in range(first, first + seeds)]
    return Baseline(tuple(changes), tuple(runs))


def run_baseline(baseline: Baseline, run: Run, show: Callable[[int, str], None] | None = None) -> list[Run]:
    """Make the runs of a baseline in the directory of the run that they stand beside.

    Args:
        baseline: what :func:`plan_baseline` gave.
        run: of the experiment itself.
        show: is called before each run with its number, from 0, and its name.

    Raises:
        NetagentsError: a run failed; those before it stay.
    """
    finished = []
    for at, (name, loaded) in enumerate(baseline.runs):
        if show is not None:
            show(at, name)
        finished.append(launch(loaded, path=run.path / COMPARISON / name))
    return finished


def _beside(source: Source, overrides: Sequence[str], seed: int) -> LoadedExperiment:
    # Sinks and recordings are of the run itself; its companions leave records alone.
    words = [*overrides, f"seed={seed}", "runtime.tensorboard=null", "runtime.sinks=[]", "runtime.history=null", "runtime.record_inbox=[]"]
    try:
        return load_experiment(source, [*words, "runtime.launcher=in_process"])
    except ExperimentError:
        # Clocks and faults of processes need processes.
        return load_experiment(source, words)


def _learned(experiment: Experiment) -> Experiment:
    """The experiment without what changes nothing of what is learned, its radii written out one by one."""
    return experiment.model_copy(
        update={
            **{f"kappa_{name}": experiment.radius(name) for name in ("policy", "critic", "gradient")},
            "kappa": 0,
            "seed": 0,
            "name": "",
            "runtime": None,
            "timeouts": None,
        }
    )
