"""Branches behind an audit of power: a folder in the run directory with a plan and a row for each holder and part that was played.

A row appears whole or not at all, so an audit that was interrupted goes on with the parts that are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from netagents.errors import RunDirectoryError
from netagents.records.jsonl import JsonLinesReader, JsonLinesWriter
from netagents.records.plan_folder import plan_folder, plans_of
from netagents.records.record_files import checked
from netagents.records.record_models import Iteration, Record

AUDIT, BRANCHES = "audit", "branches.jsonl"
LARGEST_FILE = 1 << 28

Total = Annotated[float, Field(ge=-1e100, le=1e100)]
"""Of power over the visits of one part; its square can be computed with."""


class AuditPlan(Record):
    """``audit/*/plan.json``: which branches measure true power; those of a run with the same plan are the same numbers."""

    run: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    checkpoint: Iteration
    variant: Literal["realized", "ex_ante"]
    steps: Annotated[int, Field(ge=1, le=64)]
    points: Annotated[int, Field(ge=2, le=64)]
    replicates: Annotated[int, Field(ge=2, le=100_000)]
    length: Annotated[int, Field(ge=1, le=10_000_000)]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    greedy: bool = False


class AuditRow(Record):
    """One row of ``audit/*/branches.jsonl``: sums over the visits of one part, for one holder, a number per sufferer."""

    holder: Annotated[int, Field(ge=0, le=10_000_000)]
    part: Annotated[int, Field(ge=0, le=10_000_000)]
    visits: Annotated[int, Field(ge=0, le=1_000_000)]
    low: list[Total]
    high: list[Total]
    squares: list[Annotated[float, Field(ge=0.0, le=1e200)]]


@dataclass(frozen=True)
class PowerBranches:
    """The folder of one plan.

    Attributes:
        path: of the folder.
        plan: which branches it holds.
        n: number of agents of the run.
    """

    path: Path
    plan: AuditPlan
    n: int

    @classmethod
    def of(cls, run: Path, plan: AuditPlan, n: int) -> PowerBranches:
        """The folder of a plan in a run directory, made where there is none.

        Raises:
            RunDirectoryError: it cannot be made.
        """
        return cls(plan_folder(run, AUDIT, plan), plan, n)

    @classmethod
    def all(cls, run: Path, n: int) -> list[PowerBranches]:
        """The folders of all plans in a run directory, in the order of their names.

        Raises:
            RunDirectoryError: a plan is damaged.
        """
        return [cls(path, plan, n) for path, plan in plans_of(run, AUDIT, AuditPlan)]

    def rows(self) -> list[AuditRow]:
        """Every row, each holder and part once.

        Raises:
            RunDirectoryError: the file is damaged.
        """
        rows: dict[tuple[int, int], AuditRow] = {}
        reader = JsonLinesReader(self.path / BRANCHES, self._parse, longest=1 << 24, most=LARGEST_FILE)
        for values in reader.new_rows():
            row: AuditRow = values["row"]
            rows[row.holder, row.part] = row
        return list(rows.values())

    def writer(self) -> JsonLinesWriter:
        """Adds rows; a torn last line is removed first."""
        return JsonLinesWriter(self.path / BRANCHES)

    def _parse(self, line: bytes, where: str, _number: int) -> dict[str, Any]:
        row = checked(line, AuditRow, self.n, where)
        if row.holder >= self.n or any(len(each) != self.n for each in (row.low, row.high, row.squares)):
            raise RunDirectoryError("is no row of an audit of this run", where=where, fix="remove the file; it is played again")
        return {"row": row}
