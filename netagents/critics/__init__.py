"""Truncated Q-functions over the states and actions within kappa_critic hops, and how they are evaluated."""

from netagents.critics.critic_table import CriticTable
from netagents.critics.least_squares import batch_lstd
from netagents.critics.temporal_difference import Batch, batch_td
from netagents.critics.window_keys import Distinct, WindowKeys

__all__ = ["Batch", "CriticTable", "Distinct", "WindowKeys", "batch_lstd", "batch_td"]
