"""Incentives and roles: who is frozen, who shares a population and who is paid what, worked out from settings and radii beforehand."""

from __future__ import annotations

from collections.abc import Mapping

from netagents.environments.networked_mdp import EnvironmentSpec
from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.experiment import Experiment
from netagents.experiment.agent_groups import AdversaryIncentiveSettings, coefficients
from netagents.experiment.clock_settings import LockstepSettings
from netagents.learning.protocol.population import Population
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
                rates = coefficients(group, agent, n)
            except ValueError as error:
                raise ExperimentError(str(error), where=f"{where}.incentive", fix=f"there are {n} agents") from None
            paid = {j: c for j, c in rates.items() if j in gradient.window(agent)}
            if isinstance(group.paid, AdversaryIncentiveSettings) and not paid:
                raise ExperimentError(
                    f"agent {agent} is an adversary with nobody to harm within its radius of {gradient.radii[agent]}",
                    where=f"{where}.incentive",
                    fix="raise kappa_gradient, or set it against agents nearby",
                )
            pay[agent] = Pay(group.start, paid)
    return pay


def make_populations(experiment: Experiment, spec: EnvironmentSpec, policy: Reach, travels: Reach) -> Mapping[int, Population]:
    """Seat -> its population.

    Args:
        experiment: the settings.
        spec: of the environment.
        policy: whose states a policy reads.
        travels: how far policies travel between seats.

    Raises:
        ExperimentError: clock, routing, failures or faults do not go with populations, or seats are beyond the radius.
        EnvironmentMismatchError: two seats between which policies move have different spaces or windows.
    """
    populations: dict[int, Population] = {}
    for number, group in enumerate(experiment.agents):
        if group.role != "population":
            continue
        where = f"agents[{number}]"
        _check_surroundings(experiment, where)
        homes = tuple(sorted(group.agents if group.homes is None else group.homes))
        learners = len(homes) if group.learners is None else group.learners
        population = Population(tuple(sorted(group.agents)), homes, group.members, group.generation, learners, experiment.seed)
        for home in homes:
            for seat in population.agents:
                if population.moves(home, seat):
                    if experiment.of_agent(home).policy != experiment.of_agent(seat).policy:
                        raise ExperimentError(
                            f"agents {home} and {seat} have policies with other settings",
                            where=where,
                            fix="seats of a population are alike",
                        )
                    _check_seat(home, seat, spec, policy, travels, where)
        populations |= dict.fromkeys(group.agents, population)
    return populations


def _check_surroundings(experiment: Experiment, where: str) -> None:
    """Refuse what a population cannot live with."""
    if experiment.clock != LockstepSettings():
        raise ExperimentError("a population needs the plain lockstep clock", where=where, fix="use clock: {kind: lockstep}")
    if experiment.routing != "direct":
        raise ExperimentError("policies of a population travel directly from seat to seat", where=where, fix="use routing: direct")
    if experiment.does_without:
        raise ExperimentError(
            "a population cannot go on without a seat",
            where=where,
            fix="use failures.agent stop_all or restart instead of continue_without",
        )


def _check_seat(home: int, seat: int, spec: EnvironmentSpec, policy: Reach, travels: Reach, where: str) -> None:
    """Refuse two seats of which one cannot play the other's policies."""
    if home not in travels.in_neighbours(seat):
        raise ExperimentError(
            f"policies of agent {home} cannot reach agent {seat}, which is beyond kappa_gradient or muted",
            where=where,
            fix="raise kappa_gradient, or choose seats nearby",
        )
    if spec.action_spaces[home] != spec.action_spaces[seat]:
        raise EnvironmentMismatchError(
            f"agents {home} and {seat} have different actions", where=where, fix="seats of a population are alike"
        )
    windows = [policy.window(home), policy.window(seat)]
    spaces = [[spec.observation_spaces[j] for j in window] for window in windows]
    if spaces[0] != spaces[1] or windows[0].index(home) != windows[1].index(seat):
        raise EnvironmentMismatchError(
            f"policies of agents {home} and {seat} read different windows, or stand at different places in them",
            where=where,
            fix="use kappa_policy 0, or seats that are surrounded alike",
        )


def make_frozen(experiment: Experiment) -> Mapping[int, bool]:
    """Frozen agent -> whether it plays the most probable action."""
    return {agent: group.greedy for group in experiment.agents if group.role == "frozen" for agent in group.agents}
