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

from netagents.measures.power.reading import FOLDS
from netagents.measures.power.small_inverses import inverses, products
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
    """

    def __init__(self, context_sizes: tuple[int, ...], actions: int) -> None:
        self.contexts = MixedRadix(context_sizes)
        self.radix = MixedRadix((*context_sizes, actions))
        self.actions = actions
        shape = (FOLDS, self.contexts.total, actions)
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

    def context_of(self, variables: Sequence[NDArray[Any]]) -> IntArray:
        """Number of the context with these values of its variables, equally shaped arrays."""
        return self.contexts.encode(variables)

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
            played = self.mixtures[known].transpose(1, 2, 0) / total[known].T[:, None]
            solution = inverses(np.eye(self.actions)[:, :, None] - played + 1.0 / self.actions)
            for half in range(2):
                mean = self.sums[half::2, known].sum(axis=0) / halves[half, known]
                pair[half, known] = products(solution, mean.T).T
        return ActionEffects(pair, total)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What the next iteration depends on."""
        return {name: getattr(self, name).copy() for name in KEPT}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Take over what :meth:`arrays` gave."""
        for name in KEPT:
            getattr(self, name)[:] = arrays[name]
