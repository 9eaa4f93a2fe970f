"""Batch temporal-difference learning of a truncated Q-function.

One iteration's batch is compacted to its distinct keys.  A sweep replaces the value of every visited key by the mean, over
the batch's visits, of ``signal + gamma * Q(next key)`` (fitted Q evaluation on the batch; its fixed point is that of the
aggregated Bellman equation under the batch's own weights).  Values start from the last iteration's (warm start) and entries
that the batch does not visit stay as they are.
"""

from __future__ import annotations

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


def batch_td(table: CriticTable, column: int, batch: Batch, signal: FloatArray, discount: float, sweeps: int) -> float:
    """Evaluate one Q-function on a batch, in place.

    Args:
        table, column: which Q-function.
        batch: see :func:`compact`.
        signal: (T, B) learning signal u^t.
        discount: gamma.
        sweeps: number of sweeps.

    Returns:
        Root mean square of the last sweep's change, a measure of how far the sweeps are from their fixed point.
    """
    if len(batch.keys) == 0:
        return 0.0
    values = table.values[column]
    visits = batch.counts.astype(np.float64)
    mean_signal = np.bincount(batch.inverse, weights=signal.reshape(-1)[batch.positions], minlength=len(batch.keys)) / visits
    known = batch.next_slots >= 0
    weight = discount * batch.bootstrap * known
    change = 0.0
    for _ in range(sweeps):
        ahead = np.bincount(batch.inverse, weights=weight * values[batch.next_slots], minlength=len(batch.keys)) / visits
        updated = mean_signal + ahead
        difference = updated - values[batch.slots]
        change = float(np.sqrt(np.mean(difference * difference)))
        values[batch.slots] = updated
    return change
