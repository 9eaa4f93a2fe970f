"""Rows of power audits: what was written is read, and what no audit writes is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netagents.errors import RunDirectoryError
from netagents.records.power_branches import AuditPlan, AuditRow, PowerBranches

PLAN = AuditPlan(run="0123456789abcdef", checkpoint=3, variant="realized", steps=1, points=2, replicates=2, length=10, seed=0)
ROW: dict[str, Any] = {"holder": 1, "part": 0, "visits": 4, "low": [0.5, 0.0], "high": [0.75, 0.0], "squares": [0.1, 0.0]}


def branches(folder: Path, **changes: object) -> PowerBranches:
    there = PowerBranches.of(folder, PLAN, 2)
    (there.path / "branches.jsonl").write_text(json.dumps(ROW | changes) + "\n")
    return there


def test_a_row_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert branches(tmp_path).rows() == [AuditRow.model_validate(ROW)]


@pytest.mark.parametrize(
    "changes",
    [
        {"low": [1e160, 0.0]},
        {"high": [-1e160, 0.0]},
        {"squares": [-1.0, 0.0]},
        {"squares": [1e250, 0.0]},
        {"low": [0.5]},
        {"holder": 2},
        {"visits": -1},
    ],
)
def test_what_no_audit_writes_is_one_line_with_its_place(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(RunDirectoryError, match=r"branches\.jsonl.*1"):
        branches(tmp_path, **changes).rows()
