"""The pairwise power matrix: who holds how much power over whom, and how far each entry can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.environments.contract import EnvironmentSpec

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PowerMatrix:
    """Power of j (row) over i (column), at one iteration.

    Attributes:
        values: (n, n) float64, NaN where unknown or out of reach; the diagonal is NaN.
        known: (n, n) share of the visits on which the entry rests, 0 where nothing is known.
        age: (n, n) mean age in iterations of the alternatives behind the entry, NaN where unknown.
        reliable: (n, n) bool, j is within ``kappa_critic - reach_offset`` of i and something is known.
        impossible: (n, n) bool, j's action cannot reach i's reward at all; what is measured there is noise.
    """

    values: FloatArray
    known: FloatArray
    age: FloatArray
    reliable: BoolArray
    impossible: BoolArray

    @property
    def noise_floor(self) -> float:
        """Mean power measured on pairs that cannot influence each other: the bias of a minimum over noise.  NaN if there is none."""
        floor = self.values[self.impossible]
        floor = floor[np.isfinite(floor)]
        return float(floor.mean()) if floor.size else float("nan")


def assemble(rows: Sequence[FloatArray], distances: FloatArray, trusted: Sequence[int], impossible: BoolArray) -> PowerMatrix:
    """Build the matrix from the agents' reports.

    Args:
        rows: for each agent i the (m, 4) array of its report: j, power, known share, age.
        distances: (n, n) graph distances.
        trusted: for each agent i the largest distance at which its critic's power can be trusted.
        impossible: see :func:`cannot_influence`.
    """
    n = len(rows)
    values, known, age = np.full((n, n), np.nan), np.zeros((n, n)), np.full((n, n), np.nan)
    for i, row in enumerate(rows):
        sources = row[:, 0].astype(np.int64)
        values[sources, i], known[sources, i], age[sources, i] = row[:, 1], row[:, 2], row[:, 3]
    within = np.asarray(distances) <= np.asarray(trusted)[None, :]
    return PowerMatrix(values, known, age, reliable=within & np.isfinite(values), impossible=impossible)


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
