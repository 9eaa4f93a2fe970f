"""Refuses algorithms that do not take what they are given, and agents that cannot learn beside each other."""

from __future__ import annotations

from collections.abc import Mapping

from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.experiment.algorithm_settings import MaddpgSettings, NetworkAlgorithmSettings
from netagents.experiment.clock_settings import LockstepSettings, WaitSettings
from netagents.experiment.policy_settings import NETWORKS, BoxActing, GruPolicySettings, MlpPolicySettings
from netagents.experiment.robust_settings import RomQSettings
from netagents.learning.protocol.setup import Setup
from netagents.messages import Kind, RadiusKind

_BOX_ACTING: Mapping[BoxActing | None, str] = {"gaussian": "a Gaussian that it draws from", "tanh": "a tanh, whose derivative it follows"}


def check_algorithm(setup: Setup, agent: int) -> None:
    """Refuse an agent whose algorithm does not take what the experiment gives it.

    Raises:
        ExperimentError: it takes other policies, or the experiment has terms of a signal or credit for which messages are missing.
        EnvironmentMismatchError: it takes no boxes, no masks or no graph that moves, or its table cannot mark them.
    """
    experiment, settings, facts = setup.experiment, setup.agents[agent], setup.algorithms[agent]
    capabilities, spec = setup.spec.capabilities, setup.spec
    if agent in setup.frozen and experiment.power.variant == "ex_ante":
        raise ExperimentError("power.variant ex_ante needs what every neighbour intends, which frozen agents do not tell", where="agents")
    kind, where = settings.learning.algorithm.kind, f"{settings.where}learning.algorithm.kind"
    beside = {
        "agents": (agent in setup.pay or _pays_others(setup, agent)) and Kind.REWARD not in facts.kinds,
        f"{settings.where}signals": bool(settings.signals) and not facts.signals,
        f"{settings.where}constraints": bool(settings.constraints) and not facts.signals,
        f"{settings.where}utility": not settings.is_task_alone and not settings.constraints and not facts.signals,
    }
    ignored = [key for key, is_ignored in beside.items() if is_ignored]
    if ignored:
        raise ExperimentError(f"{kind} learns from the task reward alone, and would ignore them", where=ignored[0], fix="leave them out")
    policy = "networks" if settings.uses_networks else "tables"
    if policy not in facts.policies:
        fix = "use policy.kind mlp" if policy == "tables" else "use policy.kind softmax"
        raise ExperimentError(f"{kind} learns with {' or '.join(sorted(facts.policies))}, and policies are {policy}", where=where, fix=fix)
    if isinstance(settings.policy, GruPolicySettings) and not facts.recurrent:
        raise ExperimentError(f"{kind} does not train policies with memory", where=where, fix="use ppo or actor_critic, or policy.kind mlp")
    if not settings.uses_networks:
        if capabilities.moving or capabilities.masked:
            what = "a graph that moves" if capabilities.moving else "actions that are not always legal"
            raise EnvironmentMismatchError(
                f"environment '{spec.name}' has {what}, which tables cannot mark", where=f"{settings.where}policy.kind", fix="use kind mlp"
            )
        return
    if not facts.on_policy:
        _check_replay(setup, agent)
    algorithm = settings.learning.algorithm
    if (
        isinstance(algorithm, NetworkAlgorithmSettings)
        and algorithm.ernie is not None
        and not isinstance(settings.policy, MlpPolicySettings)
    ):
        raise ExperimentError(
            f"ERNIE changes single observations, and a policy of kind {settings.policy.kind} remembers earlier ones",
            where=f"{settings.where}learning.algorithm.ernie",
            fix="use policy.kind mlp, or leave it out",
        )
    if (
        isinstance(algorithm, MaddpgSettings)
        and isinstance(algorithm.robust, RomQSettings)
        and isinstance(settings.policy, GruPolicySettings)
    ):
        raise ExperimentError(
            "RoM-Q's worst action is that of a value of single observations, and a policy of kind gru remembers earlier ones",
            where=f"{settings.where}learning.algorithm.robust",
            fix="use policy.kind mlp, or another kind of robust",
        )
    if not isinstance(spec.action_spaces[agent], Discrete) and isinstance(settings.policy, NETWORKS):
        acting = settings.policy.box
        if facts.boxes not in (None, acting):
            raise ExperimentError(
                f"{kind} acts in boxes by {_BOX_ACTING[facts.boxes]}, and policy.box is {acting}",
                where=f"{settings.where}policy.box",
                fix=f"use policy.box={facts.boxes}, or another algorithm",
            )
    if not isinstance(spec.action_spaces[agent], Discrete) and facts.spaces == "finite":
        raise EnvironmentMismatchError(
            f"{kind} takes finite actions, and those of agent {agent} are a box", where=where, fix="use another algorithm or environment"
        )
    for has, takes, what in (
        (capabilities.masked, facts.masks, "actions that are not always legal"),
        (capabilities.moving, facts.moving, "a graph that moves"),
    ):
        if has and not takes:
            raise EnvironmentMismatchError(
                f"environment '{spec.name}' has {what}, which {kind} does not take", where=where, fix="use another algorithm"
            )


def _check_replay(setup: Setup, agent: int) -> None:
    """Refuse what an algorithm that replays transitions cannot go along with.

    Raises:
        ExperimentError: agents are not in lockstep, or the agent is a seat whose policies come and go.
    """
    settings, clock = setup.agents[agent], setup.experiment.clock
    kind, where = settings.learning.algorithm.kind, f"{settings.where}learning.algorithm.kind"
    if not (isinstance(clock, LockstepSettings) and isinstance(clock.straggler, WaitSettings)):
        raise ExperimentError(
            f"{kind} replays the same transitions in all agents at once, which needs agents in lockstep",
            where="clock",
            fix="leave the clock at lockstep, with straggler wait",
        )
    if agent in setup.populations:
        raise ExperimentError(
            f"{kind} keeps the transitions of one policy, and agent {agent} is a seat of a population, whose policies come and go",
            where=where,
            fix="use an algorithm that is on-policy",
        )


def check_meetings(setup: Setup) -> None:
    """Refuse agents within each other's radii of which one needs what the other does not tell.

    Raises:
        ExperimentError: names both, and what is missing.
    """
    _check_same_draws(setup)
    if len(set(setup.algorithms)) == 1:
        return
    values = Kind.TRUNCATED_Q if setup.experiment.learning.credit == "shared_q" else Kind.SHADOW_REWARD
    for radius, kind, fix in (
        (RadiusKind.CRITIC, Kind.TRACE, "lower kappa_critic of the first"),
        (RadiusKind.GRADIENT, values, "give the first kappa_gradient 0 or an incentive of its own"),
    ):
        for agent, facts in enumerate(setup.algorithms):
            if kind not in facts.kinds or agent in setup.frozen:
                continue
            silent = [j for j in setup.reach[radius].window(agent) if kind not in setup.algorithms[j].kinds]
            if silent:
                first, second = (setup.agents[each].learning.algorithm.kind for each in (agent, silent[0]))
                raise ExperimentError(
                    f"agent {agent} ({first}) learns from the {kind.label} of agent {silent[0]} within kappa_{radius.value}, whose"
                    f" algorithm ({second}) tells none",
                    where=f"{setup.agents[agent].where}learning.algorithm.kind",
                    fix=fix,
                )


def _check_same_draws(setup: Setup) -> None:
    """Refuse agents that tell each other target actions, but draw other transitions.

    Raises:
        ExperimentError: names both.
    """
    for agent in range(setup.n):
        draws = _draws(setup, agent)
        other = [j for j in setup.in_neighbours(Kind.TARGET_ACTION, agent) if _draws(setup, j) != draws]
        if other:
            raise ExperimentError(
                f"agents {agent} and {other[0]} tell each other actions at replayed transitions, but draw other ones",
                where=f"{setup.agents[agent].where}learning.algorithm",
                fix="give both the same updates, minibatch and replay",
            )


def _draws(setup: Setup, agent: int) -> tuple[int, ...]:
    settings = setup.agents[agent].learning.algorithm
    return (settings.updates, settings.minibatch, settings.replay) if isinstance(settings, MaddpgSettings) else ()


def _pays_others(setup: Setup, agent: int) -> bool:
    """Whether somebody else is paid in this agent's rewards."""
    return any(agent in pay.coefficients for pay in setup.pay.values())
