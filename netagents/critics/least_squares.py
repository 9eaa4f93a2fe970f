"""Batch least squares (LSTD, Bradtke and Barto, Machine Learning 1996) for truncated Q-functions: where the TD sweeps would end.

On a table the LSTD solution solves, over the distinct keys z of the batch,

    Q(z) = mean over the visits to z of [ signal + gamma Q(next key) ].

Next keys that the batch does not evaluate keep the values they have, so that the solution is the fixed point of
:func:`netagents.critics.batch_td` on the same batch.  One sparse factorization serves all Q-functions that share the window.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netagents.critics.critic_table import CriticTable
from netagents.critics.temporal_difference import Batch

FloatArray = NDArray[np.float64]


def batch_lstd(table: CriticTable, signals: Mapping[int, FloatArray], batch: Batch, discount: float) -> None:
    """Evaluate Q-functions on a batch, in place.

    The matrix is I - gamma P with row sums of P at most 1, hence never singular.

    Args:
        table: where the values are.
        signals: column of the table -> (T, B) learning signal.
        batch: see :func:`netagents.critics.temporal_difference.compact`.
        discount: gamma.
    """
    from scipy.sparse import coo_array, eye_array
    from scipy.sparse.linalg import splu

    size = len(batch.keys)
    if size == 0:
        return
    visits = batch.counts.astype(np.float64)
    # Where each slot stands among the batch's keys, -1 for those it does not evaluate.
    place = np.full(table.values.shape[1], -1, dtype=np.int64)
    place[batch.slots] = np.arange(size)
    known = batch.next_slots >= 0
    ahead = np.where(known, place[batch.next_slots], -1)
    weight = discount * batch.bootstrap / visits[batch.inverse]
    inside = ahead >= 0
    entries = (weight[inside], (batch.inverse[inside], ahead[inside]))
    matrix = (eye_array(size, format="csc") - coo_array(entries, shape=(size, size)).tocsc()).tocsc()
    factors = splu(matrix)
    outside = known & ~inside
    for column, signal in signals.items():
        values = table.values[column]
        right = np.bincount(batch.inverse, weights=signal.reshape(-1)[batch.positions], minlength=size) / visits
        right += np.bincount(batch.inverse[outside], weights=weight[outside] * values[batch.next_slots[outside]], minlength=size)
        values[batch.slots] = factors.solve(right)
