"""Robust values: what MADDPG takes for Q_i in targets and in the policy's objective, by the method that the experiment names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from netagents.critics.action_value import ActionValue
from netagents.environments.feature_encoders import width
from netagents.environments.spaces import Discrete, Space
from netagents.experiment.robust_settings import M3ddpgSettings, RobustSettings, RomaxSettings
from netagents.learning.algorithms.robust.m3ddpg import MinimaxStep
from netagents.learning.algorithms.robust.romax import CertifiedMinimum

if TYPE_CHECKING:
    import torch


class RobustValue(Protocol):
    """A value of joint actions that prepares for others that turn against the agent."""

    def values(self, q: ActionValue, observed: torch.Tensor, acted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(M,) values, differentiable in the actions; of other weights than the network's own where some are given."""


class PlainValue:
    """Q_i itself."""

    def values(self, q: ActionValue, observed: torch.Tensor, acted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(M,) values."""
        return q.values(observed, acted, weights)


def make_robust_value(settings: RobustSettings | None, columns: Sequence[slice], own: int, spaces: Sequence[Space]) -> RobustValue:
    """The value that the settings name.

    Args:
        settings: of a method; None for the plain value, which RoM-Q's stand-in has as well.
        columns: of each member's action among the action features.
        own: the agent's place in the window.
        spaces: of each member's actions.
    """
    others = [each for member, each in enumerate(columns) if member != own]
    if isinstance(settings, M3ddpgSettings):
        return MinimaxStep(settings, others)
    if isinstance(settings, RomaxSettings):
        lowest = [0.0 if isinstance(space, Discrete) else -1.0 for space in spaces for _ in range(width(space))]
        return CertifiedMinimum(settings, others, lowest, [1.0] * len(lowest))
    return PlainValue()
