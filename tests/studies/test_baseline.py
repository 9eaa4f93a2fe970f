"""A run beside its baseline: which runs are made, what the sentence says, and that it says no more than the seeds show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import netagents
from netagents.cli.main import main
from netagents.errors import ExperimentError, UsageError
from netagents.records.same_bits import same_bits
from netagents.reports.baseline_verdict import baseline_of, baseline_sentence, difference
from netagents.reports.run_report import report
from netagents.studies.baseline import plan_baseline, run_baseline

SMALL: dict[str, Any] = {
    "environment": {"kind": "wireless_qu_lin", "deadline": 1, "arrival": 0.8, "success": [0.8]},
    "topology": {"kind": "access_grid", "rows": 2, "columns": 2},
    "kappa": 1,
    "learning": {"iterations": 12, "batch": 64, "learning_rate": 100},
    "runtime": {"launcher": "in_process"},
}


def test_the_runs_of_a_comparison_are_the_same_on_both_sides_but_for_the_change() -> None:
    planned = plan_baseline(SMALL, ["seed=7", "runtime.record_inbox=all", "runtime.launcher=local"], ["kappa=0"], 3)
    runs = {name: loaded.experiment for name, loaded in planned.runs}
    assert list(runs) == ["same-seed-8", "same-seed-9", "changed-seed-7", "changed-seed-8", "changed-seed-9"]
    for name, experiment in runs.items():
        assert experiment.seed == int(name.rpartition("-")[2])
        assert experiment.kappa == (0 if name.startswith("changed") else 1)
        assert (experiment.runtime.launcher, experiment.runtime.record_inbox) == ("in_process", ())
    clock = plan_baseline(SMALL, ["runtime.launcher=local", "clock={kind: bounded_staleness, steps: 1}"], ["kappa=0"], 1)
    assert clock.runs[0][1].experiment.runtime.launcher == "local", "a clock needs processes"


@pytest.mark.parametrize("change", ["seed=3", "kappa=1", "runtime.monitor=false", "timeouts.scale=2", "kappa_policy=1"])
def test_a_change_of_nothing_is_refused(change: str) -> None:
    with pytest.raises(UsageError, match="changes nothing that is learned"):
        plan_baseline(SMALL, [], [change])
    with pytest.raises(ExperimentError, match="did you mean 'kappa'"):
        plan_baseline(SMALL, [], ["kapa=1"])


def test_the_difference_is_students_interval_of_paired_seeds(tmp_path: Path) -> None:
    run = netagents.run(SMALL, directory=tmp_path / "run")
    assert baseline_of(run) is None
    made = run_baseline(plan_baseline(SMALL, [], ["kappa=0"], 4), run)
    assert len(made) == 7
    alone = netagents.run(SMALL, "seed=2", directory=tmp_path / "alone")
    assert same_bits(alone, netagents.Run.open(run.path / "comparison" / "same-seed-2")) == []
    comparison = baseline_of(run)
    assert comparison is not None
    assert [group.label for group in comparison.groups] == ["kappa 1", "kappa 0"]

    def last(path: Path) -> float:
        return float(netagents.Run.open(path).returns[-1:].mean())

    beside = run.path / "comparison"
    own = np.array([last(run.path), *(last(beside / f"same-seed-{seed}") for seed in (1, 2, 3))])
    other = np.array([last(beside / f"changed-seed-{seed}") for seed in (0, 1, 2, 3)])
    expected = stats.ttest_rel(own, other).confidence_interval(0.95)
    gap = difference(comparison)
    assert (gap.mean, gap.low, gap.high) == pytest.approx(((own - other).mean(), expected.low, expected.high))
    assert gap.seeds == 4
    sentence = baseline_sentence(comparison)
    assert f"{gap.mean:+.4g} [{gap.low:.4g}, {gap.high:.4g}]" in sentence
    assert "95 % interval over 4 seeds" in sentence
    assert ("may be chance" in sentence) == (not gap.certain)
    assert sentence.replace("'", "&#x27;") in report(run)


def test_one_seed_says_that_it_is_one(tmp_path: Path) -> None:
    run = netagents.run(SMALL, directory=tmp_path / "run")
    run_baseline(plan_baseline(SMALL, [], ["kappa=0"]), run)
    comparison = baseline_of(run)
    assert comparison is not None
    gap = difference(comparison)
    assert (gap.seeds, gap.certain) == (1, False)
    assert np.isnan(gap.low)
    assert "from one seed, so how much of it is chance is not known" in baseline_sentence(comparison)


def test_a_difference_that_seeds_do_not_show_is_not_claimed(tmp_path: Path) -> None:
    run = netagents.run(SMALL, "learning.iterations=2", directory=tmp_path / "run")
    # What is drawn in the first iterations hardly depends on how critics forget.
    run_baseline(plan_baseline(SMALL, ["learning.iterations=2"], ["learning.critic.carry=false"], 3), run)
    comparison = baseline_of(run)
    assert comparison is not None
    assert not difference(comparison).certain
    assert "which may be chance" in baseline_sentence(comparison)


@pytest.mark.system
def test_the_command_ends_with_the_sentence_and_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = ["quickstart", "learning.iterations=4", "learning.batch=32", "--against", "kappa=0", "--seeds", "2", "--out", str(out)]
    assert main(["run", *words]) == 0
    sentence = capsys.readouterr()
    assert "quickstart: 3 more runs to compare with kappa=0" in sentence.err
    assert re.search(r"^kappa 1 ends at [\d.]+ per agent, kappa 0 at [\d.]+: .* over 2 seeds", sentence.out, re.MULTILINE)
    assert (out / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert "Beside" in (out / "report.html").read_text()
