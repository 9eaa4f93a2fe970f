"""The networked agent with networks: phases, messages and radii as with tables; what all algorithms with networks share.

One call of :meth:`NeuralAgent.iterate` is one iteration, read from top to bottom.  How an algorithm learns from it is in
:mod:`netagents.learning.algorithms.on_policy_agent`, from the newest batch, and in :mod:`netagents.learning.algorithms.maddpg`, from
older ones too.  The agent acts in numpy; torch only trains, between the messages.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.action_value import ActionValue
from netagents.critics.neural_critic import NeuralCritic, Transitions, ValueNetwork
from netagents.environments.spaces import Discrete
from netagents.experiment.algorithm_settings import NetworkAlgorithmSettings
from netagents.learning.algorithms.lambda_returns import lambda_returns
from netagents.learning.algorithms.trained_policy import trained_policy
from netagents.learning.protocol.agent_checkpoint import below
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.replaced_actions import NOBODY, Deviations
from netagents.learning.protocol.requests import ExchangeRequest, Turns
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.learning_signal import LearningSignal, SignalValues
from netagents.learning.signals.signal_term import SignalBatch
from netagents.learning.signals.task_critics import AgentTaskKnowledge, NetworkTaskCritic
from netagents.measures.power import Experience, TabularPower
from netagents.measures.power.neural_power import NeuralPower
from netagents.messages import Kind, Trace
from netagents.messages.message_kinds import RadiusKind
from netagents.policies.neural_policy import NeuralPolicy
from netagents.policies.torch_mlp import repeatable_torch, tensor
from netagents.policies.window_reader import ActionReader, WindowReader
from netagents.randomness import Purpose, stream

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]
Critic = NeuralCritic | ValueNetwork | ActionValue
"""What an algorithm may have beside the task critic."""
POWER_TRACE_DECAY = 0.95
"""Lambda of the returns against which the critics of power are held: nearly what happened, since critics miss what they are tested for."""


@dataclass(frozen=True)
class NeuralBatch:
    """One iteration's batch, as networks read it.

    Attributes:
        rollout: the agent's own steps.
        weights: (T, B) gamma^t, zero after the end.
        members: traces of everyone in the critic's window, in its order.
        observed: ((T + 1) * B, F) what state values read.
        transitions: what Q-functions read.
        generator: of minibatches, in the order in which networks learn.
        where: iteration, in errors.
        deviations: of SBPR, where these are all copies and what is learned are values without deviations.
    """

    rollout: Rollout
    weights: FloatArray
    members: Sequence[Trace]
    observed: torch.Tensor
    transitions: Transitions
    generator: np.random.Generator
    where: str
    deviations: Deviations | None = None

    @property
    def cut(self) -> NDArray[np.bool_] | None:
        """(T, B) steps after which somebody deviates, so that what follows is no value of the policies."""
        return None if self.deviations is None else ~self.deviations.clean_continuation()

    @property
    def valued(self) -> NDArray[np.bool_]:
        """(T, B) steps that say what a state is worth under the policies."""
        alive = self.transitions.alive
        return alive if self.deviations is None else alive & (self.deviations.deviators[:-1] == NOBODY)

    def episodes_of(self, agent: int) -> NeuralBatch:
        """An agent's own episodes, as they were with their deviations."""
        assert self.deviations is not None, "only with SBPR"
        alive = self.transitions.alive & self.deviations.episodes_of(agent)
        return replace(self, transitions=self.transitions._replace(alive=alive), deviations=None)

    @property
    def steps_hops(self) -> NDArray[np.uint8] | None:
        """(T, B, m) how far away contacts were before each step, in a graph that moves; else None."""
        return None if self.rollout.hops is None else self.rollout.hops[:-1]


class NeuralAgent(NetworkedAgent):
    """An agent with a neural policy and neural truncated critics.

    Networks: the policy, and a pair of Q-functions of its own task reward, from which power is read.  An algorithm adds critics of its own
    in :meth:`make_critics`.

    Args:
        index: i.
        setup: what all agents share.
    """

    policy: NeuralPolicy
    settings: NetworkAlgorithmSettings

    def __init__(self, index: int, setup: Setup) -> None:
        super().__init__(index, setup, setup.neural_policy(index))
        settings = self.learning.algorithm
        assert isinstance(settings, NetworkAlgorithmSettings), "only made for networks"
        self.settings = settings
        self.signal = LearningSignal(index, setup)
        self.objective, self.cells = self.signal.shadow.objective, self.signal.shadow.cells
        spec, window = setup.spec, self.critic_window
        self.reader = WindowReader(spec.view, [spec.observation_spaces[j] for j in window], window.index(index), spec.capabilities.moving)
        self.action_reader = ActionReader([spec.action_spaces[j] for j in window])
        # Beside what everyone observes, critics read what the agent's own policy remembers of what it has observed.
        self.remembered = self.policy.units if settings.critic.memory else 0
        self.observed_size = self.reader.size + self.remembered
        self.inputs = self.observed_size + self.action_reader.size
        first = stream(setup.experiment.seed, index, Purpose.INITIALISATION, 1)
        with repeatable_torch():
            self.actor = trained_policy(self.policy, settings.learning_rate, self.learning.max_grad_norm, index)
            self.task = NeuralCritic(settings.critic, self.inputs, first, "task critic", index)
            self.make_critics(first)
        self.power = NeuralPower(index, window, self.action_reader, setup.experiment.power)
        spaces = [spec.observation_spaces[j] for j in window] + [spec.action_spaces[j] for j in window]
        self.tabular_power: TabularPower | None = None
        if self.nearby is None and all(isinstance(space, Discrete) for space in spaces):
            sizes = setup.state_sizes(window), setup.action_sizes(window)
            read_by = [setup.reach[RadiusKind.POLICY].window(j) for j in window]
            self.tabular_power = TabularPower(index, window, read_by, *sizes, setup.discount, setup.experiment.power)
        self.signal.begin(AgentTaskKnowledge(self.tabular_power, self.task))

    # -- what an algorithm supplies --------------------------------------------------------------------------------------

    @abstractmethod
    def make_critics(self, generator: np.random.Generator) -> None:
        """Make the algorithm's own critics, their first weights drawn in this order."""

    @abstractmethod
    def learn(
        self, iteration: int, batch: NeuralBatch, signal: SignalValues, table: FloatArray
    ) -> Generator[ExchangeRequest, list[Any], dict[str, float]]:
        """Learn from the iteration's batch, with whatever messages that takes; the metrics of it.

        Args:
            iteration: of the batch.
            batch: as networks read it.
            signal: what the agent learns from, along the batch.
            table: gradient of the utility over its cells, the shadow reward.
        """

    @abstractmethod
    def critics(self) -> Mapping[str, Critic]:
        """Every critic beside the task critic, by its name in checkpoints."""

    # -- one iteration ---------------------------------------------------------------------------------------------------

    def iterate(self, iteration: int) -> Turns:
        """One iteration: sample, trace, signal, learn, report."""
        rollout = yield from self.sample(iteration)

        # Trace: the observations and actions of everyone within kappa_critic hops.
        own = Trace(rollout.states, rollout.actions, self._action_probabilities(rollout))
        traces: dict[int, Trace] = yield from self.share(iteration, Kind.TRACE, own, hops=rollout.hops)
        batch = self.read(iteration, rollout, [own if j == self.index else traces[j] for j in self.critic_window])
        if self.interventions is not None:
            self.interventions.learn(iteration, rollout, traces)

        # Signal: the task, the gradient of the utility at the occupancy of local cells (the shadow reward), and further terms.
        shadow = self.signal.observe(rollout)
        paid = yield from self.paid(iteration, rollout, batch.steps_hops)
        signal = self.signal.values(self._signal_batch(iteration, batch, paid))

        # Learn: the task critic always, for power; all else by the algorithm.
        with repeatable_torch():
            task_change = self.fit(self.task, batch, rollout.rewards)
        learned = yield from self.learn(iteration, batch, signal, shadow.table)
        with repeatable_torch():
            power = self._power(iteration, batch)

        # What the iteration observed takes effect with the next one.
        self.policy.reader.settle()
        self.reader.settle()

        # Report: rides with the next iteration's first action.
        numbers = {"step_size": self.actor.rate, "td_change": task_change, **learned}
        self.report(iteration, rollout, {**numbers, **self.signal.numbers()}, power, shadow.utility)

    # -- phases ----------------------------------------------------------------------------------------------------------

    def read(self, iteration: int, rollout: Rollout, members: Sequence[Trace]) -> NeuralBatch:
        """What the networks read along the batch."""
        import torch

        near = None
        if self.nearby is not None and rollout.hops is not None:
            near = self.nearby.marks(Kind.TRACE, self.critic_window, rollout.hops).reshape(len(self.critic_window), -1)
        with repeatable_torch():
            features = self.reader.read([_rows(member.states) for member in members], near)
            if self.remembered:
                features = np.concatenate([features, self.policy.memory_of(_rows(rollout.context))], axis=1)
            observed = tensor(features)
            acted = tensor(self.action_reader.read([_rows(member.actions) for member in members], near))
            transitions = Transitions(torch.cat([observed, acted], dim=1), rollout.alive, rollout.bootstrap)
        generator = stream(self.setup.experiment.seed, self.index, Purpose.MINIBATCH, iteration)
        weights = rollout.discounted(self.setup.discount)
        return NeuralBatch(rollout, weights, members, observed, transitions, generator, f"iteration {iteration}", rollout.deviations)

    def _signal_batch(self, iteration: int, batch: NeuralBatch, paid: FloatArray) -> SignalBatch:
        rollout = batch.rollout
        return SignalBatch(
            iteration=iteration,
            agent=self.index,
            discount=self.setup.discount,
            window=self.critic_window,
            rollout=rollout,
            paid=paid,
            traces=dict(zip(self.critic_window, batch.members, strict=True)),
            critic=NetworkTaskCritic(self.task, batch.transitions, self.action_reader, self.critic_window),
            own_probabilities=lambda: self._probabilities(rollout),
            near=None if self.nearby is None or rollout.hops is None else self.nearby.marks(Kind.TRACE, self.critic_window, rollout.hops),
            policy=self.policy,
        )

    def fit(self, critic: NeuralCritic, batch: NeuralBatch, signal: FloatArray, generator: np.random.Generator | None = None) -> float:
        """Temporal-difference steps of one pair of Q-functions on a signal; the change of the last one."""
        read, discount = batch.transitions, self.setup.discount
        if batch.cut is not None:
            read = read._replace(alive=read.alive & ~batch.cut)
        ahead = along(critic.values(read.features), read)[1:]
        sampled = lambda_returns(signal, ahead, read.bootstrap, read.alive, discount, 1.0)
        return critic.learn(read, signal, sampled, discount, batch.generator if generator is None else generator, batch.where)

    def _power(self, iteration: int, batch: NeuralBatch) -> FloatArray:
        """A row for every other agent of the critic's window: who, and the fields of a reading."""
        rollout, members, read = batch.rollout, batch.members, batch.transitions
        states, actions = [member.states for member in members], [member.actions for member in members]
        if self.tabular_power is not None:
            # A deviator's action depends on more than what its policy reads.
            return self.tabular_power.rows(Experience(states, actions, rollout.rewards, batch.valued, rollout.bootstrap), iteration)
        intentions = [member.action_probabilities for member in members if member.action_probabilities is not None] or None
        ahead = along(self.task.values(read.features), read)[1:]
        outcome = lambda_returns(rollout.rewards, ahead, read.bootstrap, read.alive, self.setup.discount, POWER_TRACE_DECAY)
        return self.power.rows(self.task, read, actions, intentions, outcome, batch.generator, iteration)

    def _action_probabilities(self, rollout: Rollout) -> FloatArray | None:
        """(T + 1, B, m) what the agent's actions were drawn from, for those who read power before anyone acts."""
        return None if self.setup.experiment.power.variant == "realized" else self._probabilities(rollout)

    def _probabilities(self, rollout: Rollout) -> FloatArray:
        """(T + 1, B, m) probabilities of the agent's actions, or means and deviations."""
        probabilities = self.policy.probabilities_at(rollout.context.reshape(-1, rollout.context.shape[2]))
        return probabilities.reshape(*rollout.context.shape[:2], -1)

    # -- state that outlives an iteration --------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights, target networks, Adam's moments, units, what was observed, and what power and the signal's terms remember."""
        named = super().arrays()
        for component, part in self._parts().items():
            named |= {f"{component}.{name}": array for name, array in part.arrays().items()}
        named |= {f"critic_reader.{name}": array for name, array in self.reader.statistics().items()}
        return named | self.signal.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        super().restore(arrays)
        for component, part in self._parts().items():
            part.restore(below(f"{component}.", arrays))
        self.reader.restore(below("critic_reader.", arrays))
        self.signal.restore(arrays)

    def _parts(self) -> Mapping[str, Any]:
        power = self.power if self.tabular_power is None else self.tabular_power
        return {"actor": self.actor, "task": self.task, **self.critics(), "power": power}


def _rows(block: NDArray[Any]) -> NDArray[Any]:
    """(T, B, *shape) as (T * B, *shape)."""
    return block.reshape(-1, *block.shape[2:])


def along(values: FloatArray, batch: Transitions) -> FloatArray:
    """((T + 1) * B,) as (T + 1, B)."""
    return values.reshape(-1, batch.copies)
