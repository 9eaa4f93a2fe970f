"""The time that a study says is left: longer runs take longer, also before one of them has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from netagents.experiment import load_experiment
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_runs import _Executor
from netagents.studies.study_specification import Study, StudySetting


def test_a_run_takes_what_its_like_have_taken_or_as_many_iterations_of_others(tmp_path: Path) -> None:
    base = load_experiment("line_msg").experiment
    short, long = (load_experiment(base, {"learning.iterations": count}).experiment for count in (10, 50))
    settings = tuple(StudySetting(label, {}, each) for label, each in (("short", short), ("long", long), ("other", long)))
    study = Study("sweep", "lengths", base, settings, (0,), ("length",), "return", ())
    executor = _Executor(study, StudyDirectory.open_for(tmp_path / "study", study), 1, 0, None, None)
    executor._took["short"] += [2.0, 4.0]
    assert [executor._expected(setting) for setting in settings] == pytest.approx([3.0, 15.0, 15.0])
    executor._took["long"].append(24.0)
    assert [executor._expected(setting) for setting in settings] == pytest.approx([3.0, 24.0, 30.0 * 50 / 70])
