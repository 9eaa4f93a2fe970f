"""Setups made: from settings, graph and environment to what all agents share, and the checks that nothing is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TypeVar

from netagents.environments.networked_mdp import EnvironmentSpec
from netagents.errors import CapacityError, ExperimentError, UtilityError
from netagents.experiment import Experiment
from netagents.experiment.algorithm_settings import CustomAlgorithmSettings
from netagents.experiment.imported_parts import has_foreign_code
from netagents.experiment.intervention_settings import sbpr_of
from netagents.learning.agent_builder import make_agent
from netagents.learning.algorithm_checks import check_algorithm, check_meetings
from netagents.learning.algorithms.registry import algorithm_facts
from netagents.learning.incentives import make_frozen, make_pay, make_populations
from netagents.learning.interventions.intervention_checks import advised_co_players, check_interventions
from netagents.learning.protocol.agent_metrics import (
    BASE_METRICS,
    CONSTRAINT_METRICS,
    DEVIATION_METRICS,
    INTERVENTION_METRICS,
    PAY_METRICS,
    POPULATION_METRICS,
    SHADOW_METRICS,
    ordered_union,
)
from netagents.learning.protocol.algorithm_facts import AlgorithmFacts
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.learning_signal import make_terms, signal_metrics
from netagents.messages import NEIGHBOUR_KINDS, Kind, RadiusKind, radius_of
from netagents.topology import Reach, SelectedReach, Topology, agent_radii
from netagents.utilities import build_constraints, build_utility, check_agents

LARGEST_BATCH_BYTES = 8 << 30
T = TypeVar("T")


def make_setup(experiment: Experiment, topology: Topology, spec: EnvironmentSpec, *, imports: bool = True) -> Setup:
    """Work out neighbourhoods, horizon, discount and metrics; refuse what cannot fit into memory.

    Args:
        experiment: the settings.
        topology: the graph.
        spec: the environment's facts.
        imports: whether classes that the settings name may be imported, to ask them about themselves; false for whoever looks at settings
            that nobody trusts yet.

    Raises:
        ExperimentError: a per-agent radius has the wrong length, or the graph moves and messages should be relayed or aged along it.
        CapacityError: the traces of one agent's neighbourhood would not fit.
    """
    learning, n = experiment.learning, topology.n
    radii = {kind: agent_radii(experiment, n, kind.value) for kind in RadiusKind}
    check_muted(experiment.mute)
    muted = {kind: muted_hops(experiment.mute, kind, n) for kind in NEIGHBOUR_KINDS}
    shared_reward = learning.credit == "shared_reward"
    # A neighbour's reward is worth nothing without the trace that tells when it was earned.
    credited = muted[Kind.SHADOW_REWARD] | muted[Kind.TRACE] if shared_reward else muted[Kind.TRUNCATED_Q]
    cut = {RadiusKind.POLICY: muted[Kind.STATE], RadiusKind.CRITIC: muted[Kind.TRACE], RadiusKind.GRADIENT: credited}
    reaches: dict[tuple[tuple[int, ...], frozenset[int]], Reach] = {}

    def reach_of(radius: RadiusKind, without: frozenset[int]) -> Reach:
        # Equal ones are one object, because each keeps what it has worked out.
        key = radii[radius], without
        if key not in reaches:
            reaches[key] = Reach(topology.hops, *key)
        return reaches[key]

    reach = {kind: reach_of(kind, cut[kind]) for kind in RadiusKind}
    # Whoever counts neighbours' rewards needs the two kinds that make up the credit, or neither.
    own_cut = {
        **muted,
        Kind.TARGET_ACTION: muted[Kind.TARGET_ACTION] | muted[Kind.TRACE],
        Kind.TRUNCATED_Q: credited,
        Kind.SHADOW_REWARD: credited if shared_reward else muted[Kind.SHADOW_REWARD],
    }
    pay = make_pay(experiment, n, reach[RadiusKind.GRADIENT])
    frozen = make_frozen(experiment)
    policies_travel = reach_of(RadiusKind.GRADIENT, muted[Kind.POLICY_PARAMETERS])
    populations = make_populations(experiment, spec, reach[RadiusKind.POLICY], policies_travel)
    alone = pay.keys() | frozen.keys() | populations.keys()
    if alone:
        # Who has a role or an incentive of its own learns from that alone, and nobody else learns from it.
        reach[RadiusKind.GRADIENT] = SelectedReach(reach[RadiusKind.GRADIENT], lambda i, j: i not in alone and j not in alone)
    advised = advised_co_players(experiment, topology, spec, reach[RadiusKind.CRITIC], frozen)
    agents = _sharing_equals(experiment.of_agent(agent) for agent in range(n))
    facts = _sharing_equals(algorithm_facts(agent, imports=imports) for agent in agents)
    # Whatever it learns with, a policy reads the states of others.
    needed_kinds = [kind for kind in NEIGHBOUR_KINDS if kind is Kind.STATE or any(kind in each.kinds for each in facts)]
    kind_reach = {kind: reach_of(radius, own_cut[kind]) for kind in needed_kinds if (radius := radius_of(kind))}
    rewards, worst = kind_reach.pop(Kind.REWARD, None), kind_reach.pop(Kind.WORST_ACTION, None)
    if advised and worst is not None:
        kind_reach[Kind.WORST_ACTION] = SelectedReach(worst, lambda i, j: i in advised.get(j, ()))
    kind_reach.pop(Kind.POLICY_PARAMETERS, None)
    kind_reach.pop(Kind.BRANCH_STATE, None)
    if experiment.power.audit is not None:
        # What policies read in branches is what they read at all.
        kind_reach[Kind.BRANCH_STATE] = kind_reach[Kind.STATE]
    if populations:
        kind_reach[Kind.POLICY_PARAMETERS] = SelectedReach(policies_travel, lambda i, j: i in populations and populations[i].moves(j, i))
    for kind in kind_reach.keys() - {Kind.STATE, Kind.BRANCH_STATE, Kind.WORST_ACTION}:
        # Under shared_reward no algorithm that heeds the credit shares values.
        uses_kind = [kind in each.kinds and not (shared_reward and kind is Kind.TRUNCATED_Q and each.credits) for each in facts]
        if any(uses_kind) and not all(uses_kind):
            kind_reach[kind] = SelectedReach(kind_reach[kind], _both(uses_kind))
    for kind in (Kind.SHADOW_REWARD, Kind.TRUNCATED_Q):
        if alone and kind in kind_reach:
            kind_reach[kind] = SelectedReach(kind_reach[kind], lambda i, j: i not in alone and j not in alone)
    # Who never learns needs no traces.
    without_critics = {*frozen, *(agent for agent, population in populations.items() if agent not in population.homes)}
    if without_critics and Kind.TRACE in kind_reach:
        kind_reach[Kind.TRACE] = SelectedReach(kind_reach[Kind.TRACE], lambda i, _: i not in without_critics)
    if pay and rewards is not None:
        kind_reach[Kind.REWARD] = SelectedReach(rewards, lambda i, j: i in pay and j in pay[i].coefficients)
    horizon = spec.horizon if learning.horizon is None else learning.horizon
    discount = spec.discount if learning.gamma is None else learning.gamma
    names = metric_names(experiment, facts, imports=imports)
    travels = tuple(any(term.shared and term.factor != 0.0 for term in agent.signals.values()) for agent in agents)
    apart = pay, frozen, advised, populations
    setup = Setup(experiment, topology, spec, reach, horizon, discount, kind_reach, agents, facts, names, travels, *apart)
    for key, value, fix in (("routing", "relay", "direct"), ("information", "aged", "fresh")):
        if spec.capabilities.moving and getattr(experiment, key) == value:
            raise ExperimentError(
                f"{value} needs a graph that stays as it is, and this environment's moves", where=key, fix=f"use {key}: {fix}"
            )
    widest = topology.n
    if _batch_bytes(setup, widest) > LARGEST_BATCH_BYTES:
        # Windows are worked out where it matters alone: each agent reads this of all, and keeps what it has worked out.
        widest = max(len(reach[RadiusKind.CRITIC].window(i)) for i in range(topology.n))
    needed = _batch_bytes(setup, widest)
    if needed > LARGEST_BATCH_BYTES:
        raise CapacityError(
            f"one agent's batch of {learning.batch} copies x {setup.steps} steps x {widest} neighbours needs {needed / 2**30:.3g} GiB",
            where="learning.batch",
            fix=f"use learning.batch={max(1, learning.batch * LARGEST_BATCH_BYTES // needed)} or a smaller horizon",
        )
    return setup


def _batch_bytes(setup: Setup, neighbours: int) -> int:
    """Bytes of the traces of so many neighbours in one batch."""
    return setup.steps * setup.batch * 8 * (4 + 2 * neighbours)


def with_imports(setup: Setup) -> Setup:
    """A setup that was made without imports, completed with what the classes say that its settings name."""
    return make_setup(setup.experiment, setup.topology, setup.spec) if has_foreign_code(setup.experiment) else setup


def metric_names(experiment: Experiment, facts: Sequence[AlgorithmFacts], *, imports: bool) -> tuple[str, ...]:
    """The names of all metrics of a run: those of every agent, its algorithm, and the terms of its learning signal."""
    constrained = bool(experiment.constraints) or any(group.constraints for group in experiment.agents)
    special = any(group.role != "learner" or group.incentive is not None for group in experiment.agents)
    return ordered_union(
        BASE_METRICS,
        *(each.metrics for each in dict.fromkeys(facts)),
        SHADOW_METRICS if experiment.has_shadow_rewards else (),
        CONSTRAINT_METRICS if constrained else (),
        PAY_METRICS if special else (),
        POPULATION_METRICS if any(group.role == "population" for group in experiment.agents) else (),
        INTERVENTION_METRICS if experiment.interventions else (),
        DEVIATION_METRICS if sbpr_of(experiment.interventions) is not None else (),
        signal_metrics(experiment, imports=imports),
    )


def _sharing_equals(values: Iterable[T]) -> tuple[T, ...]:
    """The same values; equal ones are one object, because every process keeps those of all agents."""
    distinct: list[T] = []
    shared = []
    for value in values:
        same = next((other for other in distinct if other == value), None)
        if same is None:
            distinct.append(value)
        shared.append(value if same is None else same)
    return tuple(shared)


def _both(uses_kind: Sequence[bool]) -> Callable[[int, int], bool]:
    """(receiver, sender) -> whether the algorithms of both know a kind."""
    return lambda i, j: uses_kind[i] and uses_kind[j]


MUTABLE = tuple(kind for kind in NEIGHBOUR_KINDS if kind is not Kind.BRANCH_STATE)
"""Kinds that may be muted.  An audit hears what policies read; without it, it would measure the power of other policies."""


def check_muted(words: Sequence[str]) -> None:
    """Refuse to mute what agents do not send each other.

    Raises:
        ExperimentError: a word names no kind of message between agents.
    """
    labels = [kind.label for kind in MUTABLE]
    for place, word in enumerate(words):
        if word.partition("@")[0] not in labels:
            raise ExperimentError(
                f"'{word}' is no kind of message between agents",
                where=f"mute.{place}",
                fix=f"mute {', '.join(labels)}, or one of them at a hop: {labels[0]}@2",
            )


def muted_hops(words: Sequence[str], kind: Kind, n: int) -> frozenset[int]:
    """The hop distances at which a kind is muted by words such as ``truncated_q@2``, or ``state`` for every distance."""
    hops: set[int] = set()
    for word in words:
        name, at, hop = word.partition("@")
        if name == kind.label:
            hops |= {int(hop)} if at else set(range(1, n))
    return frozenset(hops)


def check_fits(setup: Setup) -> None:
    """Refuse a setup in which some agent's policy, utility or constraints could not be built, before anything is started.

    Raises:
        CapacityError: a policy table is too large, or a critic may not keep as many keys as one batch can have; the line says what to
            use instead.
        EnvironmentMismatchError: a space has no table, cells do not fit, or tables meet a graph that moves or actions that may be illegal.
        ExperimentError: a class of the user's own cannot be found or called.
        UtilityError: a utility does not fit the agent's local spaces, a group or constraint names an agent that does not exist,
            or no policy at all can meet a constraint.
    """
    experiment = setup.experiment
    # An error names the lowest agent of its class, which is the first that it holds of.
    _, lowest = setup.classes
    for agent in lowest:
        check_algorithm(setup, agent)
    check_meetings(setup)
    check_interventions(setup)
    check_agents(experiment.utility, setup.n)
    for number, constraint in enumerate(experiment.constraints):
        if constraint.agents is not None and max(constraint.agents) >= setup.n:
            raise UtilityError(
                f"there is no agent {max(constraint.agents)}", where=f"constraints[{number}].agents", fix=f"agents are 0 to {setup.n - 1}"
            )
    for number, signal in enumerate(experiment.signals):
        if signal.agents is not None and max(signal.agents) >= setup.n:
            raise ExperimentError(
                f"there is no agent {max(signal.agents)}", where=f"signals[{number}].agents", fix=f"agents are 0 to {setup.n - 1}"
            )
    for agent in lowest:
        settings = setup.agents[agent]
        setup.policy(agent)
        if not settings.uses_networks and agent not in setup.frozen:
            _check_critic(setup, agent)
        cells = setup.cells(agent)
        build_utility(settings.utility, agent, cells.states, cells.actions, setup.discount)
        build_constraints(settings.constraints, agent, cells.states, cells.actions, setup.discount)
        make_terms(agent, setup)
    own = {settings.where: agent for agent, settings in enumerate(setup.agents) if agent not in setup.frozen}
    for agent in own.values():
        if isinstance(setup.agents[agent].learning.algorithm, CustomAlgorithmSettings):
            # One agent of each group tells whether its class takes the parameters.
            make_agent(agent, setup)


def _check_critic(setup: Setup, agent: int) -> None:
    """Refuse a limit of a critic's keys that a single batch could exceed.

    Raises:
        CapacityError: it is below the number of keys that a batch can have.
    """
    settings = setup.agents[agent].learning.critic
    window = setup.reach[RadiusKind.CRITIC].window(agent)
    entries = prod(setup.state_sizes(window)) * prod(setup.action_sizes(window))
    least = min(entries, (setup.evaluation_steps or setup.horizon) * setup.batch)
    if entries > settings.full_table_limit and settings.visited_limit < least:
        raise CapacityError(
            f"one batch of agent {agent} can have {least} different keys, and its critic keeps {settings.visited_limit}",
            where="learning.critic.visited_limit",
            fix=f"set it to at least {least}, or use a smaller learning.batch",
        )
