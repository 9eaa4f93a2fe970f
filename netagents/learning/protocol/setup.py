"""What an agent is born with: its place in the graph, its spaces and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.networked_mdp import EnvironmentSpec, NetworkedMDP
from netagents.environments.proximity import FAR, Contacts
from netagents.environments.spaces import Discrete, Space, discrete_size, space_dtype, space_shape
from netagents.experiment import Experiment
from netagents.experiment.algorithm_settings import MaddpgSettings
from netagents.experiment.intervention_settings import SbprSettings, WorstIntervention
from netagents.experiment.policy_settings import NETWORKS
from netagents.experiment.settings_of_agents import AgentSettings
from netagents.learning.protocol.agent_classes import agent_classes
from netagents.learning.protocol.algorithm_facts import AlgorithmFacts
from netagents.learning.protocol.branch_plan import BranchPlan, plan_branches
from netagents.learning.protocol.lotteries import advised_copies, draw_deviations, strikes
from netagents.learning.protocol.occupancy_cells import Cells
from netagents.learning.protocol.population import Population
from netagents.learning.protocol.rollout import Rollout, room
from netagents.messages import NEIGHBOUR_KINDS, Kind, RadiusKind
from netagents.messages.array_fields import ExpectedArray
from netagents.policies import Policy, TabularPolicy, build_policy
from netagents.policies.neural_policy import NeuralPolicy
from netagents.policies.neural_policy_builder import build_neural_policy
from netagents.randomness import EVALUATED_COPIES, Purpose, evaluation_seed, stream
from netagents.topology import Reach, Topology

LOTTERY_ITERATIONS = 8
"""Over so many iterations the cost of what a lottery decides is averaged."""


class Pay(NamedTuple):
    """What an agent is paid that has an incentive of its own: u_i = sum of c_ij r_j.

    Attributes:
        start: iteration from which on; before it the agent's own reward.
        coefficients: c_ij by j within the gradient radius, without zeros.
    """

    start: int
    coefficients: Mapping[int, float]


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
            Kinds that no algorithm needs are left out.
        agents: the settings of each agent.
        algorithms: what the algorithm of each agent states about itself.
        metric_names: the names of all metrics of the run, in the order in which reports carry them.
        signal_travels: per agent, whether something beside its task reward must reach those who share its reward.
        pay: agent -> what it is paid, for those with an incentive of their own.
        frozen: agents that do not learn -> whether they play the most probable action.
        advised: ego -> the co-players that it tells their worst actions for it.
        populations: seats of populations -> the population.
    """

    experiment: Experiment
    topology: Topology
    spec: EnvironmentSpec
    reach: dict[RadiusKind, Reach]
    horizon: int
    discount: float
    kind_reach: dict[Kind, Reach]
    agents: tuple[AgentSettings, ...]
    algorithms: tuple[AlgorithmFacts, ...]
    metric_names: tuple[str, ...]
    signal_travels: tuple[bool, ...]
    pay: Mapping[int, Pay] = field(default_factory=dict)
    frozen: Mapping[int, bool] = field(default_factory=dict)
    advised: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    populations: Mapping[int, Population] = field(default_factory=dict)

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
    def wire_dtype(self) -> np.dtype[Any]:
        """In which Q-values and shadow rewards travel."""
        return np.dtype(self.experiment.learning.wire_precision)

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

    @cached_property
    def branch_plan(self) -> BranchPlan | None:
        """What audits of power branch during the run; None where there are none.

        Raises:
            EnvironmentMismatchError: an agent has too many actions to try them all.
        """
        audit = self.experiment.power.audit
        return None if audit is None else plan_branches(audit, self.spec, self.discount)

    @cached_property
    def classes(self) -> tuple[list[int], list[int]]:
        """The class of each agent, and the lowest agent of each class; what holds of one of a class holds of all."""
        return agent_classes(self)

    def cells(self, agent: int) -> Cells:
        """What the occupancy of ``agent`` is counted over.

        Raises:
            EnvironmentMismatchError: the cells do not fit its spaces.
        """
        return Cells(self.spec.observation_spaces[agent], self.spec.action_spaces[agent], self.agents[agent].learning.cells, agent)

    def policy(self, agent: int) -> Policy:
        """A new policy of ``agent``: a table at parameters of zero, or a network at its first weights.

        Raises:
            CapacityError, ExperimentError: as :func:`netagents.policies.build_policy`.
        """
        return self.neural_policy(agent) if self.agents[agent].uses_networks else self.tabular_policy(agent)

    def neural_policy(self, agent: int) -> NeuralPolicy:
        """The same, of an agent whose policy is a network."""
        settings = self.agents[agent].policy
        assert isinstance(settings, NETWORKS), "only called for networks"
        window = self.reach[RadiusKind.POLICY].window(agent)
        return build_neural_policy(
            settings,
            window,
            [self.spec.observation_spaces[j] for j in window],
            self.spec.action_spaces[agent],
            window.index(agent),
            self.spec.view,
            self.spec.capabilities.moving,
            self.agents[agent].learning.logit_bound,
            stream(self.experiment.seed, agent, Purpose.INITIALISATION, 0),
            f"agent {agent}",
        )

    def tabular_policy(self, agent: int) -> TabularPolicy:
        """The same, of an agent whose policy is a table."""
        window = self.reach[RadiusKind.POLICY].window(agent)
        (actions,) = self.action_sizes((agent,))
        return build_policy(self.agents[agent].policy, window, self.state_sizes(window), actions, f"agent {agent}")

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
        neighbours = sorted({j for kind in NEIGHBOUR_KINDS for j in (*self.in_neighbours(kind, agent), *self.out_neighbours(kind, agent))})
        limits = [min(max(reach.radii[i] for reach in self.reach.values() for i in (agent, j)), FAR - 1) for j in neighbours]
        return Contacts(tuple(neighbours), np.array(limits, dtype=np.uint8))

    def session(
        self, environment: NetworkedMDP, batch: int | None = None, seed: int | None = None, drawn: int | None = None
    ) -> EnvironmentSession:
        """The environment in use: by default as in training, where the first H steps of an iteration enter its returns and agents are
        sent shaped rewards; with a batch of one's own, policies are only played.
        """
        moving, episodes = self.spec.capabilities.moving, self.experiment.episodes
        if episodes is not None and batch is None:
            batch, seed, drawn = self.batch, evaluation_seed(episodes.seed), EVALUATED_COPIES
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

    def shares_values(self, agent: int) -> bool:
        """Whether ``agent`` sends others the values of its truncated Q."""
        return not self.algorithms[agent].credits or self.experiment.learning.credit == "shared_q"

    @property
    def replays(self) -> bool:
        """Whether some agent keeps a replay buffer."""
        return not all(facts.on_policy for facts in self.algorithms)

    def replay_updates(self, agent: int) -> tuple[int, int]:
        """Updates from the replay buffer per iteration, and transitions of each; none for algorithms that are on-policy."""
        settings = self.agents[agent].learning.algorithm
        return (settings.updates, settings.minibatch) if isinstance(settings, MaddpgSettings) else (0, 0)

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

    def worst_actions_sent(self, agent: int) -> tuple[int, int]:
        """How many messages about worst actions an agent sends each of its co-players per iteration, and about how many copies each.

        Means over the lottery's first :data:`LOTTERY_ITERATIONS` full iterations, to the next whole number.
        """
        settings = next((each for each in self.experiment.interventions if isinstance(each, SbprSettings | WorstIntervention)), None)
        co_players = self.advised.get(agent, ())
        if settings is None or not co_players:
            return 0, 0
        first = settings.start + (settings.ramp if isinstance(settings, SbprSettings) else 0)
        messages = copies = 0
        for iteration in range(first, first + LOTTERY_ITERATIONS):
            masks: list[NDArray[np.bool_]]
            if isinstance(settings, SbprSettings):
                drawn = draw_deviations(settings, self.advised, self.experiment.seed, iteration, self.steps, self.batch)
                masks = [advised_copies(settings, drawn, self.advised, agent, j) for j in co_players]
            else:
                number = self.experiment.interventions.index(settings)
                place = self.experiment.seed, iteration, self.steps, self.batch
                masks = [strikes(settings, number, place[0], j, *place[1:]) for j in co_players]
            messages += sum(int(mask.any(axis=1).sum()) for mask in masks)
            copies += sum(int(mask.sum()) for mask in masks)
        return round(messages / len(co_players) / LOTTERY_ITERATIONS), round(copies / max(messages, 1))

    def policy_arrays(self, agent: int) -> tuple[ExpectedArray, ExpectedArray]:
        """Parameters and statistics of a policy of ``agent`` as they travel."""
        policy = self.policy(agent)
        parameters, statistics = getattr(policy, policy.component), policy.statistics().values()
        return ExpectedArray(parameters.dtype, (parameters.size,)), ExpectedArray(
            np.dtype(np.float64), (sum(each.size for each in statistics),)
        )

    def branch_rollouts(self) -> tuple[tuple[int, int, int, int], ...]:
        """Of an audit's rollouts with equally many copies: copies, how many rollouts, steps of each, visits; empty without audits."""
        return () if self.branch_plan is None else self.branch_plan.rollouts

    def shadow_shapes(self, agent: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Table and signal of a shadow reward: tables send the gradient, networks that share rewards the signal alone."""
        learning = self.agents[agent].learning
        shares = learning.credit == "shared_reward"
        signal = (self.steps, self.batch)
        if self.agents[agent].uses_networks:
            cells = self.cells(agent)
            return ((0, 0), signal) if shares else ((cells.states, cells.actions), (0, 0))
        table = (self.state_sizes((agent,))[0], self.action_sizes((agent,))[0])
        return table, signal if shares and (learning.task_weight > 0.0 or self.signal_travels[agent]) else (0, 0)

    def _reach_of(self, kind: Kind) -> Reach | None:
        return self.kind_reach.get(kind)


def _array_of(space: Space, leading: tuple[int, ...]) -> ExpectedArray:
    return ExpectedArray(space_dtype(space), (*leading, *space_shape(space)))
