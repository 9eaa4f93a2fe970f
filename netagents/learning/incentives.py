"""Incentives and roles: who is frozen, and what each agent is paid, worked out from settings and radii before anything is started."""

from __future__ import annotations

from collections.abc import Mapping

from netagents.errors import ExperimentError
from netagents.experiment import Experiment
from netagents.experiment.agent_settings import AdversaryIncentiveSettings, coefficients
from netagents.learning.protocol.setup import Pay
from netagents.topology import Reach


def make_pay(experiment: Experiment, n: int, gradient: Reach) -> Mapping[int, Pay]:
    """Agent -> what it is paid; agents without an incentive of their own are left out.

    Args:
        experiment: the settings.
        n: number of agents.
        gradient: within which rewards of others travel; what lies beyond is not paid.

    Raises:
        ExperimentError: an agent does not exist, coefficients do not fit, or an adversary has nobody within its radius to harm.
    """
    pay: dict[int, Pay] = {}
    for number, group in enumerate(experiment.agents):
        where = f"agents[{number}]"
        for agent in group.agents:
            if agent >= n:
                raise ExperimentError(f"there is no agent {agent}", where=f"{where}.agents", fix=f"agents are 0 to {n - 1}")
            if group.paid is None:
                continue
            try:
                wanted = coefficients(group, agent, n)
            except ValueError as error:
                raise ExperimentError(str(error), where=f"{where}.incentive", fix=f"there are {n} agents") from None
            paid = {j: c for j, c in wanted.items() if j in gradient.window(agent)}
            if isinstance(group.paid, AdversaryIncentiveSettings) and not paid:
                raise ExperimentError(
                    f"agent {agent} is an adversary with nobody to harm within its radius of {gradient.radii[agent]}",
                    where=f"{where}.incentive",
                    fix="raise kappa_gradient, or set it against agents nearby",
                )
            pay[agent] = Pay(group.start, paid)
    return pay


def make_frozen(experiment: Experiment) -> Mapping[int, bool]:
    """Frozen agent -> whether it plays the most probable action."""
    return {agent: group.greedy for group in experiment.agents if group.role == "frozen" for agent in group.agents}
