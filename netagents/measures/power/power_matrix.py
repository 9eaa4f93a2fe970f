"""The pairwise power matrix: who holds how much power over whom, and how far each entry can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import EnvironmentSpec

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


RELIABLE_ERROR = 0.25
"""Of an entry: the largest error with which it is called reliable."""
RELIABLE_KNOWN = 0.8
"""Share of the visits that must be known for that."""


@dataclass(frozen=True, slots=True)
class PowerMatrix:
    """Power of j (row) over i (column), at one iteration.

    Attributes:
        values: (n, n) float64, NaN where unknown or out of reach; the diagonal is NaN.
        error: (n, n) the true value is expected within ``values`` plus or minus this, NaN where unknown.
        known: (n, n) share of the visits on which the entry rests, 0 where nothing is known.
        visits: (n, n) effective visits behind each value that was compared, 0 where nothing is known.
        age: (n, n) mean age in iterations of what the entry rests on, NaN where unknown.
        near: (n, n) bool, j is within ``kappa_critic - reach_offset`` of i, and not i.
        reliable: (n, n) bool, near, with enough known and an error that is small against the entry.
        impossible: (n, n) bool, j's action cannot reach i's reward at all; what is measured there is noise.
    """

    values: FloatArray
    error: FloatArray
    known: FloatArray
    visits: FloatArray
    age: FloatArray
    near: BoolArray
    reliable: BoolArray
    impossible: BoolArray

    @property
    def noise_floor(self) -> float:
        """Mean power measured on pairs that cannot influence each other: the bias of the measurement.  NaN if there is none."""
        floor = self.values[self.impossible]
        floor = floor[np.isfinite(floor)]
        return float(floor.mean()) if floor.size else float("nan")


def assemble(rows: Sequence[FloatArray], distances: FloatArray, trusted: Sequence[int], impossible: BoolArray) -> PowerMatrix:
    """Build the matrix from the agents' reports.

    Args:
        rows: for each agent i the (m, 6) array of its report: j, then the fields of a :class:`PowerReading`.
        distances: (n, n) graph distances.
        trusted: for each agent i the largest distance at which its critic's power can be trusted.
        impossible: see :func:`cannot_influence`.
    """
    over = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    stacked = np.concatenate(rows) if rows else np.zeros((0, 6))
    reading = np.column_stack([stacked[:, 0], over, stacked[:, 1:]])
    return assemble_reading(reading, distances, trusted, impossible)


def assemble_reading(reading: FloatArray, distances: FloatArray, trusted: Sequence[int], impossible: BoolArray) -> PowerMatrix:
    """The same from an (r, 7) array of all pairs: j, i, then the fields of a :class:`PowerReading`."""
    n = len(distances)
    values, error, age = (np.full((n, n), np.nan) for _ in range(3))
    known, visits = np.zeros((n, n)), np.zeros((n, n))
    holders, over = reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)
    for column, matrix in enumerate((values, error, known, visits, age), start=2):
        matrix[holders, over] = reading[:, column]
    near = np.asarray(distances) <= np.asarray(trusted)[None, :]
    np.fill_diagonal(near, False)
    with np.errstate(invalid="ignore"):
        reliable = near & (error <= RELIABLE_ERROR * values) & (known >= RELIABLE_KNOWN)
    return PowerMatrix(values, error, known, visits, age, near, reliable, impossible)


def cannot_influence(spec: EnvironmentSpec, read_by_policy: Sequence[Sequence[int]]) -> BoolArray:
    """(n, n) bool: True where j's action can never reach i's reward, through the dynamics or through anyone's policy.

    Args:
        spec: gives the scopes of the dynamics and rewards.
        read_by_policy: for each agent the agents whose states its policy reads, itself included.
    """
    n = spec.n
    touched = np.zeros((n, n), dtype=np.bool_)
    flows = np.eye(n, dtype=np.bool_)
    for i in range(n):
        for j in spec.action_scopes[i]:
            touched[j, i] = True
    for i in range(n):
        for j in spec.state_scopes[i]:
            flows[j, i] = True
        for k in read_by_policy[i]:
            flows[k] |= touched[i]
    reach = touched
    while True:
        wider = reach | (reach @ flows)
        if np.array_equal(wider, reach):
            break
        reach = wider
    impossible: BoolArray = ~reach
    np.fill_diagonal(impossible, False)
    return impossible
