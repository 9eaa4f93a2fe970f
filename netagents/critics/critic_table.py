"""Where a critic keeps its values: a full table while it is small, visited keys only beyond that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netagents.critics.window_keys import Keys, WindowKeys
from netagents.errors import CapacityError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NOWHERE = -1
"""Slot of a key that has no entry."""


class CriticTable:
    """Values of the entries of one or more truncated Q-functions that share a window, and when each was visited last.

    Args:
        keys: the encoding of the window.
        columns: number of Q-functions kept side by side (the task critic first).
        full_limit: largest number of entries of a full table.
        visited_limit: largest number of entries when only visited keys are kept.  When a batch's new keys would exceed it, the longest
            unvisited leave until half of the limit is taken, but never a key of the batch itself.

    Attributes:
        values: (columns, capacity) float64, zero where never visited.
    """

    def __init__(self, keys: WindowKeys, columns: int, full_limit: int, visited_limit: int) -> None:
        self.keys = keys
        self.full = keys.is_integer and keys.total <= full_limit
        self.visited_limit = visited_limit
        capacity = keys.total if self.full else 1024
        self.values: FloatArray = np.zeros((columns, capacity))
        self._last = np.full(capacity, -1, dtype=np.int32)
        # Entries by ascending fingerprint, their slots and, where the fingerprint is not the key itself, the keys by slot.
        self._sorted: IntArray = np.empty(0, dtype=np.int64)
        self._slots: IntArray = np.empty(0, dtype=np.int64)
        self._keys: Keys = keys.empty(0 if keys.is_integer else capacity)
        self.evicted = 0

    @property
    def entries(self) -> int:
        """Entries visited so far (and not evicted)."""
        return int(np.count_nonzero(self._last >= 0)) if self.full else len(self._sorted)

    def find(self, keys: Keys) -> IntArray:
        """Slots of ``keys`` (N,), :data:`NOWHERE` for those without an entry."""
        if self.full:
            return np.asarray(keys, dtype=np.int64)
        if len(self._sorted) == 0:
            return np.full(len(keys), NOWHERE, dtype=np.int64)
        marks = self.keys.fingerprint(keys)
        place = np.searchsorted(self._sorted, marks)
        nearest = np.minimum(place, len(self._sorted) - 1)
        slots = np.where(self._sorted[nearest] == marks, self._slots[nearest], NOWHERE)
        if not self.keys.is_integer:
            self._confirm(keys, marks, place, slots)
        return slots

    def _confirm(self, keys: Keys, marks: IntArray, place: IntArray, slots: IntArray) -> None:
        """Check candidates with equal fingerprints against the keys themselves; where they differ, try the next with that fingerprint."""
        pending = np.flatnonzero(slots != NOWHERE)
        while len(pending):
            pending = pending[(self._keys[slots[pending]] != keys[pending]).any(axis=1)]
            place[pending] += 1
            nearest = np.minimum(place[pending], len(self._sorted) - 1)
            same = (place[pending] < len(self._sorted)) & (self._sorted[nearest] == marks[pending])
            slots[pending] = np.where(same, self._slots[nearest], NOWHERE)
            pending = pending[same]

    def visited(self, slots: IntArray) -> NDArray[np.bool_]:
        """Whether there are values in these slots: false for :data:`NOWHERE`, and for entries of a full table that were never visited."""
        return (slots >= 0) & (self._last[slots] >= 0)

    def visit(self, keys: Keys, iteration: int) -> IntArray:
        """The slots of ``keys``, as :meth:`WindowKeys.distinct` gave them, with entries made for new ones.

        Raises:
            CapacityError: these alone are more than the limit.
        """
        if not self.full:
            self._insert(keys)
        slots = self.find(keys)
        self._last[slots] = iteration
        return slots

    def age(self, slots: IntArray, iteration: int) -> IntArray:
        """Iterations since the last visit of each slot (meaningless where never visited)."""
        return iteration - self._last[slots].astype(np.int64)

    def evaluated(self, slots: IntArray) -> NDArray[np.bool_]:
        """Which of ``slots``, as :meth:`find` gave them, hold a value that some batch gave them; the others hold none, and not zero."""
        held: NDArray[np.bool_] = (slots != NOWHERE) & (self._last[slots] >= 0)
        return held

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to restore the table, as named arrays."""
        named: dict[str, NDArray[np.generic]] = {
            "values": self.values,
            "last": self._last,
            "evicted": np.array([self.evicted], dtype=np.int64),
        }
        if not self.full:
            named["keys"] = self._sorted if self.keys.is_integer else self._keys[self._slots]
            named["slots"] = self._slots
        return named

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.values = np.array(arrays["values"], dtype=np.float64)
        self._last = np.array(arrays["last"], dtype=np.int32)
        (self.evicted,) = (int(value) for value in arrays["evicted"])
        if not self.full:
            keys = np.array(arrays["keys"], dtype=np.int64)
            self._sorted = self.keys.fingerprint(keys)
            self._slots = np.array(arrays["slots"], dtype=np.int64)
            if not self.keys.is_integer:
                self._keys = self.keys.empty(len(self._last))
                self._keys[self._slots] = keys

    def reset(self) -> None:
        """Forget every value."""
        self.values[:] = 0.0
        self._last[:] = -1
        self._sorted = np.empty(0, dtype=np.int64)
        self._slots = np.empty(0, dtype=np.int64)

    def _insert(self, keys: Keys) -> None:
        slots = self.find(keys)
        new = keys[slots == NOWHERE]
        if len(new) == 0:
            return
        if len(keys) > self.visited_limit:
            raise CapacityError(
                f"a batch has {len(keys)} different keys of a critic that keeps {self.visited_limit}",
                where="learning.critic.visited_limit",
                fix=f"set it to at least {len(keys)}",
            )
        if len(self._sorted) + len(new) > self.visited_limit:
            self._evict(self.visited_limit // 2 - len(new), slots[slots != NOWHERE])
        used = len(self._sorted)
        self._grow(used + len(new))
        marks = self.keys.fingerprint(new)
        place = np.searchsorted(self._sorted, marks)
        fresh = np.arange(used, used + len(new))
        self._sorted = np.insert(self._sorted, place, marks)
        self._slots = np.insert(self._slots, place, fresh)
        if not self.keys.is_integer:
            self._keys[fresh] = new

    def _grow(self, needed: int) -> None:
        capacity = len(self._last)
        if needed <= capacity:
            return
        extra = max(needed, 2 * capacity) - capacity
        self.values = np.concatenate([self.values, np.zeros((len(self.values), extra))], axis=1)
        self._last = np.concatenate([self._last, np.full(extra, -1, dtype=np.int32)])
        if not self.keys.is_integer:
            self._keys = np.concatenate([self._keys, self.keys.empty(extra)])

    def _evict(self, keep: int, needed: IntArray) -> None:
        """Forget the entries that were unvisited longest, keeping ``keep``, and all of the slots ``needed``; ties by key, so that bits
        repeat."""
        spared = np.zeros(len(self._last), dtype=np.bool_)
        spared[needed] = True
        by_recency = np.lexsort((np.arange(len(self._slots)), -self._last[self._slots].astype(np.int64), ~spared[self._slots]))
        survivors = np.sort(by_recency[: max(keep, len(needed))])
        self.evicted += len(self._slots) - len(survivors)
        old = self._slots[survivors]
        self._sorted = self._sorted[survivors]
        self._slots = np.arange(len(survivors), dtype=np.int64)
        if not self.keys.is_integer:
            self._keys[: len(survivors)] = self._keys[old]
        values = np.zeros_like(self.values)
        values[:, : len(survivors)] = self.values[:, old]
        self.values = values
        last = np.full_like(self._last, -1)
        last[: len(survivors)] = self._last[old]
        self._last = last
