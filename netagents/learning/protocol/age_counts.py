"""How old what an agent used was: a histogram for each kind of message that agents exchange."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netagents.messages import NEIGHBOUR_KINDS, Kind

EXACT = 16
"""AgeCounts 0 to 15 have a bin each; one more holds all that were older."""

BINS = EXACT + 2
"""The last bin counts what was not there at all and was done without."""

AGED = NEIGHBOUR_KINDS
"""Kinds in the order of the rows.  A State ages by steps, the others by iterations."""

ABSENT = -1
"""The age of what was never there."""

_ROW = {kind: row for row, kind in enumerate(AGED)}


class AgeCounts:
    """Counts uses by age.

    Attributes:
        counts: (len(AGED), BINS) int64.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros((len(AGED), BINS), dtype=np.int64)

    def count(self, kind: Kind, age: int) -> None:
        """Enter one use: age 0 is what the phase asked for, :data:`ABSENT` a use of nothing."""
        self.counts[_ROW[kind], EXACT + 1 if age < 0 else min(age, EXACT)] += 1

    @property
    def stale(self) -> int:
        """Uses of anything but what the phase asked for."""
        return int(self.counts[:, 1:].sum())


def ages_by_kind(counts: NDArray[np.int64]) -> Mapping[str, dict[str, int]]:
    """Per kind, age in words -> uses, without zeros: ``{"state": {"0": 120, "1": 3, "16 or more": 1, "absent": 2}}``."""
    names = [*map(str, range(EXACT)), f"{EXACT} or more", "absent"]
    lines = {
        kind.name.lower(): {name: int(count) for name, count in zip(names, row, strict=True) if count}
        for kind, row in zip(AGED, counts.tolist(), strict=True)
    }
    return {kind: row for kind, row in lines.items() if row}
