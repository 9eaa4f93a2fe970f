"""The reading of one agent's power over another: an estimate, how far it may be off, and what it rests on."""

from __future__ import annotations

from typing import NamedTuple

FOLDS = 8
"""Parts of the data that share no copy of the environment; what they say apart tells how far the whole may be off."""
QUANTILE = 2.365
"""Of Student's t with one degree of freedom less than there are folds, 97.5 %."""


class PowerReading(NamedTuple):
    """Power of one agent over a critic's owner.

    Attributes:
        power: mean one-step power over the known visits, in units of the owner's task reward; NaN when it is unknown.
        error: the true mean over all visits is expected within ``power`` plus or minus this; NaN when it is unknown.
        known: share of the visits at which every alternative was played often enough to be compared with.
        visits: effective visits behind a compared value, in the harmonic mean over the values; 0 when it is unknown.
        age: mean iterations since what was compared was seen, NaN when it is unknown.
    """

    power: float
    error: float
    known: float
    visits: float
    age: float


READING_COLUMNS = 1 + len(PowerReading._fields)
"""Numbers of one agent's row about one other: who, then the fields of the reading."""

UNKNOWN = PowerReading(float("nan"), float("nan"), 0.0, 0.0, float("nan"))
