"""Setups made: from settings, graph and environment to what all agents share, and the checks that nothing is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from netagents.environments.networked_mdp import EnvironmentSpec
from netagents.environments.spaces import Discrete
from netagents.errors import CapacityError, EnvironmentMismatchError, ExperimentError, UtilityError
from netagents.experiment import Experiment
from netagents.experiment.algorithm_settings import CustomAlgorithmSettings
from netagents.experiment.clock_settings import LockstepSettings, WaitSettings
from netagents.experiment.imported_parts import has_foreign_code
from netagents.experiment.policy_settings import BoxActing, MlpPolicySettings
from netagents.experiment.signal_settings import signals_of
from netagents.experiment.utility_settings import NoUtilitySettings
from netagents.learning.agent_builder import make_agent
from netagents.learning.algorithms.registry import algorithm_facts
from netagents.learning.incentives import make_frozen, make_pay
from netagents.learning.protocol.agent_metrics import BASE_METRICS, CONSTRAINT_METRICS, PAY_METRICS, SHADOW_METRICS, ordered_union
from netagents.learning.protocol.algorithm_facts import AlgorithmFacts
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.learning_signal import make_terms, signal_metrics
from netagents.messages import NEIGHBOUR_KINDS, Kind, RadiusKind, radius_of
from netagents.topology import Reach, SelectedReach, Topology, spread_radius
from netagents.utilities import build_constraints, build_utility, check_agents

LARGEST_BATCH_BYTES = 8 << 30
_BOX_ACTING: Mapping[BoxActing | None, str] = {"gaussian": "a Gaussian that it draws from", "tanh": "a tanh, whose derivative it follows"}


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
    learning = experiment.learning
    radii = {kind: spread_radius(experiment.radius(kind.value), topology.n, f"kappa_{kind.value}") for kind in RadiusKind}
    check_muted(experiment.mute)
    muted = {kind: muted_hops(experiment.mute, kind, topology.n) for kind in NEIGHBOUR_KINDS}
    shared_reward = learning.credit == "shared_reward"
    # A neighbour's reward is worth nothing without the trace that tells when it was earned.
    credited = muted[Kind.SHADOW_REWARD] | muted[Kind.TRACE] if shared_reward else muted[Kind.TRUNCATED_Q]
    cut = {RadiusKind.POLICY: muted[Kind.STATE], RadiusKind.CRITIC: muted[Kind.TRACE], RadiusKind.GRADIENT: credited}
    reach = {kind: Reach(topology.hops, radii[kind], cut[kind]) for kind in RadiusKind}
    # Whoever counts neighbours' rewards needs the two kinds that make up the credit, or neither.
    own_cut = {
        **muted,
        Kind.TARGET_ACTION: muted[Kind.TARGET_ACTION] | muted[Kind.TRACE],
        Kind.TRUNCATED_Q: credited,
        Kind.SHADOW_REWARD: credited if shared_reward else muted[Kind.SHADOW_REWARD],
    }
    pay = make_pay(experiment, topology.n, reach[RadiusKind.GRADIENT])
    frozen = make_frozen(experiment)
    alone = pay.keys() | frozen.keys()
    if alone:
        # Who has a role or an incentive of its own learns from that alone, and nobody else learns from it.
        reach[RadiusKind.GRADIENT] = SelectedReach(reach[RadiusKind.GRADIENT], lambda i, j: i not in alone and j not in alone)
    facts = algorithm_facts(experiment, imports=imports)
    # Whatever it learns with, a policy reads the states of others; actions of target policies are about a replay buffer.
    unused = {Kind.TARGET_ACTION} if facts.on_policy else set()
    needed_kinds = [kind for kind in NEIGHBOUR_KINDS if kind is Kind.STATE or kind in facts.kinds - unused]
    kind_reach = {kind: Reach(topology.hops, radii[radius], own_cut[kind]) for kind in needed_kinds if (radius := radius_of(kind))}
    rewards = kind_reach.pop(Kind.REWARD, None)
    for kind in (Kind.SHADOW_REWARD, Kind.TRUNCATED_Q):
        if alone and kind in kind_reach:
            kind_reach[kind] = SelectedReach(kind_reach[kind], lambda i, j: i not in alone and j not in alone)
    if frozen and Kind.TRACE in kind_reach:
        kind_reach[Kind.TRACE] = SelectedReach(kind_reach[Kind.TRACE], lambda i, _: i not in frozen)
    if frozen and Kind.TARGET_ACTION in kind_reach:
        # What a frozen agent does next is in its trace: its policy never changes.
        kind_reach[Kind.TARGET_ACTION] = SelectedReach(kind_reach[Kind.TARGET_ACTION], lambda i, j: i not in frozen and j not in frozen)
    if pay and rewards is not None:
        kind_reach[Kind.REWARD] = SelectedReach(rewards, lambda i, j: i in pay and j in pay[i].coefficients)
    horizon = spec.horizon if learning.horizon is None else learning.horizon
    discount = spec.discount if learning.gamma is None else learning.gamma
    names = metric_names(experiment, facts, imports=imports)
    setup = Setup(
        experiment, topology, spec, reach, horizon, discount, kind_reach, facts, names, _shares_signals(experiment, topology.n), pay, frozen
    )
    for key, value, fix in (("routing", "relay", "direct"), ("information", "aged", "fresh")):
        if spec.capabilities.moving and getattr(experiment, key) == value:
            raise ExperimentError(
                f"{value} needs a graph that stays as it is, and this environment's moves", where=key, fix=f"use {key}: {fix}"
            )
    widest = max(len(reach[RadiusKind.CRITIC].window(i)) for i in range(topology.n))
    needed = setup.steps * learning.batch * 8 * (4 + 2 * widest)
    if needed > LARGEST_BATCH_BYTES:
        raise CapacityError(
            f"one agent's batch of {learning.batch} copies x {setup.steps} steps x {widest} neighbours needs {needed / 2**30:.3g} GiB",
            where="learning.batch",
            fix=f"use learning.batch={max(1, learning.batch * LARGEST_BATCH_BYTES // needed)} or a smaller horizon",
        )
    return setup


def with_imports(setup: Setup) -> Setup:
    """A setup that was made without imports, completed with what the classes say that its settings name."""
    return make_setup(setup.experiment, setup.topology, setup.spec) if has_foreign_code(setup.experiment) else setup


def metric_names(experiment: Experiment, facts: AlgorithmFacts, *, imports: bool) -> tuple[str, ...]:
    """The names of all metrics of a run: those of every agent, its algorithm, and the terms of its learning signal."""
    general = experiment.utility != NoUtilitySettings() or bool(experiment.constraints)
    return ordered_union(
        BASE_METRICS,
        facts.metrics,
        SHADOW_METRICS if general else (),
        CONSTRAINT_METRICS if experiment.constraints else (),
        PAY_METRICS if experiment.agents else (),
        signal_metrics(experiment, imports=imports),
    )


def _shares_signals(experiment: Experiment, n: int) -> tuple[bool, ...]:
    shared = tuple(term for term in experiment.signals if term.shared and term.weight != 0.0)
    return tuple(bool(signals_of(shared, agent)) for agent in range(n))


def check_muted(words: Sequence[str]) -> None:
    """Refuse to mute what agents do not send each other.

    Raises:
        ExperimentError: a word names no kind of message between agents.
    """
    labels = [kind.label for kind in NEIGHBOUR_KINDS]
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
    experiment, capabilities = setup.experiment, setup.spec.capabilities
    check_algorithm(setup)
    if (capabilities.moving or capabilities.masked) and not experiment.uses_networks:
        what = "a graph that moves" if capabilities.moving else "actions that are not always legal"
        raise EnvironmentMismatchError(
            f"environment '{setup.spec.name}' has {what}, which tables cannot mark", where="policy.kind", fix="use kind mlp"
        )
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
    for agent in range(setup.n):
        setup.policy(agent)
        if not experiment.uses_networks:
            _check_critic(setup, agent)
        cells = setup.cells(agent)
        build_utility(experiment.utility, agent, cells.states, cells.actions, setup.discount)
        build_constraints(experiment.constraints, agent, cells.states, cells.actions, setup.discount)
        make_terms(agent, setup)
    if isinstance(experiment.learning.algorithm, CustomAlgorithmSettings):
        # One agent tells whether its class takes the parameters.
        make_agent(0, setup)


def check_algorithm(setup: Setup) -> None:
    """Refuse an algorithm that does not take what the experiment gives it.

    Raises:
        ExperimentError: it takes other policies, or the experiment has terms of a signal or credit for which messages are missing.
        EnvironmentMismatchError: it takes no boxes, no masks or no graph that moves.
    """
    experiment, facts, capabilities = setup.experiment, setup.algorithm, setup.spec.capabilities
    kind, where = experiment.learning.algorithm.kind, "learning.algorithm.kind"
    beside = {
        "agents": bool(setup.pay) and Kind.REWARD not in facts.kinds,
        "signals": bool(experiment.signals) and not facts.signals,
        "constraints": bool(experiment.constraints) and not facts.signals,
        "utility": experiment.utility != NoUtilitySettings() and not facts.signals,
    }
    ignored = [key for key, is_ignored in beside.items() if is_ignored]
    if ignored:
        raise ExperimentError(f"{kind} learns from the task reward alone, and would ignore them", where=ignored[0], fix="leave them out")
    if setup.frozen and experiment.power.variant == "ex_ante":
        raise ExperimentError("power.variant ex_ante needs what every neighbour intends, which frozen agents do not tell", where="agents")
    given = "networks" if experiment.uses_networks else "tables"
    if given not in facts.policies:
        fix = "use policy.kind mlp" if given == "tables" else "use policy.kind softmax"
        raise ExperimentError(f"{kind} learns with {' or '.join(sorted(facts.policies))}, and policies are {given}", where=where, fix=fix)
    clock = experiment.clock
    if not facts.on_policy and not (isinstance(clock, LockstepSettings) and isinstance(clock.straggler, WaitSettings)):
        raise ExperimentError(
            f"{kind} replays the same transitions in all agents at once, which needs agents in lockstep",
            where="clock",
            fix="leave the clock at lockstep, with straggler wait",
        )
    boxes = [agent for agent in range(setup.n) if not isinstance(setup.spec.action_spaces[agent], Discrete)]
    if boxes and facts.spaces == "finite" and experiment.uses_networks:
        raise EnvironmentMismatchError(
            f"{kind} takes finite actions, and those of agent {boxes[0]} are a box", where=where, fix="use another algorithm or environment"
        )
    if boxes and isinstance(experiment.policy, MlpPolicySettings) and facts.boxes not in (None, experiment.policy.box):
        raise ExperimentError(
            f"{kind} acts in boxes by {_BOX_ACTING[facts.boxes]}, and policy.box is {experiment.policy.box}",
            where="policy.box",
            fix=f"use policy.box={facts.boxes}, or another algorithm",
        )
    for has, takes, what in (
        (capabilities.masked, facts.masks, "actions that are not always legal"),
        (capabilities.moving, facts.moving, "a graph that moves"),
    ):
        if has and not takes and experiment.uses_networks:
            raise EnvironmentMismatchError(
                f"environment '{setup.spec.name}' has {what}, which {kind} does not take", where=where, fix="use another algorithm"
            )


def _check_critic(setup: Setup, agent: int) -> None:
    """Refuse a limit of a critic's keys that a single batch could exceed.

    Raises:
        CapacityError: it is below the number of keys that a batch can have.
    """
    settings = setup.experiment.learning.critic
    window = setup.reach[RadiusKind.CRITIC].window(agent)
    entries = prod(setup.state_sizes(window)) * prod(setup.action_sizes(window))
    least = min(entries, (setup.evaluation_steps or setup.horizon) * setup.batch)
    if entries > settings.full_table_limit and settings.visited_limit < least:
        raise CapacityError(
            f"one batch of agent {agent} can have {least} different keys, and its critic keeps {settings.visited_limit}",
            where="learning.critic.visited_limit",
            fix=f"set it to at least {least}, or use a smaller learning.batch",
        )
