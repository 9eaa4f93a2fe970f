"""Truncated Q-functions over the states and actions within kappa_critic hops, and how they are evaluated."""

from netagents.critics.keys import Distinct, WindowKeys
from netagents.critics.least_squares import batch_lstd
from netagents.critics.table import CriticTable
from netagents.critics.temporal_difference import Batch, batch_td

__all__ = ["Batch", "CriticTable", "Distinct", "WindowKeys", "batch_lstd", "batch_td"]
