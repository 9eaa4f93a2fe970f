"""A comparison groups what differs by seed alone, and its numbers are those of the runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netagents.errors import RunDirectoryError, UsageError
from netagents.intervals import Interval, run_intervals
from netagents.records import Run
from netagents.reports.comparison import compare_runs, comparison_rows, notes, verdict
from netagents.reports.comparison_page import comparison_page, write_comparison


def test_runs_that_differ_by_seed_alone_are_one_group(recorded_run: Callable[..., Run]) -> None:
    runs = [recorded_run(kappa=kappa, kappa_policy=0, seed=seed) for kappa in (0, 2) for seed in (1, 2)]
    comparison = compare_runs(runs)
    assert [group.label for group in comparison.groups] == ["kappa 0", "kappa 2"]
    assert [len(group.runs) for group in comparison.groups] == [2, 2]
    assert comparison.differences == (("kappa", ["0", "2"]),)
    for group in comparison.groups:
        returns = np.stack([run.returns for run in group.runs])
        for result, expected in zip((group.middle, group.low, group.high), run_intervals(returns), strict=True):
            assert np.array_equal(result, expected)
        assert group.final.value == pytest.approx(returns[:, -1].mean())
        assert group.area.value == pytest.approx(returns.mean())
        assert group.final.n == 2
        assert group.bytes_per_iteration == pytest.approx(group.runs[0].ledger.total.bytes / 3)


def test_runs_of_different_length_are_compared_over_what_they_share(recorded_run: Callable[..., Run]) -> None:
    short, long = recorded_run(iterations=2), recorded_run(iterations=4)
    comparison = compare_runs([short, long])
    assert comparison.groups[1].area.value == pytest.approx(long.returns[:2].mean())
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


def test_the_verdict_names_no_winner_below_five_seeds_and_says_why(recorded_run: Callable[..., Run]) -> None:
    comparison = compare_runs([recorded_run(kappa=kappa, kappa_policy=0, seed=seed) for kappa in (0, 2) for seed in (1, 2)])
    assert verdict(comparison).startswith("Too few seeds to tell whose final return is highest (n = 2, 5 at least): ")
    assert "Highest" not in comparison_page(comparison)
    enough = tuple(
        replace(group, final=Interval(value, value - 0.1, value + 0.1, 5))
        for group, value in zip(comparison.groups, (1.0, 2.0), strict=True)
    )
    apart = replace(comparison, groups=enough)
    assert verdict(apart).startswith("Highest final return beyond chance: kappa 2 with 2 [1.9, 2.1] (n = 5); next is kappa 0 with 1 [0.9")
    assert verdict(apart) in comparison_page(apart)
