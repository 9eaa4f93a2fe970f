"""A report and a comparison of a run that goes on while they look are of one moment."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

import netagents
from netagents.records import Run
from netagents.records.jsonl import JsonLinesReader
from netagents.reports.comparison import compare_runs, comparison_rows
from netagents.reports.run_report import report

SMALL: dict[str, Any] = line_msg(3, kappa=1, iterations=40, batch=2, horizon=2, launcher="in_process")
ROWS = ("ledger.jsonl", "power.jsonl", "metrics.jsonl")


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of three iterations that records another one whenever one of its files has been read."""
    whole = netagents.run(SMALL, directory=tmp_path / "whole").path
    path = tmp_path / "growing"
    shutil.copytree(whole, path)
    rows = {name: (whole / name).read_bytes().splitlines(keepends=True) for name in ROWS}
    held = [0]

    def grow(to: int) -> None:
        held[0] = to
        for name in ROWS:
            (path / name).write_bytes(b"".join(rows[name][:to]))

    read = JsonLinesReader.new_rows

    def read_and_grow(reader: JsonLinesReader) -> list[dict[str, Any]]:
        result = read(reader)
        if reader.path.parent == path and reader.path.name in ROWS:
            grow(held[0] + 1)
        return result

    grow(3)
    monkeypatch.setattr(JsonLinesReader, "new_rows", read_and_grow)
    return path


def test_a_report_is_of_one_moment(growing: Path) -> None:
    page = report(Run.open(growing))
    assert "3 of 40 iterations" in " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "iterations 0-2" in page


def test_a_comparison_is_of_one_moment(growing: Path, tmp_path: Path) -> None:
    other = netagents.run(SMALL | {"seed": 1}, directory=tmp_path / "other")
    (row,) = comparison_rows(compare_runs([Run.open(growing), other]))
    assert row[1] == "2"


def test_a_run_as_of_now_stays_and_the_run_itself_goes_on(growing: Path) -> None:
    run = Run.open(growing)
    still = run.as_of_now()
    assert [len(still.iterations), len(still.returns), len(still.power), still.ledger.iterations] == [3, 3, 3, 3]
    assert len(run.iterations) > 3
    assert len(still.iterations) == 3
