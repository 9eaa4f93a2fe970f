"""Signal of a neighbourhood that shares rewards, from what its members tell: tables a shadow reward, networks the realized signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netagents.learning.protocol.rollout import counted_states
from netagents.learning.signals.signal_term import FloatArray
from netagents.messages import ShadowReward, Trace


def neighbourhood_signal(
    own: FloatArray, index: int, window: Sequence[int], shadows: Mapping[int, ShadowReward], traces: Mapping[int, Trace], occupancy: str
) -> FloatArray:
    """u_i + sum over j in N_i^kappa_gradient of w r_j^t + grad f_j[s_j^t, a_j^t] while j's part goes on, folded in agent order.

    Args:
        own: (T, B) u_i. index: i.
        window: N_i^kappa_gradient.
        shadows, traces: of its other members. occupancy: which state it pairs with an action.
    """
    total = np.zeros_like(own)
    for j in window:
        if j == index:
            total += own
            continue
        table, signal, alive = shadows[j]
        if table.size:
            paid = table[counted_states(traces[j].states, occupancy), traces[j].actions[:-1]]
            total += paid if alive is None else np.where(alive, paid, 0.0)
        if signal.size:
            total += signal
    return total
