"""Checks of interventions before anything is started: who may be made to play worst actions, and whether actions exist."""

from __future__ import annotations

from collections.abc import Mapping

from netagents.environments.networked_mdp import EnvironmentSpec
from netagents.environments.spaces import candidate_actions
from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.experiment import Experiment
from netagents.experiment.clock_settings import LockstepSettings
from netagents.experiment.intervention_settings import FixedIntervention, PolicyIntervention, SbprSettings, WorstIntervention
from netagents.learning.interventions.action_sources import fixed_actions
from netagents.learning.protocol.setup import Setup
from netagents.topology import Reach, Topology


def advised_co_players(
    experiment: Experiment, topology: Topology, spec: EnvironmentSpec, critic: Reach, frozen: Mapping[int, bool]
) -> Mapping[int, tuple[int, ...]]:
    """Ego -> the co-players that it may tell their worst actions for it.

    With SBPR these are the agents whose power over it its critic can be trusted with: those within kappa_critic - reach_offset hops that
    hear it.

    Raises:
        ExperimentError: somebody does not exist, has no critic, or has no such co-player; the line says which kappa would do.
    """
    worst = [(number, each) for number, each in enumerate(experiment.interventions) if isinstance(each, WorstIntervention | SbprSettings)]
    if not worst:
        return {}
    (number, settings), n = worst[0], topology.n
    seats = {agent for group in experiment.agents if group.role == "population" for agent in group.agents}
    where = f"interventions[{number}]"
    if isinstance(settings, WorstIntervention):
        _known((*settings.agents, settings.against), n, where)
        if settings.against in settings.agents:
            raise ExperimentError(f"agent {settings.against} would play the worst actions for itself", where=where, fix="name others")
        groups = {settings.against: tuple(sorted(settings.agents))}
    else:
        egos = settings.agents if settings.agents is not None else tuple(i for i in range(n) if i not in frozen and i not in seats)
        _known(egos, n, where)
        groups = {}
        for ego in egos:
            trusted = critic.radii[ego] - spec.reach_offset
            distances = {j: topology.hops.distance(ego, j) for j in critic.window(ego) if j != ego}
            near = tuple(j for j, distance in distances.items() if distance <= trusted and ego in critic.window(j))
            if near:
                groups[ego] = near
        if not groups:
            nearest = 1 + spec.reach_offset
            raise ExperimentError(
                "no agent has a co-player whose power over it its critic can be trusted with",
                where=where,
                fix=f"use kappa_critic of at least {nearest} (1 hop, and {spec.reach_offset} more until an action shows)",
            )
        most = max(map(len, groups.values()))
        if settings.aggregate == "sum" and settings.probability * most > 1.0:
            raise ExperimentError(
                f"with aggregate sum each of {most} co-players deviates with probability {settings.probability:g}, more than 1 together",
                where=f"{where}.probability",
                fix=f"use at most {1.0 / most:.3g}",
            )
    for ego, co_players in groups.items():
        if ego in seats:
            raise ExperimentError(f"agent {ego} is a seat of a population, whose members take turns", where=where, fix="name learners")
        if ego in frozen:
            raise ExperimentError(f"agent {ego} is frozen and keeps no critic that could say what is worst for it", where=where)
        for j in co_players:
            if j not in critic.window(ego) or ego not in critic.window(j):
                raise ExperimentError(
                    f"agents {ego} and {j} are not within each other's kappa_critic", where=where, fix="raise it, or name agents nearby"
                )
    return groups


def check_interventions(setup: Setup) -> None:
    """Refuse interventions that could not act, or whose worst actions could not travel.

    Raises:
        ExperimentError: an agent does not exist, or a setting of the run does not go with worst actions.
        EnvironmentMismatchError: an action does not exist, or worst ones cannot be looked for.
    """
    experiment, spec, advised, horizon = setup.experiment, setup.spec, setup.advised, setup.steps
    for number, settings in enumerate(experiment.interventions):
        where = f"interventions[{number}]"
        _known(settings.agents or (), spec.n, where)
        if not isinstance(settings, SbprSettings) and settings.from_step >= horizon:
            raise ExperimentError(f"from_step {settings.from_step} is never reached", where=where, fix=f"an iteration has {horizon} steps")
        if isinstance(settings, PolicyIntervention):
            for agent in settings.agents or range(spec.n):
                if setup.policy(agent).initial_memory(1) is not None:
                    raise EnvironmentMismatchError(
                        f"agent {agent}'s policy has memory, which single actions of another one would not follow",
                        where=where,
                        fix="use a policy without memory, or role frozen",
                    )
        if isinstance(settings, FixedIntervention):
            for agent in settings.agents or range(spec.n):
                try:
                    fixed_actions(settings, spec.action_spaces[agent], 1)
                except ValueError as error:
                    raise EnvironmentMismatchError(f"agent {agent}: {error}", where=f"{where}.action", fix="name one of them") from None
    if not advised:
        return
    where = next(
        f"interventions[{k}]" for k, each in enumerate(experiment.interventions) if isinstance(each, WorstIntervention | SbprSettings)
    )
    because = "worst actions are told between the states and the actions of a step, which"
    plain = isinstance(experiment.clock, LockstepSettings) and experiment.clock.straggler.kind == "wait"
    refused = (
        (not plain, "clock", "needs clock lockstep in which all wait"),
        (experiment.routing != "direct", "routing", "needs routing direct"),
        (experiment.information != "fresh", "information", "needs information fresh"),
        (experiment.does_without, "failures.agent", "needs all agents; do not use continue_without"),
    )
    for is_refused, setting, need in refused:
        if is_refused:
            raise ExperimentError(f"{because} {need}", where=setting, fix=f"change it, or leave {where} out")
    if spec.capabilities.moving:
        raise EnvironmentMismatchError(f"{because} needs a graph that stays as it is, and this environment's moves", where=where)
    for ego in advised:
        if not setup.algorithms[ego].deviates:
            kind = setup.agents[ego].learning.algorithm.kind
            raise ExperimentError(
                f"agent {ego} learns by {kind}, which keeps no critic that could say which action is worst",
                where=where,
                fix="use truncated_pg, actor_critic or ppo",
            )
    sbpr = next((each for each in experiment.interventions if isinstance(each, SbprSettings)), None)
    if sbpr is not None and experiment.learning.evaluation == "fresh":
        raise ExperimentError(
            "sbpr has critics learn from the episodes that it deviates in", where="learning.evaluation", fix="use relabelled"
        )
    if sbpr is not None and sbpr.sampled is not None and any(setup.agents[ego].uses_networks for ego in advised):
        raise ExperimentError("networks take no importance weights", where=f"{where}.sampled", fix="leave it out, or use tables")
    for co_players in advised.values():
        for j in co_players:
            candidate_actions(spec.action_spaces[j], where=f"{where}, agent {j}")


def _known(agents: tuple[int, ...], n: int, where: str) -> None:
    beyond = max(agents, default=0)
    if beyond >= n:
        raise ExperimentError(f"there is no agent {beyond}", where=f"{where}.agents", fix=f"agents are 0 to {n - 1}")
