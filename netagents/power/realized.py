"""Realized one-step power, read from a truncated critic along a batch.

``p_{j -> i}(s, a) = Q_i(s, a) - min_b Q_i(s, b, a_-j)``: how much worse off i would have been had j played its worst action for
i at that step.  It needs no message beyond those the critic is built from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.keys import Keys
from netagents.critics.table import CriticTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class PowerReading(NamedTuple):
    """Power of one agent over the critic's owner.

    Attributes:
        power: mean realized power over the known visits, in units of the owner's task reward; NaN when none is known.
        known: share of the batch's visits whose entry and every alternative were visited often enough.
        age: mean iterations since the alternatives' last visit, over the known visits; NaN when none is known.
    """

    power: float
    known: float
    age: float


class KnownVisits(NamedTuple):
    """The keys of a batch that were visited often enough themselves, whoever's power is asked for.

    Attributes:
        keys: the distinct ones. slots: theirs in the table. counts: their visits in the batch. total: of all keys of the batch.
    """

    keys: Keys
    slots: IntArray
    counts: IntArray
    total: int


def known_visits(table: CriticTable, keys: Keys, counts: IntArray, min_visits: int, slots: IntArray | None = None) -> KnownVisits:
    """Look a batch's keys up once for all members of the window.

    Args:
        table: the critic's.
        keys, counts: the batch's distinct keys and their visits.
        min_visits: visits within the window that make an entry known.
        slots: of the keys, if known already.
    """
    slots = table.find(keys) if slots is None else slots
    usual = table.visits(slots) >= min_visits
    return KnownVisits(keys[usual], slots[usual], counts[usual], int(counts.sum()))


def realized_power(
    table: CriticTable, column: int, keys: Keys, counts: IntArray, member: int, min_visits: int, iteration: int
) -> PowerReading:
    """Power of the window's ``member`` over the critic's owner, averaged over a batch.

    An alternative that was never played has no value: it makes the visit unknown, not zero.

    Args:
        table, column: the critic of the owner's own task reward.
        keys, counts: the batch's distinct keys (U,) and their visits (U,).
        member: position in the window.
        min_visits: visits within the window that make an entry known.
        iteration: for ages.
    """
    return power_of_member(table, column, known_visits(table, keys, counts, min_visits), member, min_visits, iteration)


def power_of_member(table: CriticTable, column: int, batch: KnownVisits, member: int, min_visits: int, iteration: int) -> PowerReading:
    """As :func:`realized_power`, of a batch that :func:`known_visits` has looked up."""
    keys, weight = batch.keys, batch.counts
    if len(keys) == 0:
        return PowerReading(float("nan"), 0.0, float("nan"))
    own = table.values[column, batch.slots]
    played = table.keys.own_actions(keys, member)
    known = np.ones(len(keys), dtype=np.bool_)
    worst = own.copy()
    age = np.zeros(len(keys), dtype=np.int64)
    for action in range(table.keys.action_sizes[member]):
        other = played != action
        slots = table.find(table.keys.with_action(keys, member, action))
        known &= ~other | (table.visits(slots) >= min_visits)
        worst = np.where(other, np.minimum(worst, table.values[column, slots]), worst)
        age = np.where(other, np.maximum(age, table.age(slots, iteration)), age)
    weight = weight[known]
    visits = int(weight.sum())
    if visits == 0:
        return PowerReading(float("nan"), 0.0, float("nan"))
    return PowerReading(
        power=float(np.sum(weight * (own - worst)[known]) / visits),
        known=visits / batch.total,
        age=float(np.sum(weight * age[known]) / visits),
    )
