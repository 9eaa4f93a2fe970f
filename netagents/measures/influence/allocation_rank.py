"""Rank of an allocation among all allocations of the same budget: how many of them would have done better.

S scenarios with L sizes have up to L^S allocations.  Up to a limit they are counted exactly by enumerating the two halves of the
scenarios and matching them (Horowitz and Sahni 1974): 16 scenarios with 3 sizes take milliseconds.  Beyond it a dynamic
programme counts them on a grid of totals, and says how coarse the grid is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from netagents.errors import ExperimentError, NumericalError
from netagents.measures.influence.allocation_rules import checked_sizes
from netagents.measures.influence.estimator import FloatArray
from netagents.measures.influence.resampling import LEVEL
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

LIMIT_HALF = 250_000
"""Largest number of allocations of half of the scenarios that are enumerated."""

GRID_CELLS = 4_000_000
"""Cells (members x totals) of the grid of the dynamic programme."""

_WHERE = "allocation rank"


@dataclass(frozen=True, slots=True)
class AllocationRank:
    """Where an allocation stands among all that spend as many members.

    Attributes:
        total: number of allocations of that budget.
        better: how many have a larger total value, by more than ``tolerance``.
        tied: how many are within ``tolerance``, this one included.
        value: the allocation's total value.
        best: the largest total value.
        tolerance: totals this close count as tied: rounding where counting is exact, the width of the grid otherwise.
        exact: every allocation was looked at; otherwise ``better`` and ``tied`` are rounded shares of ``total``.
    """

    total: int
    better: int
    tied: int
    value: float
    best: float
    tolerance: float
    exact: bool

    @property
    def rank(self) -> float:
        """From 1 (best) to ``total``; tied allocations share the mean of their ranks."""
        return self.better + (self.tied + 1) / 2

    @property
    def percentile(self) -> float:
        """Share of the other allocations that are better, ties counting half: 0 is best, 1/2 is what chance gives, 1 is worst."""
        return (self.better + (self.tied - 1) / 2) / (self.total - 1) if self.total > 1 else 0.0


@dataclass(frozen=True, slots=True)
class RankInterval:
    """A rank from replicated values, and the 95 % bootstrap interval of its percentile over the replicates.

    Attributes:
        rank: at the mean values.
        low: lower edge of the percentile.
        high: upper edge.
        replicates: number of values in each cell.
    """

    rank: AllocationRank
    low: float
    high: float
    replicates: int


def rank_among_all(values: ArrayLike, allocation: Sequence[int], sizes: Sequence[int], *, limit_half: int = LIMIT_HALF) -> AllocationRank:
    """The rank of an allocation among all allocations of its budget.

    Args:
        values: ``(S, len(sizes))`` what each scenario reaches at each size, in the order of ``sizes``; more is better, sums count.
        allocation: the size of each scenario.
        sizes: allowed sizes, ascending.
        limit_half: enumerate up to this many allocations of half of the scenarios.

    Raises:
        ExperimentError: values, sizes and allocation do not go together.
        NumericalError: a value is not finite.
    """
    table, allowed, levels = _checked(values, allocation, sizes)
    shifted = table - table.min(axis=1, keepdims=True)
    offset = float(table.min(axis=1).sum())
    target = float(shifted[np.arange(len(table)), levels].sum())
    budget = sum(allocation)
    if len(allowed) ** ((len(table) + 1) // 2) <= limit_half:
        return _by_halves(shifted, allowed, budget, target, offset)
    return _on_grid(shifted, allowed, budget, levels, target, offset)


def rank_with_interval(
    samples: ArrayLike,
    allocation: Sequence[int],
    sizes: Sequence[int],
    *,
    keep: int | None = None,
    resamples: int = 400,
    seed: int = 0,
) -> RankInterval:
    """The rank at the mean of replicated values, and how far it moves when replicates are drawn anew.

    Args:
        samples: ``(R, S, len(sizes))`` R replicates (training seeds, evaluations) of every cell.
        allocation: the size of each scenario.
        sizes: allowed sizes, ascending.
        keep: average only the largest ``keep`` replicates of each cell, as the published evaluation does with 30; None: all.
        resamples: of the bootstrap over replicates, which are independent between cells.
        seed: of the bootstrap.

    Raises:
        ExperimentError: fewer than 2 replicates, ``keep`` outside 1 to R, or arrays that do not go together.
        NumericalError: a value is not finite.
    """
    array = np.asarray(samples, dtype=np.float64)
    if array.ndim != 3 or len(array) < 2:
        raise ExperimentError(f"samples of shape {array.shape}", where=_WHERE, fix="(replicates, scenarios, sizes), at least 2 replicates")
    R = len(array)
    count = R if keep is None else keep
    if not 1 <= count <= R:
        raise ExperimentError(f"the best {count} of {R} replicates", where=_WHERE, fix=f"keep from 1 to {R}")

    def mean_of_best(drawn: FloatArray) -> FloatArray:
        return np.asarray(np.sort(drawn, axis=0)[R - count :].mean(axis=0))

    rank = rank_among_all(mean_of_best(array), allocation, sizes)
    generator = stream(seed, ENVIRONMENT_OWNER, Purpose.STATISTICS, 3)
    percentiles = np.empty(resamples)
    for r in range(resamples):
        drawn = np.take_along_axis(array, generator.integers(0, R, size=array.shape), axis=0)
        percentiles[r] = rank_among_all(mean_of_best(drawn), allocation, sizes).percentile
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(percentiles, [tail, 1.0 - tail])
    return RankInterval(rank, float(low), float(high), R)


def _checked(values: ArrayLike, allocation: Sequence[int], sizes: Sequence[int]) -> tuple[FloatArray, tuple[int, ...], list[int]]:
    allowed = checked_sizes(sizes)
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape != (len(allocation), len(allowed)) or not len(table) or tuple(sizes) != allowed:
        raise ExperimentError(
            f"values of shape {table.shape} for {len(allocation)} scenarios and the sizes {list(sizes)}",
            where=_WHERE,
            fix="(scenarios, sizes), sizes ascending",
        )
    if not np.isfinite(table).all():
        scenario = int(np.argwhere(~np.isfinite(table))[0, 0])
        raise NumericalError(f"a value of scenario {scenario} is not finite", where=_WHERE, fix="a value for each scenario and size")
    foreign = [size for size in allocation if size not in allowed]
    if foreign:
        raise ExperimentError(f"the allocation gives a scenario {foreign[0]} members", where=_WHERE, fix=f"one of {list(allowed)}")
    return table, allowed, [allowed.index(size) for size in allocation]


def _combinations(table: FloatArray, allowed: tuple[int, ...]) -> dict[int, FloatArray]:
    """For each number of members the totals of all allocations of these scenarios that spend it, ascending."""
    members, totals = np.zeros(1, dtype=np.int64), np.zeros(1)
    for row in table:
        members = (members[:, None] + np.array(allowed)[None, :]).ravel()
        totals = (totals[:, None] + row[None, :]).ravel()
    return {int(count): np.sort(totals[members == count]) for count in np.unique(members)}


def _by_halves(table: FloatArray, allowed: tuple[int, ...], budget: int, target: float, offset: float) -> AllocationRank:
    middle = len(table) // 2
    first, second = _combinations(table[:middle], allowed), _combinations(table[middle:], allowed)
    tolerance = 1e-11 * (1e-300 + float(table.max(axis=1).sum()))
    total = better = tied = 0
    best = -np.inf
    for members, totals in first.items():
        partner = second.get(budget - members)
        if partner is None:
            continue
        total += len(totals) * len(partner)
        above = len(partner) - np.searchsorted(partner, target + tolerance - totals, side="right")
        at_least = len(partner) - np.searchsorted(partner, target - tolerance - totals, side="left")
        better += int(above.sum())
        tied += int((at_least - above).sum())
        best = max(best, float(totals[-1] + partner[-1]))
    return AllocationRank(total, better, tied, target + offset, best + offset, tolerance, exact=True)


def _on_grid(table: FloatArray, allowed: tuple[int, ...], budget: int, levels: list[int], target: float, offset: float) -> AllocationRank:
    """Counts on a grid of totals.  Values are rounded by at most half a cell, so totals more than S cells apart are in the right order."""
    S = len(table)
    span = float(table.max(axis=1).sum())
    cells = max(S * 20, GRID_CELLS // (budget + 1))
    width = span / cells if span > 0.0 else 1.0
    steps = np.rint(table / width).astype(np.int64)
    size = int(steps.max(axis=1).sum()) + 1
    shares = np.zeros((budget + 1, size))
    counts = [0] * (budget + 1)
    best = np.full(budget + 1, -np.inf)
    shares[0, 0], counts[0], best[0] = 1.0, 1, 0.0
    for s in range(S):
        new_shares, new_counts, new_best = np.zeros_like(shares), [0] * (budget + 1), np.full(budget + 1, -np.inf)
        for level, members in enumerate(allowed):
            if members > budget:
                break
            step = int(steps[s, level])
            new_shares[members:, step:] += shares[: budget + 1 - members, : size - step] / len(allowed)
            new_best[members:] = np.maximum(new_best[members:], best[: budget + 1 - members] + table[s, level])
            for cost in range(budget + 1 - members):
                new_counts[cost + members] += counts[cost]
        shares, counts, best = new_shares, new_counts, new_best
    row = shares[budget]
    at = sum(int(steps[s, level]) for s, level in enumerate(levels))
    total = counts[budget]
    whole = float(row.sum())
    better = round(Fraction(float(row[at + S + 1 :].sum()) / whole) * total)
    worse = round(Fraction(float(row[: max(0, at - S)].sum()) / whole) * total)
    return AllocationRank(
        total, better, max(1, total - better - worse), target + offset, float(best[budget]) + offset, S * width, exact=False
    )
