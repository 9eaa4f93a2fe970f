"""Many seeds of one experiment: the runs are those of single commands, and the same command with more seeds goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

import netagents
from netagents.cli.main import main
from netagents.intervals import run_interval, significant
from netagents.records import Run
from netagents.records.same_bits import same_bits

BASE: dict[str, Any] = line_msg(3, name="tiny", seed=4, iterations=3, batch=4, horizon=5, launcher="in_process")


def test_seeds_give_one_table_and_more_of_them_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.json").write_text(json.dumps(BASE))
    assert main(["run", "tiny.json", "--seeds", "2"]) == 0
    text = capsys.readouterr().out
    rows = [line.split() for line in text.splitlines()]
    assert [row[0] for row in rows[1:3]] == ["4", "5"]
    assert rows[3][:2] == ["all", "2"]
    assert "Too few seeds to rely on their interval (n = 2, 5 at least): return per agent after training " in text
    study = tmp_path / "studies" / "seeds-tiny"
    assert text.endswith("studies/seeds-tiny/report.html\n")
    assert "Too few seeds" in (study / "report.html").read_text()
    before = {path.name: (path / "metrics.jsonl").stat().st_mtime_ns for path in (study / "runs").iterdir()}
    alone = netagents.run(BASE, seed=5, directory=tmp_path / "alone")
    (same,) = (path for path in (study / "runs").iterdir() if "-s5-" in path.name)
    assert same_bits(alone, Run.open(same)) == []
    assert main(["run", "tiny.json", "--seeds", "5", "--quiet"]) == 0
    text = capsys.readouterr().out
    runs = [Run.open(path) for path in sorted((study / "runs").iterdir())]
    assert len(runs) == 5
    assert all((study / "runs" / name / "metrics.jsonl").stat().st_mtime_ns == time for name, time in before.items())
    final = run_interval(np.array([run.returns[-1] for run in runs]))
    assert f"Return per agent after training {final.text(number=significant)}, " in text


@pytest.mark.system
def test_seeds_of_an_experiment_that_needs_processes_are_made_with_processes(tmp_path: Path) -> None:
    settings = {**BASE, "clock": {"kind": "free_running", "period": 0.001}, "runtime": {"launcher": "local"}}
    study = netagents.study_seeds(settings, "learning.iterations=2", seeds=1, directory=tmp_path / "study")
    (path,) = (study.path / "runs").iterdir()
    assert Run.open(path).manifest["launcher"] == "local"
    assert (study.path / "tables" / "facts.json").exists()
