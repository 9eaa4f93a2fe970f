"""Group of pairs whose evidence is gathered and read together, because one large array costs less than many small ones.

All pairs of a group have one owner and equally many actions of j; their contexts stand in one array, one pair after another.  Every
number is what each pair alone would give, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.measures.power.pair_evidence import PairEvidence
from netagents.measures.power.reading import FOLDS, QUANTILE, UNKNOWN, PowerReading
from netagents.measures.power.small_inverses import inverses, products
from netagents.measures.power.state_values import Samples

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CONTEXT_AXIS = {"weights": 1, "sums": 1, "mixtures": 0, "ages": 0, "copies": 0}


class EvidenceGroup:
    """Evidence of one owner about several others, each with ``actions`` actions.

    Args:
        pairs: the evidence; from here on their arrays are parts of this group's.
        window: a sample loses 1/window of its weight with every iteration that passes.
    """

    def __init__(self, pairs: Sequence[PairEvidence], window: int) -> None:
        self.pairs = tuple(pairs)
        self.fading = 1.0 - 1.0 / window
        self.actions = pairs[0].actions
        self._bounds = np.cumsum([0, *(pair.contexts.total for pair in pairs)])
        joined = {name: np.concatenate([getattr(pair, name) for pair in pairs], axis=axis) for name, axis in _CONTEXT_AXIS.items()}
        self._weights, self._sums, self._mixtures, self._ages, self._copies = joined.values()
        for number, pair in enumerate(pairs):
            part = slice(*self._bounds[number : number + 2])
            pair.weights, pair.sums = self._weights[:, part], self._sums[:, part]
            pair.mixtures, pair.ages = self._mixtures[part], self._ages[part]
            pair.copies = self._copies[number : number + 1]

    def add(self, variables: Sequence[Sequence[IntArray]], samples: Samples) -> None:
        """Let one iteration pass, and take its samples in.

        Args:
            variables: per pair, (M,) values of each variable of the context, then of j's action.
            samples: of the iteration.
        """
        fading, shape, size = self.fading, self._weights.shape, self._weights.size
        starts = self._bounds[:-1] * self.actions
        fold = samples.fold * (shape[1] * shape[2])
        places = np.concatenate(
            [fold + (start + pair.radix.encode(values)) for start, pair, values in zip(starts, self.pairs, variables, strict=True)]
        )
        counts = np.bincount(places, minlength=size).reshape(shape)
        values = np.bincount(places, weights=np.tile(samples.values, len(self.pairs)), minlength=size).reshape(shape)
        together = counts.sum(axis=0)
        visits = np.maximum(together.sum(axis=1), 1)
        mean, played = values.sum(axis=(0, 2)) / visits, together / visits[:, None]
        # In place, since the pairs' own arrays are views.
        self._ages += self._weights.sum(axis=0)
        self._ages *= fading
        for array, news in (
            (self._weights, counts),
            (self._sums, values - counts * mean[:, None]),
            (self._mixtures, together[:, :, None] * played[:, None, :]),
            (self._copies, samples.copies),
        ):
            array *= fading
            array += news

    def readings(self, min_visits: int) -> list[PowerReading]:
        """Mean power over the visits of the window, per pair; to be asked once per iteration.

        Args:
            min_visits: effective visits that make a mean known; an action of j without them makes its context unknown, not zero.
        """
        weights, total = self._weights, self._weights.sum(axis=0)
        # An iteration that played one action alone says nothing of what it does.
        compared = total - np.diagonal(self._mixtures, axis1=1, axis2=2)
        fold_least = np.minimum(weights.min(axis=0), total - weights.max(axis=0))
        known = ((compared >= min_visits) & (fold_least >= min(1.0, min_visits / (2 * FOLDS)))).all(axis=1)
        visits = np.where(known[:, None], total, 0.0)
        parts = [slice(*self._bounds[number : number + 2]) for number in range(len(self.pairs))]
        everything = [float(total[part].sum()) for part in parts]
        counted = [float(visits[part].sum()) for part in parts]
        if not known.any():
            return [UNKNOWN] * len(parts)
        bounds = np.concatenate([[0], known.cumsum()])[self._bounds]
        share = visits[known] / np.repeat(counted, np.diff(bounds))[:, None]
        total, evidence = total[known], compared[known]
        # From here on actions are the first axis and contexts the last, so that arithmetic runs along many contexts.
        sums = self._sums[:, known]
        by_action, whole = np.ascontiguousarray(total.T), np.ascontiguousarray(sums.sum(axis=0).T)
        fold_sums, fold_weights = (np.ascontiguousarray(array.transpose(2, 0, 1)) for array in (sums, weights[:, known]))
        shares = np.ascontiguousarray(self._mixtures[known].transpose(1, 2, 0)) / by_action[:, None]
        # Effects are known up to a constant; the one with mean 0 solves this.
        solution = inverses(np.eye(self.actions)[:, :, None] - shares + 1.0 / self.actions)
        pooled = products(solution, whole / by_action)
        single = np.ascontiguousarray((pooled - pooled.min(axis=0)).T)
        # The worst action by all other folds, and what it takes by this one; all folds at once.
        worst = products(solution, (whole[:, None] - fold_sums) / (by_action[:, None] - fold_weights)).argmin(axis=0)[None]
        value = products(solution, fold_sums / fold_weights)
        double = np.ascontiguousarray((value - np.take_along_axis(value, worst, axis=0)).transpose(1, 2, 0))
        each = 0.5 * (single + double.mean(axis=0))
        terms = (share * double, share * single, share * each**2, 1.0 / evidence, share * (self._ages[known] / total))
        readings = []
        for number, pair in enumerate(self.pairs):
            if counted[number] <= 0.0:
                readings.append(UNKNOWN)
                continue
            part = slice(*bounds[number : number + 2])
            by_fold = np.ascontiguousarray(terms[0][:, part]).sum(axis=(1, 2))
            high, square, inverse, age = (float(term[part].sum()) for term in terms[1:])
            known_share = counted[number] / everything[number]
            visited = evidence[part].size / inverse
            readings.append(self._reading(pair, by_fold, high, square, known_share, visited, age))
        return readings

    def _reading(
        self, pair: PairEvidence, by_fold: FloatArray, high: float, square: float, known: float, visits: float, age: float
    ) -> PowerReading:
        """What the sums of one pair say; ``high`` is the biased reading, ``by_fold`` holds those that are not."""
        low = float(by_fold.mean())
        middle = 0.5 * (low + high)
        variance = float(by_fold.var(ddof=1)) / FOLDS
        # Which contexts came up is a sample as well; visits of one copy resemble each other, so a copy counts once.
        variance += max(square - middle**2, 0.0) / float(pair.copies[0])
        # A window of the past is late by about its length when power changes, and so is the mean of past readings behind this one.
        pair.past *= self.fading
        late = abs(middle - pair.past[1] / pair.past[0]) if pair.past[0] > 0.0 else 0.0
        pair.past += (1.0, middle)
        error = 0.5 * abs(high - low) + QUANTILE * float(np.sqrt(variance)) + late
        # Of visits that are not known all that is taken for granted is that power there lies between nothing and twice this.
        return PowerReading(power=middle, error=error + (1.0 - known) * abs(middle), known=known, visits=visits, age=age)
