"""From settings to the utility of one agent."""

from __future__ import annotations

import numpy as np

from netagents.errors import UtilityError
from netagents.experiment.utility import (
    AgentUtilitySettings,
    EntropyUtilitySettings,
    LinearUtilitySettings,
    NoUtilitySettings,
    Table,
    UtilitySettings,
    utility_of,
)
from netagents.utilities.contract import FloatArray, Utility, ZeroUtility
from netagents.utilities.entropy import EntropyUtility
from netagents.utilities.linear import LinearUtility
from netagents.utilities.marginal import Marginal


def build_utility(
    settings: UtilitySettings, agent: int, state_size: int, action_size: int, discount: float, where: str = "utility"
) -> Utility:
    """The utility of one agent.

    Args:
        settings: everybody's utility, or different ones per agent.
        agent: whose, from 0.
        state_size, action_size: |S_i| and |A_i|.
        discount: gamma in (0, 1).
        where: the key of the settings, for error messages.

    Raises:
        UtilityError: a table or a target does not fit the agent.
    """
    return _build(utility_of(settings, agent), state_size, action_size, discount, f"agent {agent}, {where}")


def _build(settings: AgentUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    utility: Utility
    if isinstance(settings, NoUtilitySettings):
        utility = ZeroUtility(state_size, action_size, discount)
    elif isinstance(settings, LinearUtilitySettings):
        utility = LinearUtility(_table(settings.rewards, "rewards", state_size, action_size, where), discount)
    elif isinstance(settings, EntropyUtilitySettings):
        marginal = Marginal(settings.over, state_size, action_size)
        utility = EntropyUtility(
            marginal, discount, weight=settings.weight, floor=settings.floor, normalise=settings.normalise, where=where
        )
    else:
        raise UtilityError(f"no builder for the kind '{settings.kind}'", where=where, fix="choose none, linear or entropy")
    utility.where = where
    return utility


def _table(rows: Table, name: str, state_size: int, action_size: int, where: str) -> FloatArray:
    widths = {len(row) for row in rows}
    if len(rows) != state_size or widths != {action_size}:
        raise UtilityError(
            f"{name} has {len(rows)} rows of {' or '.join(str(width) for width in sorted(widths)) or 'no'} numbers",
            where=where,
            fix=f"give {state_size} rows (local states) of {action_size} numbers (local actions)",
        )
    return np.array(rows, dtype=np.float64)
