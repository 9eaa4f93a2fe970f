"""Influence that was measured on a run: the matrices that ``netagents influence`` leaves in its directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NetagentsError
from netagents.records.influence_returns import INFLUENCE
from netagents.records.regular_files import read_regular

MATRIX = "influence.json"
_LARGEST = 1 << 28

FloatArray = NDArray[np.float64]


class MeasuredInfluence(NamedTuple):
    """One measurement.

    Attributes:
        checkpoint: the iteration after which the policies were saved.
        values: (n, n) influence of agent j (row) on agent i (column), in nats; NaN where it was not measured.
        excess: (n, n) what of it is significant and beyond the null; 0 elsewhere.
    """

    checkpoint: int
    values: FloatArray
    excess: FloatArray


def measured_influence(run: Path, n: int, iteration: int) -> MeasuredInfluence | None:
    """The newest measurement whose checkpoint is not after an iteration; else the oldest; None where there is none that can be read.

    Args:
        run: the run directory.
        n: number of agents.
        iteration: of the checkpoint that is looked for.
    """
    readable = [each for file in sorted(run.glob(f"{INFLUENCE}/*/{MATRIX}")) if (each := _read(file, n)) is not None]
    readable.sort(key=lambda each: each.checkpoint)
    earlier = [each for each in readable if each.checkpoint <= iteration]
    return earlier[-1] if earlier else next(iter(readable), None)


def _read(file: Path, n: int) -> MeasuredInfluence | None:
    """None for a file of another run, or one that is damaged."""
    try:
        facts = json.loads(read_regular(file, _LARGEST))
        matrix = facts["matrix"]
        values = np.array(matrix["values"], dtype=np.float64)
        if values.shape != (n, n):
            return None
        # Where there are no tests of significance, all of it counts.
        null = np.broadcast_to(np.array(matrix.get("null_mean", 0.0), dtype=np.float64), (n, n))
        significant = np.broadcast_to(np.array(matrix.get("significant", True), dtype=np.bool_), (n, n))
        excess = np.where(significant & np.isfinite(values - null), np.maximum(values - null, 0.0), 0.0)
        return MeasuredInfluence(int(facts["plan"]["checkpoint"]), values, excess)
    except (NetagentsError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
