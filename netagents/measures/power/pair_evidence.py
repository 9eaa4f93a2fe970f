"""Realized one-step power of one agent over another, from all that recent batches said about the two.

``p_{j -> i}(s, a) = Q_i(s, a) - min_b Q_i(s, b, a_-j)``: how much worse off i would have been had j played its worst action for
i at that step.  It needs no message beyond those the critic is built from.

**What is compared.**  The key of a truncated critic holds everybody in its window and hardly ever comes back, so a value at a key rests on
one sample.  What j does at random, given what its policy reads, is independent of everything else that happens at that step.
So the samples (:mod:`netagents.measures.power.state_values`) of all visits that agree in a small *context*, namely the states of i, of
j and of those whom j's policy reads, and i's action, may be averaged for each action of j, and differences of these means are effects of
j's action.
The worst action is then one for the context and not for every joint action; where it depends on what else happens, the reading is low.

**What changes meanwhile.**  Policies that learn play other actions than some iterations ago, and values rise: actions that have become
rare would be known from worse times only, and look worse than they are.  So samples are compared within their iteration.  With
``theta[c, b]`` the effect of action b in context c and ``p_t`` the shares of the actions that iteration t played there, a sample with
action b, less the mean of its context and iteration, has the expectation ``theta[c, b] - p_t theta[c]`` (fixed effects).  Summed over
iterations these are as many linear equations as actions.

**How a minimum is taken.**  A minimum over noisy values lies too low, and power read from it too high: ``single``.  A choice of b from
some of the data that the rest values is never better than the true minimum, and power read from it is too low on average: ``double``
(van Hasselt 2010; here each part of the data values what the others chose).  The truth lies between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.measures.power.reading import FOLDS, QUANTILE, UNKNOWN, PowerReading
from netagents.measures.power.state_values import Samples
from netagents.policies.mixed_radix import MixedRadix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class ActionEffects(NamedTuple):
    """What each action of j does to the owner's task, up to a constant of the context.

    Attributes:
        pair: (2, contexts, actions) by each half of the data, in units of the owner's task reward; NaN where it is unknown.
        visits: (contexts, actions) effective visits.
    """

    pair: FloatArray
    visits: FloatArray


KEPT = ("weights", "sums", "mixtures", "ages", "copies", "past")
"""What the next iteration depends on."""


class PairEvidence:
    """Fading sums of samples by context and action of j.

    Args:
        context_sizes: number of values of each variable of the context.
        actions: |A_j|.
        window: a sample loses 1/window of its weight with every iteration that passes.
    """

    def __init__(self, context_sizes: tuple[int, ...], actions: int, window: int) -> None:
        self._radix, self._contexts = MixedRadix((*context_sizes, actions)), MixedRadix(context_sizes)
        self.fading = 1.0 - 1.0 / window
        self.actions = actions
        shape = (FOLDS, self._radix.total // actions, actions)
        self.weights: FloatArray = np.zeros(shape)
        """Samples of each fold, context and action."""
        self.sums: FloatArray = np.zeros(shape)
        """Of their values, less the mean of their context and iteration."""
        self.mixtures: FloatArray = np.zeros((*shape[1:], actions))
        """Per context and action: sum over its samples of the shares of all actions in their iteration."""
        self.ages: FloatArray = np.zeros(shape[1:])
        """Samples times age."""
        self.copies: FloatArray = np.zeros(1)
        """Copies of the environment behind the samples."""
        self.past: FloatArray = np.zeros(2)
        """Weight and sum of the readings so far."""

    def add(self, variables: list[IntArray], samples: Samples) -> None:
        """Let one iteration pass, and take its samples in.

        Args:
            variables: (M,) values of each variable of the context, then of j's action.
            samples: of the iteration.
        """
        fading, shape, size = self.fading, self.weights.shape, self.weights.size
        places = samples.fold * self._radix.total + self._radix.encode(variables)
        counts = np.bincount(places, minlength=size).reshape(shape)
        values = np.bincount(places, weights=samples.values, minlength=size).reshape(shape)
        together = counts.sum(axis=0)
        visits = np.maximum(together.sum(axis=1), 1)
        mean, played = values.sum(axis=(0, 2)) / visits, together / visits[:, None]
        self.ages = fading * (self.ages + self.weights.sum(axis=0))
        self.weights = fading * self.weights + counts
        self.sums = fading * self.sums + (values - counts * mean[:, None])
        self.mixtures = fading * self.mixtures + together[:, :, None] * played[:, None, :]
        self.copies = fading * self.copies + samples.copies

    def context_of(self, variables: Sequence[NDArray[Any]]) -> IntArray:
        """Number of the context with these values of its variables, equally shaped arrays."""
        return self._contexts.encode(variables)

    def reading(self, min_visits: int) -> PowerReading:
        """Mean power over the visits of the window; to be asked once per iteration.

        Args:
            min_visits: effective visits that make a mean known; an action of j without them makes its context unknown, not zero.
        """
        weights, total = self.weights, self.weights.sum(axis=0)
        # An iteration that played one action alone says nothing of what it does.
        compared = total - np.diagonal(self.mixtures, axis1=1, axis2=2)
        fold_least = np.minimum(weights.min(axis=0), total - weights.max(axis=0))
        known = ((compared >= min_visits) & (fold_least >= min(1.0, min_visits / (2 * FOLDS)))).all(axis=1)
        visits = np.where(known[:, None], total, 0.0)
        everything, counted = float(total.sum()), float(visits.sum())
        if counted <= 0.0:
            return UNKNOWN
        share = visits[known] / counted
        weights, sums = weights[:, known], self.sums[:, known]
        played = self.mixtures[known] / total[known][:, :, None]
        # Effects are told up to a constant; the one with mean 0 solves this.
        solution = inverses(np.eye(self.actions) - played + 1.0 / self.actions)

        def effects(values: FloatArray, behind: FloatArray) -> FloatArray:
            solved: FloatArray = (solution * (values / behind)[..., None, :]).sum(axis=-1)
            return solved

        whole, of_all = sums.sum(axis=0), total[known]
        pooled = effects(whole, of_all)
        single = pooled - pooled.min(axis=1, keepdims=True)
        # The worst action by all other folds, and what it takes by this one; all folds at once.
        worst = effects(whole - sums, of_all - weights).argmin(axis=2)[..., None]
        value = effects(sums, weights)
        double = value - np.take_along_axis(value, worst, axis=2)
        by_fold = (share * double).sum(axis=(1, 2))
        low, high = float(by_fold.mean()), float((share * single).sum())
        middle = 0.5 * (low + high)
        variance = float(by_fold.var(ddof=1)) / FOLDS
        # Which contexts came up is a sample as well; visits of one copy resemble each other, so a copy counts once.
        each = 0.5 * (single + double.mean(axis=0))
        variance += max(float((share * each**2).sum()) - middle**2, 0.0) / float(self.copies[0])
        behind = compared[known]
        # A window of the past is late by about its length when power changes, and so is the mean of past readings behind this one.
        self.past = self.fading * self.past
        late = abs(middle - self.past[1] / self.past[0]) if self.past[0] > 0.0 else 0.0
        self.past += (1.0, middle)
        error = 0.5 * abs(high - low) + QUANTILE * float(np.sqrt(variance)) + late
        return PowerReading(
            power=middle,
            # Of visits that are not known all that is taken for granted is that power there lies between nothing and twice this.
            error=error + (1.0 - counted / everything) * abs(middle),
            known=counted / everything,
            visits=float(behind.size / (1.0 / behind).sum()),
            age=float((share * (self.ages[known] / total[known])).sum()),
        )

    def effects(self, min_visits: int) -> ActionEffects:
        """The effects themselves, by context and action of j, from two halves of the data that share no copy.

        Args:
            min_visits: effective visits that make an effect known, half of them in each half.
        """
        total = self.weights.sum(axis=0)
        halves = np.stack([self.weights[half::2].sum(axis=0) for half in range(2)])
        compared = total - np.diagonal(self.mixtures, axis1=1, axis2=2)
        known = ((compared >= min_visits) & (halves.min(axis=0) >= min_visits / 2)).all(axis=1)
        pair = np.full(halves.shape, np.nan)
        if known.any():
            played = self.mixtures[known] / total[known][:, :, None]
            solution = inverses(np.eye(self.actions) - played + 1.0 / self.actions)
            for half in range(2):
                mean = self.sums[half::2, known].sum(axis=0) / halves[half, known]
                pair[half, known] = (solution * mean[:, None, :]).sum(axis=2)
        return ActionEffects(pair, total)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What the next iteration depends on."""
        return {name: getattr(self, name) for name in KEPT}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Take over what :meth:`arrays` gave."""
        for name in KEPT:
            setattr(self, name, np.array(arrays[name], dtype=np.float64))


def inverses(matrices: FloatArray) -> FloatArray:
    """Inverses of many small matrices, by Gauss-Jordan elimination with partial pivoting.

    In elementwise arithmetic the bits are those of IEEE 754 everywhere; the last bits of LAPACK's differ between builds and machines.

    Args:
        matrices: (k, n, n), regular.

    Returns:
        (k, n, n).
    """
    count, size, _ = matrices.shape
    work = np.concatenate([matrices, np.broadcast_to(np.eye(size), matrices.shape)], axis=2)
    each = np.arange(count)
    for column in range(size):
        pivot = column + np.abs(work[:, column:, column]).argmax(axis=1)
        row = work[each, pivot]
        work[each, pivot] = work[:, column]
        row /= row[:, column, None]
        work -= work[:, :, column, None] * row[:, None, :]
        work[:, column] = row
    return work[:, :, size:]
