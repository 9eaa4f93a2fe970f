"""Audits during a run as they are written: true power, a row of ``audits.jsonl`` for each audited iteration."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.measures.power.branched_power import BranchedPower
from netagents.records.column_table import ColumnTable
from netagents.records.jsonl import Parse, json_floats
from netagents.records.record_files import DAMAGED, RECORDS, checked
from netagents.records.record_models import AuditedRow

FloatArray = NDArray[np.float64]
AUDITS = "audits.jsonl"
"""File of a run directory; there is none where no iteration was audited."""


def audited_row(iteration: int, power: BranchedPower) -> dict[str, Any]:
    """What to write of one audit: the holders, their visits, and for each of them a number per agent that may suffer."""
    holders = np.flatnonzero(power.visits)
    return {
        "iteration": iteration,
        "holders": holders.tolist(),
        "visits": power.visits[holders].tolist(),
        **{name: json_floats(getattr(power, name)[holders]) for name in ("low", "high", "error")},
    }


def audited_parser(n: int) -> Parse:
    """What turns lines of ``audits.jsonl`` into rows.

    Args:
        n: number of agents.
    """

    def parse(line: bytes, where: str, _number: int) -> dict[str, Any]:
        row = checked(line, RECORDS[AUDITS].model, n, where)
        assert isinstance(row, AuditedRow), "the model of the file"
        visits = np.zeros(n, dtype=np.int64)
        visits[row.holders] = row.visits
        tables: dict[str, FloatArray] = {}
        for name in ("low", "high", "error"):
            tables[name] = np.full((n, n), np.nan)
            tables[name][row.holders] = np.array(getattr(row, name)).reshape(-1, n)
        return {"iteration": row.iteration, "power": BranchedPower(visits=visits, **tables)}

    return parse


def audited_iterations(rows: list[dict[str, Any]], recorded: int, where: str) -> dict[int, BranchedPower]:
    """Iteration -> true power, of those audited iterations that are recorded.

    Raises:
        RunDirectoryError: the rows do not ascend.
    """
    iterations = [row["iteration"] for row in rows]
    if any(after <= before for before, after in pairwise(iterations)):
        raise RunDirectoryError("its iterations do not ascend", where=where, fix=DAMAGED)
    return {row["iteration"]: row["power"] for row in rows if row["iteration"] < recorded}


def audited_table(audits: Mapping[int, BranchedPower]) -> ColumnTable:
    """One row per audited iteration and pair: iteration, holder, over, power, low and high (95 %), visits."""
    rows = []
    for iteration, power in audits.items():
        for j, i in np.argwhere(np.isfinite(power.power)).tolist():
            interval = power.interval(j, i)
            rows.append((iteration, j, i, interval.value, interval.low, interval.high, interval.n))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 7).T
    names = ("iteration", "holder", "over", "power", "low", "high", "visits")
    whole = ("iteration", "holder", "over", "visits")
    return ColumnTable({name: column.astype(np.int64) if name in whole else column for name, column in zip(names, columns, strict=True)})


def first_difference(left: Mapping[int, BranchedPower], right: Mapping[int, BranchedPower]) -> list[str]:
    """At most one line: the first iteration whose audits are not the same to the bit."""
    if left.keys() != right.keys():
        return [f"audits: iterations {', '.join(map(str, left)) or 'none'} against {', '.join(map(str, right)) or 'none'}"]
    for iteration, power in left.items():
        for name in ("visits", "low", "high", "error"):
            if not np.array_equal(getattr(power, name), getattr(right[iteration], name), equal_nan=name != "visits"):
                return [f"audits: {name} of iteration {iteration} differs"]
    return []
