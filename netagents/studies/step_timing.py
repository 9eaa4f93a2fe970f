"""Wall time of real runs, one process per agent: one seed per setting, one run at a time, so that nothing else competes."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from netagents.experiment import load_experiment
from netagents.experiment.load import LoadedExperiment
from netagents.launchers.launch import launch
from netagents.learning.prepare import prepare
from netagents.records.atomic_files import write_atomically
from netagents.records.column_table import ColumnTable
from netagents.records.run_reader import Run
from netagents.studies.study_directory import TIMED, StudyDirectory
from netagents.studies.study_specification import Study, run_name


def time_settings(study: Study, directory: StudyDirectory, iterations: int) -> ColumnTable:
    """Per setting: predicted and measured milliseconds per step, and where an agent's time went.

    The prediction is from what a wake-up and a message cost on this machine, measured just before.

    Settings that were timed before are not timed again.

    Raises:
        NetagentsError: a run failed.
    """
    from netagents.studies.step_time_model import Calibration, calibrate

    rows = []
    calibrations: dict[str, Calibration] = {}
    for setting in study.settings:
        file = directory.path / TIMED / f"{run_name(setting, study.seeds[0])}-{iterations}.json"
        if not file.is_file():
            file.parent.mkdir(exist_ok=True)
            words: dict[str, Any] = {"runtime.launcher": "local", "learning.iterations": iterations, "seed": study.seeds[0]}
            routing = setting.experiment.routing
            if routing not in calibrations:
                calibrations[routing] = calibrate(setting.experiment.learning.batch, routing)
            predicted = calibrations[routing].step_seconds(prepare(setting.experiment)) * 1e3
            row = {"predicted_ms": predicted, **timed_run(load_experiment(setting.experiment, words))}
            write_atomically(file, json.dumps(row).encode())
        rows.append({"setting": setting.label, **setting.values, **json.loads(file.read_text(encoding="utf-8"))})
    return ColumnTable({name: np.array([row[name] for row in rows]) for name in rows[0]})


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
