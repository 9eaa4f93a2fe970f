"""Real runs, small: recorded in process, for pictures and summaries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents.environments import build_environment
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import make_setup
from netagents.records import Recorder, Run, RunDirectory
from netagents.topology import build_topology


@pytest.fixture
def recorded_run(tmp_path: Path) -> Callable[..., Run]:
    def _run(*, iterations: int = 3, close: str | None = "finished", horizon: int | None = 10, much: bool = False, **changes: Any) -> Run:
        settings: dict[str, Any] = line_msg(
            5, name="small", kappa=2, kappa_policy=1, iterations=max(iterations, 1), batch=8, horizon=horizon, power={"min_visits": 1}
        )
        if much:
            # Enough, from policies that hardly move, for power to be known.
            settings["learning"] |= {"batch": 512, "horizon": 60, "gamma": 0.9, "learning_rate": 1e-6}
        experiment = Experiment.model_validate(settings | changes)
        topology = build_topology(experiment.topology)
        environment = build_environment(experiment.environment, topology)
        setup = make_setup(experiment, topology, environment.spec)
        directory = RunDirectory.create(tmp_path / "runs", experiment.name, setup)
        recorder = Recorder(directory, setup)
        network = InProcessNetwork(setup, environment)
        for record in network.run(0, iterations) if iterations else ():
            recorder.iteration(record)
        if close is not None:
            recorder.close(close, line="agent 3 is gone" if close == "failed" else "", role="agent_3", tables=False)  # type: ignore[arg-type]
        return Run.open(directory.path)

    return _run
