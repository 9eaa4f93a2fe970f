"""Real runs, small: LineMsg in one process, recorded as any launcher records it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents.environments import build_environment
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import IterationRecord, Setup, make_setup
from netagents.records import Recorder, Run, RunDirectory
from netagents.topology import build_topology

SETTINGS: dict[str, Any] = line_msg(
    4,
    name="tiny",
    seed=3,
    kappa=2,
    kappa_policy=1,
    iterations=4,
    batch=8,
    horizon=10,
    learning={"critic": {"sweeps": 3}},
    power={"min_visits": 1},
)


class Recorded:
    """A run together with what was given to its recorder."""

    def __init__(self, run: Run, network: InProcessNetwork, records: list[IterationRecord]) -> None:
        self.run, self.network, self.records = run, network, records


def tiny_network(**changes: Any) -> tuple[Setup, InProcessNetwork]:
    experiment = Experiment.model_validate(SETTINGS | changes)
    topology = build_topology(experiment.topology)
    environment = build_environment(experiment.environment, topology)
    setup = make_setup(experiment, topology, environment.spec)
    return setup, InProcessNetwork(setup, environment)


@pytest.fixture
def make_network() -> Callable[..., tuple[Setup, InProcessNetwork]]:
    return tiny_network


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Recorded]:
    def _record(*, iterations: int = 4, close: str | None = "finished", **changes: Any) -> Recorded:
        setup, network = tiny_network(**changes)
        directory = RunDirectory.create(tmp_path / "runs", "tiny", setup)
        recorder = Recorder(directory, setup)
        records = []
        for each in network.run(0, iterations):
            recorder.iteration(each)
            records.append(each)
        recorder.snapshot(iterations - 1, network.snapshots)
        if close is not None:
            recorder.close(close)  # type: ignore[arg-type]
        return Recorded(Run.open(directory.path), network, records)

    return _record
