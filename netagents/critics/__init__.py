"""Truncated Q-functions over the states and actions within kappa_critic hops, and how they are evaluated."""

from netagents.critics.keys import WindowKeys
from netagents.critics.table import CriticTable
from netagents.critics.temporal_difference import Batch, batch_td

__all__ = ["Batch", "CriticTable", "WindowKeys", "batch_td"]
