"""What ``import netagents`` offers besides runs: complete in ``dir``, the same as the commands, one line where an argument is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from experiments import line_msg

import netagents
from netagents.errors import RunDirectoryError, UsageError
from netagents.exact import exact_experiment

SMALL = line_msg(3, name="small", kappa=1, kappa_policy=1, iterations=3, batch=4, horizon=5, launcher="in_process")


def test_dir_lists_everything_and_loads_nothing() -> None:
    assert set(netagents.__all__) <= set(dir(netagents))
    for name in netagents.__all__:
        assert getattr(netagents, name)
    code = "import netagents, sys; dir(netagents); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_compare_and_evaluate_take_runs_and_directories(tmp_path: Path) -> None:
    first = netagents.run(SMALL, directory=tmp_path / "first")
    netagents.run(SMALL, kappa=0, kappa_policy=0, directory=tmp_path / "second")
    page = tmp_path / "page.html"
    comparison = netagents.compare(first, str(tmp_path / "second"), out=page)
    assert len(comparison.groups) == 2
    assert "kappa" in dict(comparison.differences)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(UsageError, match="end the file's name"):
        netagents.compare(first, tmp_path / "second", out=tmp_path / "page.pdf")
    with pytest.raises(UsageError, match="at least two runs"):
        netagents.compare(first)
    by_path, by_run = netagents.evaluate(tmp_path / "first", 16), netagents.evaluate(first, 16)
    assert by_path.returns.tolist() == by_run.returns.tolist()
    with pytest.raises(RunDirectoryError):
        netagents.evaluate(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="0 episodes"):
        netagents.evaluate(first, 0)


def test_exact_values_are_those_of_the_run_s_policies(tmp_path: Path) -> None:
    run = netagents.run(SMALL, directory=tmp_path / "run")
    uniform, learned = netagents.exact_values(SMALL), netagents.exact_values(SMALL, run=tmp_path / "run")
    expected = exact_experiment(run.experiment, None, [policy.logits for policy in run.tables()])
    assert learned["values"].rows == expected["values"].rows
    assert learned["values"].rows != uniform["values"].rows
    with pytest.raises(UsageError, match="power_steps 0"):
        netagents.exact_values(SMALL, power_steps=0)


def test_a_study_refuses_what_asks_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no radii"):
        netagents.study(SMALL, kappas=[], directory=tmp_path / "study")
    with pytest.raises(UsageError, match="0 seeds"):
        netagents.study(SMALL, seeds=0, directory=tmp_path / "study")
    assert not (tmp_path / "study").exists()
