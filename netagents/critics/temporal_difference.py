"""Batch temporal-difference learning of a truncated Q-function.

One iteration's batch is compacted to its distinct keys.  A sweep replaces the value of every visited key by the mean, over
the batch's visits, of ``signal + gamma * Q(next key)`` (fitted Q evaluation on the batch; its fixed point is that of the
aggregated Bellman equation under the batch's own weights).  Values start from the last iteration's (warm start) and entries
that the batch does not visit stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.critic_table import CriticTable
from netagents.critics.window_keys import Keys

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Batch(NamedTuple):
    """The transitions of one batch, compacted.

    Attributes:
        keys: (U,) distinct keys of the evaluated steps, in the order of :meth:`WindowKeys.distinct`.
        counts: (U,) visits of each.
        slots: (U,) their slots in the table.
        inverse: (M,) position in ``keys`` of each evaluated transition.
        next_slots: (M,) slot of the next key, or NOWHERE when it has no entry.
        bootstrap: (M,) 1.0, or 0.0 where the transition ended in a terminal state.
        positions: (M,) flat positions, in the (T, B) batch, of the evaluated transitions.
    """

    keys: Keys
    counts: IntArray
    slots: IntArray
    inverse: IntArray
    next_slots: IntArray
    bootstrap: FloatArray
    positions: IntArray


def compact(
    table: CriticTable, keys: Keys, steps: int, copies: int, alive: NDArray[np.bool_], bootstrap: FloatArray, iteration: int
) -> Batch:
    """Count the batch's visits and prepare it for sweeps.

    Args:
        table: the critic's table; entries are made for new keys.
        keys: ((T + 1) * B,) keys in step order; the last step only serves to bootstrap.
        steps, copies: T and B.
        alive: (T, B) whether the copy had not ended before the step.
        bootstrap: (T, B) 1.0, or 0.0 where the transition ended in a terminal state.
        iteration: for ages.
    """
    index = np.flatnonzero(alive.reshape(-1))
    unique, inverse, counts = table.keys.distinct(keys[: steps * copies][index])
    slots = table.visit(unique, iteration)
    return Batch(
        keys=unique,
        counts=counts,
        slots=slots,
        inverse=inverse,
        next_slots=table.find(keys[copies:][index]),
        bootstrap=bootstrap.reshape(-1)[index],
        positions=index,
    )


def batch_td(table: CriticTable, signals: Mapping[int, FloatArray], batch: Batch, discount: float, sweeps: int) -> dict[int, float]:
    """Evaluate Q-functions on a batch, in place.

    Args:
        table: of the critic.
        signals: by column of the table, the (T, B) learning signal u^t of its Q-function.
        batch: see :func:`compact`.
        discount: gamma.
        sweeps: number of sweeps.

    Returns:
        By column, the root mean square of the last sweep's change: a measure of how far the sweeps are from their fixed point.
    """
    count = len(batch.keys)
    if count == 0:
        return dict.fromkeys(signals, 0.0)
    visits = batch.counts.astype(np.float64)
    weight = discount * batch.bootstrap * (batch.next_slots >= 0)
    ahead, changes = np.empty(len(weight)), {}
    for column, signal in signals.items():
        values = table.values[column]
        mean_signal = np.bincount(batch.inverse, weights=signal.reshape(-1)[batch.positions], minlength=count) / visits
        updated = before = values[batch.slots]
        for _ in range(sweeps):
            # NOWHERE is -1 and weighs nothing, whatever stands there.
            np.take(values, batch.next_slots, out=ahead, mode="wrap")
            np.multiply(weight, ahead, out=ahead)
            before, updated = updated, mean_signal + np.bincount(batch.inverse, weights=ahead, minlength=count) / visits
            values[batch.slots] = updated
        difference = updated - before
        changes[column] = float(np.sqrt(np.mean(difference * difference)))
    return changes
