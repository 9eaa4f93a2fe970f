"""Values of a window's joint states, one table for each part of the data, and the samples that they make of a batch.

A sample says how a step turned out for the owner, less what its state alone let expect: ``r + gamma V(s') - V(s)``.  What no action of that
step decides is taken out, and most of the variance with it.  The parts of the data share no copy of the environment, nor do their
values of the next state, so whatever is computed from samples of different parts has independent errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.measures.power.reading import FOLDS
from netagents.policies.mixed_radix import MixedRadix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LARGEST = 1 << 13
"""Joint states beyond which members are left out of the table, from behind."""
TRACE_DECAY = 0.95
"""Of the lambda-returns that state values are means of."""


class Experience(NamedTuple):
    """One iteration as the owner of a window knows it.

    Attributes:
        states, actions: of each member, (T + 1, B) indices.
        rewards: (T, B) the owner's own.
        alive: (T, B) the copy had not ended before the step.
        bootstrap: (T, B) 0 where the step ended in a terminal state, else 1.
    """

    states: Sequence[NDArray[Any]]
    actions: Sequence[NDArray[Any]]
    rewards: FloatArray
    alive: BoolArray
    bootstrap: FloatArray


class Samples(NamedTuple):
    """M samples.

    Attributes:
        positions: (M,) flat positions in the (T, B) batch.
        values: (M,) how the step turned out.
        fold: (M,) the part of the data that each belongs to.
        copies: independent copies of the environment among them.
    """

    positions: IntArray
    values: FloatArray
    fold: IntArray
    copies: int


class StateValues:
    """V(s) of the states of a window's members in the newest iteration, or of the first members' where all would be too many.

    Args:
        sizes: number of states of each member, those first that matter most.
        discount: gamma.
    """

    def __init__(self, sizes: Sequence[int], discount: float) -> None:
        self._members, total = 0, 1
        for size in sizes:
            if total * size > LARGEST:
                break
            total *= size
            self._members += 1
        self._whole = self._members == len(sizes)
        self._radix = MixedRadix((1, *sizes[: self._members]))
        self._discount = discount
        self._weights: FloatArray = np.zeros((FOLDS, total))
        self._sums: FloatArray = np.zeros((FOLDS, total))

    def samples(self, experience: Experience, iteration: int) -> Samples:
        """Take one iteration in, and give its samples.

        Where all members' states are told apart, V(s') stands for what follows a step.  Else something that an action of that step decided
        might be missing in it, and the rewards that followed are taken themselves.

        Args:
            experience: of the iteration.
            iteration: turns the folds, so that few copies fill all of them in time.
        """
        _, _, rewards, alive, bootstrap = experience
        steps, copies = rewards.shape
        columns = experience.states[: self._members]
        entries = self._radix.encode([np.zeros((steps + 1, copies), dtype=np.int64), *columns])
        fold = (np.arange(copies) + iteration) % FOLDS
        # What nothing is known of yet is taken to go on as the batch did; from zero, values would take long to rise to their level.
        level = float(rewards[alive].sum()) / max(int(np.count_nonzero(alive)), 1) / (1.0 - self._discount)
        baseline, _ = self._means(entries[:-1], None, level)
        before, _ = self._means(entries, fold, level)
        returns = lambda_returns(rewards, before[1:], bootstrap, alive, self._discount, TRACE_DECAY)
        places = (fold * self._weights.shape[1] + entries[:-1])[alive]
        # Of this iteration alone: while policies learn values rise, and states that have become rare would seem worse than they are.
        counts: FloatArray = np.bincount(places, minlength=self._weights.size).astype(np.float64)
        self._weights = counts.reshape(self._sums.shape)
        totals: FloatArray = np.bincount(places, weights=returns[alive], minlength=self._sums.size).astype(np.float64)
        self._sums = totals.reshape(self._sums.shape)
        after, valued = self._means(entries[1:], fold, level)
        if self._whole:
            outcome = rewards + self._discount * bootstrap * after
            usable = alive & (valued | (bootstrap == 0.0))
        else:
            outcome = lambda_returns(rewards, after, bootstrap, alive, self._discount, 1.0)
            usable = alive
        positions = np.flatnonzero(usable)
        copy = positions % copies
        return Samples(
            positions, (outcome - baseline).reshape(-1)[positions], fold[copy], int(np.count_nonzero(np.bincount(copy, minlength=copies)))
        )

    def _means(self, entries: IntArray, fold: IntArray | None, level: float) -> tuple[FloatArray, BoolArray]:
        """Values at (T, B) entries, of each copy's own part of the data, else of all, else ``level``; and where there is any."""
        weight, total = self._weights.sum(axis=0)[entries], self._sums.sum(axis=0)[entries]
        known = weight > 0.0
        mean = np.divide(total, weight, out=np.full(entries.shape, level), where=known)
        if fold is not None:
            own_weight, own_total = self._weights[fold, entries], self._sums[fold, entries]
            mean = np.divide(own_total, own_weight, out=mean, where=own_weight > 0.0)
        return mean, known

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the next iteration depends on."""
        return {"values.weights": self._weights, "values.sums": self._sums}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self._weights, self._sums = (np.array(arrays[name], dtype=np.float64) for name in ("values.weights", "values.sums"))


def lambda_returns(
    rewards: FloatArray, following: FloatArray, bootstrap: FloatArray, alive: BoolArray, discount: float, decay: float
) -> FloatArray:
    """(T, B) lambda-returns, bootstrapped at the time limit.

    Args:
        rewards: (T, B).
        following: (T, B) values of what each step leads to.
        bootstrap: (T, B) 0 where a step ended in a terminal state.
        alive: (T, B) the copy had not ended before the step.
        discount: gamma. decay: lambda.
    """
    returns = np.empty_like(rewards)
    # What no later step enters is worked out for all steps at once.
    ahead, weights = (1.0 - decay) * following, discount * bootstrap
    whole = np.logical_and.reduce(alive, axis=1).tolist()
    later = following[-1]
    for step in range(len(rewards) - 1, -1, -1):
        row = returns[step]
        np.multiply(later, decay, out=row)
        row += ahead[step]
        row *= weights[step]
        row += rewards[step]
        # A step after the end of a copy says nothing; the copy's last value is what its last step led to.
        later = row if whole[step] or not step else np.where(alive[step], row, following[step - 1])
    return returns
