"""Wall time of a study's settings: one run per setting with one process per agent, beside what the step-time model predicts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from netagents.errors import RunDirectoryError
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.records.atomic_files import write_atomically
from netagents.records.column_table import ColumnTable
from netagents.records.regular_files import read_regular
from netagents.studies.step_time_model import Calibration, calibrate
from netagents.studies.step_timing import TIMES, timed_run
from netagents.studies.study_directory import TIMED, StudyDirectory
from netagents.studies.study_specification import Study, run_name

PREDICTED = "predicted_ms"
_LARGEST = 1 << 16
"""Bytes of a file with times."""


def time_settings(study: Study, directory: StudyDirectory, iterations: int) -> ColumnTable:
    """Per setting: predicted and measured milliseconds per step, and where an agent's time went.

    The prediction is from what a wake-up and a message cost on this machine, measured just before.

    Settings that were timed before are not timed again.

    Raises:
        NetagentsError: a run failed, or a file with times was damaged.
    """
    rows = []
    calibrations: dict[tuple[str, str], Calibration] = {}
    for setting in study.settings:
        file = directory.path / TIMED / f"{run_name(setting, study.seeds[0])}-{iterations}.json"
        if not os.path.lexists(file):
            file.parent.mkdir(exist_ok=True)
            words: dict[str, Any] = {"runtime.launcher": "local", "learning.iterations": iterations, "seed": study.seeds[0]}
            means = (setting.experiment.routing, setting.experiment.runtime.transport)
            if means not in calibrations:
                calibrations[means] = calibrate(setting.experiment.learning.batch, *means)
            predicted = calibrations[means].step_seconds(prepare(setting.experiment)) * 1e3
            row = {PREDICTED: predicted, **timed_run(load_experiment(setting.experiment, words))}
            write_atomically(file, json.dumps(row).encode())
        rows.append({"setting": setting.label, **setting.values, **_read(file)})
    return ColumnTable({name: np.array([row[name] for row in rows]) for name in rows[0]})


def _read(file: Path) -> dict[str, float]:
    """The times of a setting.

    Raises:
        RunDirectoryError: the file holds none.
    """
    try:
        row = json.loads(read_regular(file, _LARGEST))
        return {name: float(row[name]) for name in (PREDICTED, *TIMES)}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        fix = "remove it; the same command takes the times again"
        raise RunDirectoryError("does not hold the times of a setting", where=str(file), fix=fix) from error
