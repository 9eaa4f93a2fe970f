"""Keys of a critic's window: one value for the states and actions of all agents within kappa_critic hops.

Where the product of all sizes fits into 63 bits a key is one int64.  Beyond that (36^18 on the Qu/Lin wireless grid) a key is a
row of several 63-bit words.  Rows are sorted and searched by a 64-bit fingerprint, and every match is checked against the words
themselves, so two keys are never taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.policies.mixed_radix import MixedRadix

Keys = NDArray[np.int64]
"""(N,) int64, or (N, words) int64 when one word does not hold a key."""
IntArray = NDArray[np.int64]
_WORD = (1 << 63) - 1


class Distinct(NamedTuple):
    """The distinct keys among N.

    Attributes:
        keys: the U distinct ones, in ascending order of fingerprint.
        inverse: (N,) position of each key among them.
        counts: (U,) how often each occurs.
    """

    keys: Keys
    inverse: IntArray
    counts: IntArray


class WindowKeys:
    """Encodes z = (s_j, a_j for j in the window); factors are all states in window order, then all actions.

    Args:
        window: agents, ascending.
        state_sizes, action_sizes: of the agents of the window.
    """

    def __init__(self, window: Sequence[int], state_sizes: Sequence[int], action_sizes: Sequence[int]) -> None:
        self.window = tuple(window)
        self.action_sizes = tuple(action_sizes)
        sizes = (*state_sizes, *action_sizes)
        self.total = prod(sizes)
        self._words: list[tuple[int, int, MixedRadix]] = []
        first = 0
        while first < len(sizes):
            last, product = first, 1
            while last < len(sizes) and product * sizes[last] <= _WORD:
                product *= sizes[last]
                last += 1
            self._words.append((first, last, MixedRadix(sizes[first:last])))
            first = last

    @property
    def words(self) -> int:
        """Number of int64 words of a key."""
        return len(self._words)

    @property
    def is_integer(self) -> bool:
        """Whether keys are plain integers 0..total-1."""
        return self.words == 1

    def empty(self, count: int = 0) -> Keys:
        """Room for ``count`` keys, zeros."""
        return np.zeros(count if self.is_integer else (count, self.words), dtype=np.int64)

    def encode(self, states: Sequence[NDArray[Any]], actions: Sequence[NDArray[Any]]) -> Keys:
        """N keys from one (N,) index array per agent of the window."""
        columns = [*states, *actions]
        words = [radix.encode(columns[first:last]) for first, last, radix in self._words]
        return words[0] if self.is_integer else np.stack(words, axis=1)

    def fingerprint(self, keys: Keys) -> IntArray:
        """(N,) int64 by which keys are sorted: the key itself, or a mixture of its words (the finalizer of splitmix64)."""
        if self.is_integer:
            return keys
        mixed = np.zeros(len(keys), dtype=np.uint64)
        for word in range(self.words):
            mixed ^= keys[:, word].astype(np.uint64)
            mixed += np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(30)
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(27)
            mixed *= np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
        return mixed.view(np.int64)

    def distinct(self, keys: Keys) -> Distinct:
        """The distinct keys of (N,) or (N, words) ``keys``."""
        if self.is_integer:
            unique, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
            return Distinct(unique, inverse.astype(np.int64), counts.astype(np.int64))
        marks = self.fingerprint(keys)
        order = np.argsort(marks, kind="stable")
        ordered, prints = keys[order], marks[order]
        starts = (ordered[1:] != ordered[:-1]).any(axis=1)
        if (starts & (prints[1:] == prints[:-1])).any():
            # Different keys with one fingerprint may be mixed up: the words decide among them.
            order = np.lexsort((*(keys[:, word] for word in range(self.words)), marks))
            ordered = keys[order]
            starts = (ordered[1:] != ordered[:-1]).any(axis=1)
        first = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), dtype=np.bool_), starts]))
        inverse = np.empty(len(keys), dtype=np.int64)
        inverse[order] = np.concatenate([np.zeros(min(len(keys), 1), dtype=np.int64), np.cumsum(starts)])
        return Distinct(ordered[first], inverse, np.diff(np.append(first, len(keys))))

    def own_actions(self, keys: Keys, member: int) -> IntArray:
        """The action of the window's member at position ``member`` in each key."""
        word, radix, position = self._locate(member)
        return radix.digit(keys if self.is_integer else keys[:, word], position)

    def with_action(self, keys: Keys, member: int, action: int) -> Keys:
        """Each key with the action of one member replaced."""
        word, radix, position = self._locate(member)
        if self.is_integer:
            return radix.replace(keys, position, action)
        replaced = keys.copy()
        replaced[:, word] = radix.replace(keys[:, word], position, action)
        return replaced

    def _locate(self, member: int) -> tuple[int, MixedRadix, int]:
        factor = len(self.window) + member
        for word, (first, last, radix) in enumerate(self._words):
            if first <= factor < last:
                return word, radix, factor - first
        raise IndexError(f"member {member} of a window of {len(self.window)}")
