"""The rows of the metrics, read back: each parsed once into arrays, and what tables and columns they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.records.column_table import ColumnTable
from netagents.records.jsonl import floats_from_json

FloatArray = NDArray[np.float64]
Rows = Sequence[Mapping[str, Any]]
"""As :func:`netagents.records.record_files.row_parser` makes them of ``metrics.jsonl``, one per iteration."""

TIMING = ("compute", "wait", "serialise")
RETURNS = ("team_return", "team_return_sd", "discounted_return", "seconds")


def iterations_of(rows: Rows) -> NDArray[np.int64]:
    """(K,) the recorded iterations."""
    return np.array([row["iteration"] for row in rows], dtype=np.int64)


def column(rows: Rows, name: str) -> FloatArray:
    """(K,) one of :data:`RETURNS`."""
    return floats_from_json([row[name] for row in rows])


def per_agent(rows: Rows, group: str, name: str, n: int) -> FloatArray:
    """(K, n) one metric (group ``agents``) or one of :data:`TIMING` (group ``timing``)."""
    # A metric that a later version of the same format added is unknown in older records.
    unknown = np.full(n, np.nan)
    return np.array([row[group].get(name, unknown) for row in rows], dtype=np.float64).reshape(-1, n)


def metric_names(rows: Rows) -> tuple[str, ...]:
    """The names of all metrics that rows hold, in the order of their first appearance."""
    return tuple(dict.fromkeys(name for row in rows for name in row["agents"]))


def metrics_table(rows: Rows, n: int) -> ColumnTable:
    """One row per iteration and agent: iteration, agent, every metric, and the timing."""
    columns: dict[str, NDArray[Any]] = {
        "iteration": np.repeat(iterations_of(rows), n),
        "agent": np.tile(np.arange(n, dtype=np.int64), len(rows)),
    }
    columns |= {name: per_agent(rows, "agents", name, n).reshape(-1) for name in metric_names(rows)}
    columns |= {f"{name}_seconds": per_agent(rows, "timing", name, n).reshape(-1) for name in TIMING}
    return ColumnTable(columns)


def curve_table(rows: Rows) -> ColumnTable:
    """One row per iteration: iteration, and :data:`RETURNS`."""
    columns: dict[str, NDArray[Any]] = {"iteration": iterations_of(rows)}
    return ColumnTable(columns | {name: column(rows, name) for name in RETURNS})
