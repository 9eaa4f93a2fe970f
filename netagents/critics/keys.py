"""Keys of a critic's window: one sortable value for the states and actions of all agents within kappa_critic hops.

Where the product of all sizes fits into 63 bits a key is an int64.  Beyond that (36^18 on the Qu/Lin wireless grid) a key is a
fixed-width big-endian byte string of several 63-bit words, which numpy sorts and searches just as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.policies.indexing import MixedRadix

Keys = NDArray[Any]
_WORD = (1 << 63) - 1


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
        self.dtype: np.dtype[Any] = np.dtype(np.int64) if len(self._words) == 1 else np.dtype(f"S{8 * len(self._words)}")

    @property
    def is_integer(self) -> bool:
        """Whether keys are plain integers 0..total-1."""
        return len(self._words) == 1

    def encode(self, states: Sequence[NDArray[Any]], actions: Sequence[NDArray[Any]]) -> Keys:
        """Keys of shape (N,) from one (N,) index array per agent of the window."""
        columns = [*states, *actions]
        words = [radix.encode(columns[first:last]) for first, last, radix in self._words]
        return words[0] if self.is_integer else self._join(words)

    def own_actions(self, keys: Keys, member: int) -> NDArray[np.int64]:
        """The action of the window's member at position ``member`` in each key."""
        word, radix, position = self._locate(member)
        return radix.digit(self._split(keys)[word], position)

    def with_action(self, keys: Keys, member: int, action: int) -> Keys:
        """Each key with the action of one member replaced."""
        word, radix, position = self._locate(member)
        words = self._split(keys)
        words[word] = radix.replace(words[word], position, action)
        return words[0] if self.is_integer else self._join(words)

    def _locate(self, member: int) -> tuple[int, MixedRadix, int]:
        factor = len(self.window) + member
        for word, (first, last, radix) in enumerate(self._words):
            if first <= factor < last:
                return word, radix, factor - first
        raise IndexError(f"member {member} of a window of {len(self.window)}")

    def _split(self, keys: Keys) -> list[NDArray[np.int64]]:
        if self.is_integer:
            return [keys]
        words = np.ascontiguousarray(keys).view(">i8").reshape(len(keys), len(self._words))
        return [words[:, column].astype(np.int64) for column in range(len(self._words))]

    def _join(self, words: Sequence[NDArray[np.int64]]) -> Keys:
        return np.ascontiguousarray(np.stack(words, axis=1).astype(">i8")).view(self.dtype).reshape(-1)
