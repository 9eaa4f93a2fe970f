"""Rules that turn influence and a budget into population sizes: more co-players in training where co-players matter more.

Published (arXiv 2310.07218): scenarios whose influence is below mean - sd get the smallest population (self-play), above
mean + sd the largest, the rest the middle one, and a fix-up keeps the budget.  Here as well: by ranks, and by marginal gain.
All of them spend the budget exactly if the sizes allow it, else as much of it as they allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from netagents.errors import ExperimentError, NumericalError
from netagents.measures.influence.estimator import FloatArray

PUBLISHED_SIZES = (1, 3, 5)
"""Self-play, and populations of three and five."""

_WHERE = "allocation"


class Allocation(NamedTuple):
    """Population sizes of S scenarios (or agents, or edges).

    Attributes:
        sizes: one of the allowed sizes for each scenario.
        budget: members that may be trained.
        spent: members that are: the largest total up to the budget that the allowed sizes can make.
    """

    sizes: tuple[int, ...]
    budget: int
    spent: int


def allocate_published(influence: ArrayLike, budget: int | None = None, sizes: Sequence[int] = PUBLISHED_SIZES) -> Allocation:
    """The published rule, for any budget and set of sizes.

    With L sizes the L - 1 thresholds lie evenly from mean - sd to mean + sd (at the mean if there is one); sd is that of the
    population.  The fix-up moves scenarios to other sizes so that the budget is spent and their distances, in sd, from the
    intervals of the sizes they get are smallest in sum: those nearest to a threshold move first.

    Args:
        influence: ``(S,)``.
        budget: members; default S times the middle size, as published.
        sizes: allowed population sizes.

    Raises:
        ExperimentError: the sizes or the budget are impossible.
        NumericalError: an influence is not finite.
    """
    values, allowed = _checked(influence, sizes)
    budget = len(values) * allowed[len(allowed) // 2] if budget is None else budget
    _check_budget(len(values), allowed, budget)
    deviation = values.std()
    z = (values - values.mean()) / deviation if deviation > 1e-12 * np.abs(values).max() else np.zeros(len(values))
    L = len(allowed)
    inner = np.linspace(-1.0, 1.0, L - 1) if L > 2 else np.zeros(L - 1)
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    distance = np.maximum(np.maximum(edges[:-1] - z[:, None], z[:, None] - edges[1:]), 0.0)
    # A scenario on a threshold is neither below nor above it: of two intervals at distance 0 the inner one is the rule's.
    middle = np.abs(np.arange(L) - (L - 1) / 2)
    return _in_order(values, allowed, budget, -(distance + 1e-9 * middle))


def allocate_by_ranks(influence: ArrayLike, budget: int, sizes: Sequence[int] = PUBLISHED_SIZES) -> Allocation:
    """Population sizes that grow evenly with the rank of influence, however unequal the influences are.

    The ideal size is linear in the rank (equal influences share their mean rank) with mean budget / S and the steepest slope that
    stays between the smallest and the largest size; the allowed sizes nearest to it, by least squares, are given.

    Args:
        influence: ``(S,)``.
        budget: members.
        sizes: allowed population sizes.

    Raises:
        ExperimentError: the sizes or the budget are impossible.
        NumericalError: an influence is not finite.
    """
    from scipy.stats import rankdata

    values, allowed = _checked(influence, sizes)
    _check_budget(len(values), allowed, budget)
    centred = rankdata(values) - (len(values) + 1) / 2.0
    mean = min(budget / len(values), float(allowed[-1]))
    widest = np.abs(centred).max()
    slope = min(mean - allowed[0], allowed[-1] - mean) / widest if widest > 0.0 else 0.0
    ideal = mean + slope * centred
    return _in_order(values, allowed, budget, -((np.array(allowed)[None, :] - ideal[:, None]) ** 2))


def allocate_by_gain(gains: ArrayLike, budget: int, sizes: Sequence[int] = PUBLISHED_SIZES) -> Allocation:
    """The population sizes with the largest total gain; where gains are concave, those of the largest marginal gains.

    Args:
        gains: ``(S, len(sizes))`` gain of each scenario at each size, in the order of ``sizes``; see :func:`diversity_gains`.
        budget: members.
        sizes: allowed population sizes, ascending.

    Raises:
        ExperimentError: the sizes or the budget are impossible, or the gains do not go with the sizes.
        NumericalError: a gain is not finite.
    """
    allowed = checked_sizes(sizes)
    table = np.asarray(gains, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(allowed) or tuple(sizes) != allowed:
        raise ExperimentError(
            f"gains of shape {table.shape} for the sizes {list(sizes)}", where=_WHERE, fix="one column for each size, ascending"
        )
    _check_finite(table, "gain")
    _check_budget(len(table), allowed, budget)
    choices, spent = _largest_total(table, allowed, budget)
    return Allocation(tuple(allowed[level] for level in choices), budget, spent)


def diversity_gains(influence: ArrayLike, sizes: Sequence[int] = PUBLISHED_SIZES) -> FloatArray:
    """Gains (S, len(sizes)) of a simple model: influence times the chance 1 - 1/size that two draws of a co-player differ.

    Concave in the size, 0 for self-play.  An estimate below 0 counts as 0.
    """
    values, allowed = _checked(influence, sizes)
    return np.maximum(values, 0.0)[:, None] * (1.0 - 1.0 / np.array(allowed))[None, :]


def checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes, ascending.

    Raises:
        ExperimentError: none, one below 1, or one twice.
    """
    allowed = tuple(sorted(int(size) for size in sizes))
    if not allowed or allowed[0] < 1 or len(set(allowed)) != len(allowed):
        raise ExperimentError(f"the population sizes {list(sizes)}", where=_WHERE, fix="different sizes of at least 1, such as 1, 3, 5")
    return allowed


def _checked(influence: ArrayLike, sizes: Sequence[int]) -> tuple[FloatArray, tuple[int, ...]]:
    values = np.asarray(influence, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ExperimentError(f"influence of shape {values.shape}", where=_WHERE, fix="one number for each scenario")
    _check_finite(values, "influence")
    return values, checked_sizes(sizes)


def _check_finite(values: FloatArray, what: str) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise NumericalError(f"the {what} of scenario {int(bad[0, 0])} is not finite", where=_WHERE, fix="an estimate for each scenario")


def _check_budget(scenarios: int, allowed: tuple[int, ...], budget: int) -> None:
    least = scenarios * allowed[0]
    if budget < least:
        short = "below one member per scenario" if budget < scenarios else "below the smallest population for each scenario"
        raise ExperimentError(
            f"a budget of {budget} {'member' if budget == 1 else 'members'} for {scenarios} scenarios is {short}",
            where=_WHERE,
            fix=f"at least {least}",
        )


def _in_order(values: FloatArray, allowed: tuple[int, ...], budget: int, scores: FloatArray) -> Allocation:
    """The best allocation in which no scenario of less influence gets more.

    The scores of both rules fall with a convex distance on a line, so the best sizes in the order of influence are best altogether; the
    order also decides between allocations of equal score.
    """
    order = np.argsort(values, kind="stable")
    choices, spent = _largest_total(scores, allowed, budget)
    sizes = np.empty(len(values), dtype=np.int64)
    sizes[order] = np.sort(np.array(allowed)[choices])
    return Allocation(tuple(int(size) for size in sizes), budget, spent)


def _largest_total(scores: FloatArray, allowed: tuple[int, ...], budget: int) -> tuple[list[int], int]:
    """Levels with the largest sum of scores (S, L) among those that spend most of the budget: a multiple-choice knapsack."""
    S = len(scores)
    width = min(budget, S * allowed[-1]) + 1
    best = np.full((S + 1, width), -np.inf)
    level = np.zeros((S, width), dtype=np.int64)
    best[0, 0] = 0.0
    for s in range(S):
        for index, size in enumerate(allowed):
            if size >= width:
                break
            total = best[s, : width - size] + scores[s, index]
            # A hair's breadth keeps rounding from deciding between equal totals.
            better = total > best[s + 1, size:] + 1e-12 * (1.0 + np.abs(np.where(np.isfinite(total), total, 0.0)))
            best[s + 1, size:][better] = total[better]
            level[s, size:][better] = index
    spent = remaining = int(np.flatnonzero(np.isfinite(best[S]))[-1])
    choices = []
    for s in reversed(range(S)):
        choices.append(int(level[s, remaining]))
        remaining -= allowed[choices[-1]]
    return choices[::-1], spent
