"""Wall time of real runs, one process per agent: one seed per setting, one run at a time, so that nothing else competes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from netagents.experiment import load_experiment
from netagents.experiment.load import LoadedExperiment
from netagents.launchers.launch import launch
from netagents.records.run_reader import Run

TIMES = ("step_ms", "compute_ms", "wait_ms", "serialise_ms", "hop_ms")
"""What :func:`timed_run` gives."""


def measured_step_seconds(loaded: LoadedExperiment, iterations: int) -> float:
    """Seconds per step of a short run on this machine with one process per agent.

    Raises:
        NetagentsError: the run failed.
    """
    words: dict[str, Any] = {"runtime.launcher": "local", "learning.iterations": max(2, iterations)}
    changed = load_experiment(loaded.experiment, words)
    return float(timed_run(LoadedExperiment(changed.experiment, changed.origins, None, loaded.base))["step_ms"]) / 1e3


def timed_run(loaded: LoadedExperiment) -> dict[str, float]:
    """Where the time of a short run went that is not kept: milliseconds per step, in all, computing, waiting and serialising.

    Raises:
        NetagentsError: the run failed.
    """
    folder = Path(tempfile.mkdtemp(prefix="netagents-timing-"))
    try:
        run = launch(loaded, path=folder / "run")
        return _where_time_went(run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _where_time_went(run: Run) -> dict[str, float]:
    """Milliseconds per step: the sampling phase by the server's clock, and an agent's mean shares of an iteration."""
    recorded = len(run.iterations)
    traffic = next((event for event in run.events if event["event"] == "traffic"), {})
    steps = run.setup.steps
    shares = {name: float(run.agent_timing(name)[1:].mean()) for name in ("compute", "wait", "serialise")}
    # The first step of an iteration also waits for the learning before it, so it is not counted.
    counted = max(1, recorded * (steps - 1))
    return {
        "step_ms": 1e3 * float(traffic.get("sample_seconds", float("nan"))) / counted,
        "compute_ms": 1e3 * shares["compute"] / steps,
        "wait_ms": 1e3 * shares["wait"] / steps,
        "serialise_ms": 1e3 * shares["serialise"] / steps,
        # With relay routing: from a forwarder's sending to the next agent's taking.
        "hop_ms": float(traffic.get("carried", {}).get("hop_milliseconds", float("nan"))),
    }
