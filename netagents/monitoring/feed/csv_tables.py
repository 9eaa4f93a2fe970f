"""CSV tables of a run: every number that the page shows, to the last digit that the records hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from netagents.errors import printable
from netagents.monitoring.feed.run_history import DERIVED, RunHistory
from netagents.records import Run
from netagents.records.audited_rows import audited_table

Row = list[Any]


def _returns(run: Run) -> Iterator[Row]:
    curve = run.curve
    yield list(curve)
    yield from map(list, zip(*(column.tolist() for column in curve.values()), strict=True))


def _metrics(run: Run) -> Iterator[Row]:
    table = run.metrics
    yield list(table)
    yield from map(list, zip(*(column.tolist() for column in table.values()), strict=True))


def _power(run: Run) -> Iterator[Row]:
    yield ["iteration", "holder", "over", "power", "error", "known_share", "visits", "age"]
    for iteration, reading in enumerate(run.each_power_reading()):
        for row in reading.tolist():
            yield [iteration, int(row[0]), int(row[1]), *row[2:]]


def _audited(run: Run) -> Iterator[Row]:
    table = audited_table(run.audited_power)
    yield list(table)
    yield from map(list, zip(*(column.tolist() for column in table.values()), strict=True))


def _traffic(run: Run) -> Iterator[Row]:
    table = run.ledger.table()
    yield list(table)
    yield from map(list, zip(*(column.tolist() for column in table.values()), strict=True))


def _events(run: Run) -> Iterator[Row]:
    yield ["time", "event", "role", "line"]
    for event in run.events:
        yield [event.get("time"), event["event"], event.get("role") or event.get("agent", ""), event.get("line", "")]


TABLES: dict[str, Callable[[Run], Iterator[Row]]] = {
    "returns": _returns,
    "metrics": _metrics,
    "power": _power,
    "audited": _audited,
    "traffic": _traffic,
    "events": _events,
}
"""Name of a table -> its rows, the header first."""


def csv_lines(rows: Iterator[Row], lines: int = 500) -> Iterator[bytes]:
    """Rows as CSV, many lines at a time.  What a spreadsheet would take for a formula begins with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for count, row in enumerate(rows, start=1):
        writer.writerow([csv_cell(value) for value in row])
        if count % lines == 0:
            yield buffer.getvalue().encode("utf-8", "backslashreplace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "backslashreplace")


def csv_cell(value: Any) -> Any:
    """A value of a cell: every digit of a number, nothing for NaN, and a text that neither a spreadsheet nor a terminal obeys."""
    if isinstance(value, float):
        return "" if value != value else repr(value)
    if isinstance(value, str):
        value = printable(value, keep="\t\n")
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value
    return value


def chosen_rows(history: RunHistory, metric: str) -> Iterator[Row]:
    """One metric, or one of the derived values, of every agent: a row per iteration."""
    yield ["iteration", *(f"agent_{agent}" for agent in range(history.n))]
    for index in range(history.count):
        yield [index, *np.asarray(history.agent_values(metric, [index])[0]).tolist()]


def is_choice(history: RunHistory, metric: str) -> bool:
    """Whether such a metric is there."""
    return metric in DERIVED or metric in history.choices
