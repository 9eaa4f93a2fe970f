"""Radii chosen under a budget of bytes: which rings of neighbours each agent listens to, so that the total worth is largest.

A ring is all agents at one hop distance from agent i.  Of each kind of radius k (policy, critic, gradient) agent i takes the rings 1 to its
radius; ring r is worth v[k, i, r] and costs c[k, i, r] bytes.  This is a knapsack with precedence,

    max sum v y   s.t.   sum c y <= budget,   y[k, i, r + 1] <= y[k, i, r],   y binary,

which HiGHS solves to optimality (``scipy.optimize.milp``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError, NumericalError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

POLICY, CRITIC, GRADIENT = 0, 1, 2
"""Rows of worth, cost and radii."""

FREE = -1
"""Stands for a radius that is to be chosen."""

_GAP, _NODES = 1e-6, 200_000
"""Where the search may stop: this close to the optimum, relatively, or after so many nodes, where a time would not give the same bits."""

_TOLERANCE = 2e-6
"""How far the solver may be beyond the budget, as a share of all bytes."""


class Rings(NamedTuple):
    """Worth and cost of listening to each ring.

    Attributes:
        value: (3, n, R) of ring 1 to R, never negative. cost: (3, n, R) bytes.
    """

    value: FloatArray
    cost: FloatArray

    def total(self, radii: IntArray) -> tuple[float, float]:
        """Worth and bytes of (3, n) radii."""
        inside = np.arange(1, self.cost.shape[2] + 1) <= radii[..., None]
        return float(self.value[inside].sum()), float(self.cost[inside].sum())


def make_rings(pairs: FloatArray, bytes_between: FloatArray, hops: IntArray, largest: int) -> Rings:
    """Rings from pairs of agents.

    Policies and critics of agent i gain from agents that matter to i; the gradient of i gains from the values of those to whom i matters.

    Args:
        pairs: (n, n) how much j (row) matters to i (column), never negative; the diagonal is not read.
        bytes_between: (3, n, n) bytes that j (row) sends i (column) because i's radius of this kind reaches j.
        hops: (n, n) distances.
        largest: R.
    """
    n = len(hops)
    value, cost = np.zeros((3, n, largest)), np.zeros((3, n, largest))
    for r in range(1, largest + 1):
        ring = hops == r
        received, credited = np.where(ring, pairs, 0.0).sum(axis=0), np.where(ring, pairs, 0.0).sum(axis=1)
        value[POLICY, :, r - 1] = value[CRITIC, :, r - 1] = received
        value[GRADIENT, :, r - 1] = credited
        cost[:, :, r - 1] = np.where(ring, bytes_between, 0.0).sum(axis=1)
    return Rings(value, cost)


def choose_radii(rings: Rings, budget: float, *, fixed: IntArray | None = None, gradient_within_critic: bool = False) -> IntArray:
    """(3, n) the radii of largest total worth that cost at most ``budget`` bytes; rings that are worth nothing are left out.

    Args:
        rings: value and cost.
        budget: bytes.
        fixed: (3, n) radii that are given; :data:`FREE` where they are to be chosen.
        gradient_within_critic: an agent's gradient radius may not be above its critic radius (credit ``shared_reward``).

    Raises:
        ExperimentError: the given radii alone cost more than the budget.
        NumericalError: the search failed.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    kinds, n, largest = rings.value.shape
    fixed_radii = np.full((kinds, n), FREE, dtype=np.int64) if fixed is None else np.minimum(fixed, largest)
    _check_given(rings, fixed_radii, budget)
    lower = np.zeros(rings.value.shape)
    upper = np.ones(rings.value.shape)
    inside = np.arange(1, largest + 1) <= fixed_radii[..., None]
    lower[inside] = 1.0
    upper[(fixed_radii[..., None] != FREE) & ~inside] = 0.0
    place = np.arange(rings.value.size).reshape(rings.value.shape)
    outer = [place[:, :, 1:].ravel()]
    inner = [place[:, :, :-1].ravel()]
    if gradient_within_critic:
        outer.append(place[GRADIENT].ravel())
        inner.append(place[CRITIC].ravel())
    above, below = np.concatenate(outer), np.concatenate(inner)
    rows = np.arange(len(above))
    ones = np.ones(len(above))
    order = coo_array((np.r_[ones, -ones], (np.r_[rows, rows], np.r_[above, below])), shape=(len(above), place.size)).tocsr()
    # Numbers near 1 keep the solver's tolerances from deciding.
    scale = max(float(rings.cost.sum()), 1.0)
    value = rings.value / max(float(rings.value.max()), 1e-300)
    for slack in (0.0, _TOLERANCE):
        constraints = [LinearConstraint(rings.cost.reshape(1, -1) / scale, ub=budget / scale - slack)]
        if len(above):
            constraints.append(LinearConstraint(order, ub=0.0))
        solution = milp(
            -value.ravel(),
            integrality=np.ones(place.size, dtype=np.int64),
            bounds=Bounds(lower.ravel(), upper.ravel()),
            constraints=constraints,
            options={"mip_rel_gap": _GAP, "node_limit": _NODES},
        )
        if solution.x is None:
            break
        radii = (solution.x.reshape(rings.value.shape) > 0.5).sum(axis=2).astype(np.int64)
        trimmed = _trimmed(rings, radii, fixed_radii, gradient_within_critic)
        if rings.total(trimmed)[1] <= budget:
            return trimmed
    raise NumericalError(f"the search for radii failed: {solution.message}", where="kappa", fix="set the radii, or raise the byte budget")


def uniform_radii(rings: Rings, budget: float, *, fixed: IntArray | None = None, gradient_within_critic: bool = False) -> IntArray:
    """(3, n) radii that are the same for all agents: the largest one for all three kinds that the budget pays for, and with what is left
    a larger one of critics, then of policies, then of gradients.

    Args:
        rings, budget, fixed, gradient_within_critic: as in :func:`choose_radii`; values are not read.

    Raises:
        ExperimentError: the given radii alone cost more than the budget.
    """
    kinds, n, largest = rings.cost.shape
    fixed_radii = np.full((kinds, n), FREE, dtype=np.int64) if fixed is None else np.minimum(fixed, largest)
    _check_given(rings, fixed_radii, budget)

    def spread(radii: Sequence[int]) -> IntArray:
        return np.where(fixed_radii == FREE, np.array(radii)[:, None], fixed_radii)

    def affordable(radii: Sequence[int]) -> bool:
        return rings.total(spread(radii))[1] <= budget and not (gradient_within_critic and radii[GRADIENT] > radii[CRITIC])

    common = max((r for r in range(largest + 1) if affordable([r] * kinds)), default=0)
    choice = [common] * kinds
    for kind in (CRITIC, POLICY, GRADIENT):
        while choice[kind] < largest and affordable([r + (k == kind) for k, r in enumerate(choice)]):
            choice[kind] += 1
    return spread(choice)


def _check_given(rings: Rings, fixed_radii: IntArray, budget: float) -> None:
    needed = rings.total(fixed_radii)[1]
    if needed > budget:
        raise ExperimentError(
            f"the radii that are set need {needed:,.0f} bytes of {budget:,.0f}",
            where="calibration.byte_budget",
            fix="raise it, or leave these radii to the calibration",
        )


def _trimmed(rings: Rings, radii: IntArray, fixed_radii: IntArray, gradient_within_critic: bool) -> IntArray:
    """Without outer rings that are worth nothing; the solver is free to take them."""
    numbers = np.arange(1, rings.value.shape[2] + 1)
    useful = np.where((rings.value > 0.0) & (numbers <= radii[..., None]), numbers, 0).max(axis=2, initial=0)
    trimmed: IntArray = np.where(fixed_radii == FREE, useful, radii)
    if gradient_within_critic:
        trimmed[CRITIC] = np.where(fixed_radii[CRITIC] == FREE, np.maximum(trimmed[CRITIC], trimmed[GRADIENT]), trimmed[CRITIC])
    return trimmed
