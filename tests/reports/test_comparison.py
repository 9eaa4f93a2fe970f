"""A comparison groups what differs by seed alone, and its numbers are those of the runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netagents.errors import RunDirectoryError, UsageError
from netagents.records import Run
from netagents.records.statistics import bootstrap_interval, bootstrap_intervals
from netagents.reports.comparison import compare_runs, comparison_rows, notes
from netagents.reports.comparison_page import comparison_page, write_comparison


def test_runs_that_differ_by_seed_alone_are_one_group(recorded_run: Callable[..., Run]) -> None:
    runs = [recorded_run(kappa=kappa, kappa_policy=0, seed=seed) for kappa in (0, 2) for seed in (1, 2)]
    comparison = compare_runs(runs)
    assert [group.label for group in comparison.groups] == ["kappa 0", "kappa 2"]
    assert [len(group.runs) for group in comparison.groups] == [2, 2]
    assert comparison.differences == (("kappa", ["0", "2"]),)
    for group in comparison.groups:
        returns = np.stack([run.returns for run in group.runs])
        assert group.mean == pytest.approx(returns.mean(axis=0))
        assert (group.low <= group.mean).all()
        assert (group.mean <= group.high).all()
        assert group.final.mean == pytest.approx(returns[:, -1].mean())
        assert group.area.mean == pytest.approx(returns.mean())
        assert group.bytes_per_iteration == pytest.approx(group.runs[0].ledger.total.bytes / 3)


def test_runs_of_different_length_are_compared_over_what_they_share(recorded_run: Callable[..., Run]) -> None:
    short, long = recorded_run(iterations=2), recorded_run(iterations=4)
    comparison = compare_runs([short, long])
    assert comparison.groups[1].area.mean == pytest.approx(long.returns[:2].mean())
    assert any("different length" in note for note in notes(comparison))
    assert [row[1] for row in comparison_rows(comparison)] == ["1", "1"]


def test_one_run_twice_too_few_or_empty_ones_are_one_line(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run()
    with pytest.raises(UsageError, match="at least two"):
        compare_runs([run])
    with pytest.raises(UsageError, match="the same run twice"):
        compare_runs([run, Run.open(run.path)])
    with pytest.raises(RunDirectoryError, match="no iteration is recorded"):
        compare_runs([run, recorded_run(iterations=0)])


def test_the_page_and_the_picture_are_written(recorded_run: Callable[..., Run], tmp_path: Path) -> None:
    comparison = compare_runs([recorded_run(seed=1), recorded_run(seed=2), recorded_run(kappa=1)])
    page = comparison_page(comparison)
    assert "http" not in page
    assert all(run.path.name in page for group in comparison.groups for run in group.runs)
    assert write_comparison(comparison, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert write_comparison(comparison, tmp_path / "a.html").read_text().startswith("<!doctype html>")
    with pytest.raises(UsageError, match=r"\.html or \.png"):
        write_comparison(comparison, tmp_path / "a.pdf")


def test_bootstrap_intervals_cover_the_mean_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        interval = bootstrap_interval(generator.normal(3.0, 2.0, size=60), seed)
        covered += interval.low <= 3.0 <= interval.high
    # 95 % of 200 are 190; the bootstrap is a little narrow for 60 values.
    assert 178 <= covered <= 198


def test_bootstrap_intervals_repeat_and_match_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(size=(400, 2)) * [1.0, 5.0]
    mean, low, high = bootstrap_intervals(values)
    again = bootstrap_intervals(values)
    assert np.array_equal(low, again[1])
    assert mean == pytest.approx(values.mean(axis=0))
    assert (high - low) / 2 == pytest.approx(1.96 * values.std(axis=0) / 20, rel=0.08)
    assert np.isnan(bootstrap_interval(np.array([4.0])).low)
