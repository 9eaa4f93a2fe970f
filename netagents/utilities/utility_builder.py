"""From settings to the utility of one agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netagents.errors import UtilityError
from netagents.experiment.base import Settings
from netagents.experiment.utility_settings import (
    AgentUtilitySettings,
    CustomUtilitySettings,
    DistanceUtilitySettings,
    DivergenceUtilitySettings,
    EntropyUtilitySettings,
    LinearUtilitySettings,
    NoUtilitySettings,
    PerAgentUtilities,
    QuadraticUtilitySettings,
    RiskUtilitySettings,
    Table,
    UtilitySettings,
    WeightedSumSettings,
    utility_of,
)
from netagents.utilities.custom_utility import custom_utility
from netagents.utilities.distance import DistanceUtility
from netagents.utilities.divergence import DivergenceUtility
from netagents.utilities.entropy import EntropyUtility
from netagents.utilities.linear import LinearUtility
from netagents.utilities.marginal import Marginal
from netagents.utilities.quadratic import QuadraticUtility
from netagents.utilities.risk import EntropicRiskUtility, MeanVarianceUtility
from netagents.utilities.target import marginal_table, target_distribution
from netagents.utilities.utility import FloatArray, Utility, ZeroUtility
from netagents.utilities.weighted_sum import WeightedSum


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
        ExperimentError: a custom utility cannot be found or called.
    """
    return build_agent_utility(utility_of(settings, agent), state_size, action_size, discount, f"agent {agent}, {where}")


def build_agent_utility(settings: AgentUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    """The utility that the settings of one agent describe; ``where`` names it in full.

    Raises:
        UtilityError, ExperimentError: as :func:`build_utility`.
    """
    utility = _BUILDERS[type(settings)](settings, state_size, action_size, discount, where)
    utility.where = where
    return utility


def check_agents(settings: UtilitySettings, n: int, where: str = "utility") -> None:
    """Refuse groups that name an agent the graph does not have.

    Raises:
        UtilityError: an index is n or more.
    """
    if isinstance(settings, PerAgentUtilities):
        for number, group in enumerate(settings.groups):
            if max(group.agents) >= n:
                raise UtilityError(
                    f"there is no agent {max(group.agents)}", where=f"{where}.groups[{number}].agents", fix=f"agents are 0 to {n - 1}"
                )


def _none(_: NoUtilitySettings, state_size: int, action_size: int, discount: float, __: str) -> Utility:
    return ZeroUtility(state_size, action_size, discount)


def _linear(settings: LinearUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    return LinearUtility(_table(settings.rewards, "rewards", state_size, action_size, where), discount)


def _entropy(settings: EntropyUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    marginal = Marginal(settings.over, state_size, action_size)
    return EntropyUtility(marginal, discount, weight=settings.weight, floor=settings.floor, normalise=settings.normalise, where=where)


def _divergence(settings: DivergenceUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    marginal = Marginal(settings.over, state_size, action_size)
    return DivergenceUtility(
        target_distribution(settings.target, marginal, where),
        marginal,
        discount,
        weight=settings.weight,
        floor=settings.floor,
        smoothing=settings.smoothing,
        normalise=settings.normalise,
        where=where,
    )


def _distance(settings: DistanceUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    marginal = Marginal(settings.over, state_size, action_size)
    target = target_distribution(settings.target, marginal, where)
    return DistanceUtility(target, marginal, discount, weight=settings.weight, normalise=settings.normalise, where=where)


def _quadratic(settings: QuadraticUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    marginal = Marginal(settings.over, state_size, action_size)
    coefficients = np.ones(marginal.shape)
    if settings.coefficients is not None:
        coefficients = marginal_table(settings.coefficients, marginal, where, "coefficients", "numbers of at least 0")
        if not np.isfinite(coefficients).all() or (coefficients < 0.0).any():
            raise UtilityError(
                "a coefficient is negative or not finite", where=where, fix="give numbers of at least 0; the weight has the sign"
            )
    return QuadraticUtility(coefficients, marginal, discount, weight=settings.weight, normalise=settings.normalise, where=where)


def _risk(settings: RiskUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    measure = MeanVarianceUtility if settings.measure == "mean_variance" else EntropicRiskUtility
    costs = _table(settings.costs, "costs", state_size, action_size, where)
    return measure(costs, discount, aversion=settings.aversion, weight=settings.weight, normalise=settings.normalise, where=where)


def _sum(settings: WeightedSumSettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    terms = [
        (term.weight, build_agent_utility(term.utility, state_size, action_size, discount, f"{where}.terms[{number}]"))
        for number, term in enumerate(settings.terms)
    ]
    return WeightedSum(terms)


_BUILDERS: dict[type[Settings], Callable[[Any, int, int, float, str], Utility]] = {
    NoUtilitySettings: _none,
    LinearUtilitySettings: _linear,
    EntropyUtilitySettings: _entropy,
    DivergenceUtilitySettings: _divergence,
    DistanceUtilitySettings: _distance,
    QuadraticUtilitySettings: _quadratic,
    RiskUtilitySettings: _risk,
    WeightedSumSettings: _sum,
    CustomUtilitySettings: custom_utility,
}


def _table(rows: Table, name: str, state_size: int, action_size: int, where: str) -> FloatArray:
    widths = {len(row) for row in rows}
    if len(rows) != state_size or widths != {action_size}:
        raise UtilityError(
            f"{name} has {len(rows)} rows of {' or '.join(str(width) for width in sorted(widths)) or 'no'} numbers",
            where=where,
            fix=f"give {state_size} rows (local states) of {action_size} numbers (local actions)",
        )
    return np.array(rows, dtype=np.float64)
