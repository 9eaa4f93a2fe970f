"""What an agent is born with: its place in the graph, its spaces and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.networked_mdp import EnvironmentSpec, NetworkedMDP
from netagents.environments.proximity import FAR, Contacts
from netagents.environments.spaces import Discrete, Space, discrete_size, space_dtype, space_shape
from netagents.errors import CapacityError, EnvironmentMismatchError, ExperimentError, UtilityError
from netagents.experiment import Experiment
from netagents.experiment.policy_settings import MlpPolicySettings
from netagents.learning.protocol.occupancy_cells import Cells
from netagents.learning.protocol.rollout import Rollout, room
from netagents.messages import NEIGHBOUR_KINDS, Kind, RadiusKind, radius_of
from netagents.messages.array_fields import ExpectedArray
from netagents.policies import Policy, TabularPolicy, build_policy
from netagents.policies.neural_policy import NeuralPolicy, build_neural_policy
from netagents.randomness import Purpose, stream
from netagents.topology import Reach, Topology, spread_radius
from netagents.utilities import build_constraints, build_utility, check_agents


@dataclass(frozen=True)
class Setup:
    """Everything that is fixed before the first iteration and the same for all agents.

    Attributes:
        experiment: the settings.
        topology: the graph.
        spec: the environment's facts.
        reach: neighbourhoods under each of the three radii.
        horizon: H. discount: gamma.
        kind_reach: in- and out-neighbours of each kind between agents: the reach of its radius, without the hops at which it is muted.
    """

    experiment: Experiment
    topology: Topology
    spec: EnvironmentSpec
    reach: dict[RadiusKind, Reach]
    horizon: int
    discount: float
    kind_reach: dict[Kind, Reach]

    @property
    def n(self) -> int:
        """Number of agents."""
        return self.spec.n

    @property
    def batch(self) -> int:
        """Parallel copies B."""
        return self.experiment.learning.batch

    @property
    def evaluation_steps(self) -> int:
        """Steps beyond H whose transitions critics learn from; 0 when the batch itself is relabelled."""
        learning = self.experiment.learning
        if learning.evaluation != "fresh":
            return 0
        return self.horizon if learning.evaluation_steps is None else learning.evaluation_steps

    @property
    def steps(self) -> int:
        """Steps that the environment executes per iteration: H, and those of fresh evaluation.  Returns count the first H."""
        return self.horizon + self.evaluation_steps

    def state_sizes(self, agents: tuple[int, ...]) -> tuple[int, ...]:
        """Number of local states, as they are observed, of each of ``agents``."""
        return tuple(discrete_size(self.spec.observation_spaces[j], f"state space of agent {j}") for j in agents)

    def action_sizes(self, agents: tuple[int, ...]) -> tuple[int, ...]:
        """Number of actions of each of ``agents``."""
        return tuple(discrete_size(self.spec.action_spaces[j], f"action space of agent {j}") for j in agents)

    def cells(self, agent: int) -> Cells:
        """What the occupancy of ``agent`` is counted over.

        Raises:
            EnvironmentMismatchError: the cells do not fit its spaces.
        """
        return Cells(self.spec.observation_spaces[agent], self.spec.action_spaces[agent], self.experiment.learning.cells, agent)

    def policy(self, agent: int) -> Policy:
        """A new policy of ``agent``: a table at parameters of zero, or a network at its first weights.

        Raises:
            CapacityError, ExperimentError: as :func:`netagents.policies.build_policy`.
        """
        settings = self.experiment.policy
        if not isinstance(settings, MlpPolicySettings):
            return self.tabular_policy(agent)
        return self.neural_policy(agent)

    def neural_policy(self, agent: int) -> NeuralPolicy:
        """The same, of an experiment whose policies are networks."""
        settings = self.experiment.policy
        assert isinstance(settings, MlpPolicySettings), "only called for networks"
        window = self.reach[RadiusKind.POLICY].window(agent)
        return build_neural_policy(
            settings,
            window,
            [self.spec.observation_spaces[j] for j in window],
            self.spec.action_spaces[agent],
            window.index(agent),
            self.spec.view,
            self.spec.capabilities.moving,
            self.experiment.learning.logit_bound,
            stream(self.experiment.seed, agent, Purpose.INITIALISATION, 0),
            f"agent {agent}",
        )

    def tabular_policy(self, agent: int) -> TabularPolicy:
        """The same, of an experiment whose policies are tables."""
        window = self.reach[RadiusKind.POLICY].window(agent)
        (actions,) = self.action_sizes((agent,))
        return build_policy(self.experiment.policy, window, self.state_sizes(window), actions, f"agent {agent}")

    def rollout(self, agent: int, policy: Policy, steps: int) -> Rollout:
        """Room for ``steps`` steps and the decision after them, as ``agent`` sees them."""
        state, action = self.spec.observation_spaces[agent], self.spec.action_spaces[agent]
        block = (steps + 1, self.batch)
        rollout = Rollout(agent, room(state, *block), room(action, *block), policy.contexts_of(*block))
        if self.spec.capabilities.moving:
            rollout.hops = np.empty((*block, len(self.contacts(agent).agents)), dtype=np.uint8)
        if self.spec.capabilities.masked:
            rollout.mask = np.empty((*block, *self.action_sizes((agent,))), dtype=np.bool_)
        return rollout

    def in_neighbours(self, kind: Kind, agent: int) -> tuple[int, ...]:
        """The agents whose ``kind`` messages ``agent`` receives, ascending."""
        reach = self._reach_of(kind)
        return () if reach is None else reach.in_neighbours(agent)

    def out_neighbours(self, kind: Kind, agent: int) -> tuple[int, ...]:
        """The agents that receive ``kind`` messages of ``agent``, ascending."""
        reach = self._reach_of(kind)
        return () if reach is None else reach.out_neighbours(agent)

    def contacts(self, agent: int) -> Contacts:
        """Of whom ``agent`` must know how far away they are, in a graph that moves: whoever it hears or is heard by, of any kind."""
        met = sorted({j for kind in NEIGHBOUR_KINDS for j in (*self.in_neighbours(kind, agent), *self.out_neighbours(kind, agent))})
        limits = [min(max(reach.radii[i] for reach in self.reach.values() for i in (agent, j)), FAR - 1) for j in met]
        return Contacts(tuple(met), np.array(limits, dtype=np.uint8))

    def session(
        self, environment: NetworkedMDP, batch: int | None = None, seed: int | None = None, drawn: int | None = None
    ) -> EnvironmentSession:
        """The environment in use: by default as in training, where the first H steps of an iteration enter its returns and agents are
        sent shaped rewards; with a batch of one's own, policies are only played.
        """
        moving = self.spec.capabilities.moving
        return EnvironmentSession(
            environment,
            self.batch if batch is None else batch,
            self.discount,
            self.experiment.seed if seed is None else seed,
            self.horizon,
            [self.contacts(agent) for agent in range(self.n)] if moving else None,
            drawn,
            shaped=batch is None,
        )

    # -- facts that the shapes of messages follow from (netagents.messages.run_facts.RunFacts) ---------------------------

    @property
    def shares_values(self) -> bool:
        """Whether agents send each other the values of their truncated Q."""
        return self.experiment.learning.credit == "shared_q"

    def observation_array(self, agent: int, *leading: int) -> ExpectedArray:
        """Observations of ``agent``, behind axes of the given sizes."""
        return _array_of(self.spec.observation_spaces[agent], leading)

    def action_array(self, agent: int, *leading: int) -> ExpectedArray:
        """Actions of ``agent``, behind axes of the given sizes."""
        return _array_of(self.spec.action_spaces[agent], leading)

    def contact_count(self, agent: int) -> int | None:
        """Of how many agents ``agent`` learns how far away they are; None where the graph stays as it is."""
        return len(self.contacts(agent).agents) if self.spec.capabilities.moving else None

    def mask_size(self, agent: int) -> int | None:
        """Number of actions that a mask tells of; None where all are always legal."""
        return self.action_sizes((agent,))[0] if self.spec.capabilities.masked else None

    def probability_size(self, agent: int) -> int | None:
        """Numbers that describe what an action was drawn from; None where nobody reads power before anyone acts."""
        if self.experiment.power.variant == "realized":
            return None
        space = self.spec.action_spaces[agent]
        return space.size if isinstance(space, Discrete) else 2 * int(np.prod(space.shape))

    def shadow_shapes(self, agent: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Table and signal of a shadow reward: tables send the gradient, networks that share rewards the signal alone."""
        learning = self.experiment.learning
        shares = learning.credit == "shared_reward"
        signal = (self.steps, self.batch)
        if learning.is_neural:
            cells = self.cells(agent)
            return ((0, 0), signal) if shares else ((cells.states, cells.actions), (0, 0))
        table = (self.state_sizes((agent,))[0], self.action_sizes((agent,))[0])
        return table, signal if shares and learning.task_weight > 0.0 else (0, 0)

    def _reach_of(self, kind: Kind) -> Reach | None:
        return self.kind_reach.get(kind)


def _array_of(space: Space, leading: tuple[int, ...]) -> ExpectedArray:
    return ExpectedArray(space_dtype(space), (*leading, *space_shape(space)))


LARGEST_BATCH_BYTES = 8 << 30


def make_setup(experiment: Experiment, topology: Topology, spec: EnvironmentSpec) -> Setup:
    """Work out neighbourhoods, horizon and discount; refuse what cannot fit into memory.

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
    own_cut = {**muted, Kind.TRUNCATED_Q: credited, Kind.SHADOW_REWARD: credited if shared_reward else muted[Kind.SHADOW_REWARD]}
    kind_reach = {kind: Reach(topology.hops, radii[radius], own_cut[kind]) for kind in NEIGHBOUR_KINDS if (radius := radius_of(kind))}
    horizon = spec.horizon if learning.horizon is None else learning.horizon
    discount = spec.discount if learning.gamma is None else learning.gamma
    setup = Setup(experiment, topology, spec, reach, horizon, discount, kind_reach)
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
    if (capabilities.moving or capabilities.masked) and not experiment.learning.is_neural:
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
    for agent in range(setup.n):
        setup.policy(agent)
        if not experiment.learning.is_neural:
            _check_critic(setup, agent)
        cells = setup.cells(agent)
        build_utility(experiment.utility, agent, cells.states, cells.actions, setup.discount)
        build_constraints(experiment.constraints, agent, cells.states, cells.actions, setup.discount)


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
