"""The networked agent with networks: phases, messages, radii and credits as with tables; what actor-critic and PPO share.

One call of :meth:`NeuralAgent.iterate` is one iteration, read from top to bottom.  How it evaluates and how it improves is in
:mod:`netagents.learning.algorithms.actor_critic` and :mod:`netagents.learning.algorithms.ppo`.  The agent acts in numpy; torch only
trains, between the messages.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.neural_critic import NeuralCritic, Transitions, ValueNetwork
from netagents.environments.spaces import Discrete
from netagents.experiment.algorithm_settings import NeuralAlgorithmSettings
from netagents.experiment.intervention_settings import sbpr_of
from netagents.learning.algorithms.lambda_returns import lambda_returns
from netagents.learning.algorithms.neural_batch import Evaluated, FloatArray, NeuralBatch, along
from netagents.learning.algorithms.neural_policy_update import Decisions, PolicyChange, advantages, mean_entropy
from netagents.learning.algorithms.step_sizes import step_size_at
from netagents.learning.protocol.networked_agent import NetworkedAgent, below
from netagents.learning.protocol.requests import ExchangeRequest, Turns
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.learning_signal import LearningSignal, SignalValues
from netagents.learning.signals.signal_term import SignalBatch
from netagents.learning.signals.task_critics import NetworkTaskCritic
from netagents.measures.power import Experience, TabularPower
from netagents.measures.power.neural_power import NeuralPower
from netagents.messages import Kind, ShadowReward, Trace, TruncatedQ
from netagents.messages.message_kinds import RadiusKind
from netagents.policies.neural_policy import CategoricalPolicy, NeuralPolicy
from netagents.policies.torch_mlp import TrainedMlp, repeatable_torch, tensor
from netagents.policies.window_reader import ActionReader, WindowReader
from netagents.randomness import Purpose, stream

if TYPE_CHECKING:
    import torch

MOST_TERMS = 1 << 10
"""More terms of a signal than any agent has."""
DEVIATED = MOST_TERMS - 1
"""The number, among the critics of kept terms, of the one that learns from the agent's own episodes of SBPR."""
POWER_TRACE_DECAY = 0.95
"""Lambda of the returns against which the critics of power are held: nearly what happened, since critics miss what they are tested for."""


class NeuralAgent(NetworkedAgent):
    """An agent with a neural policy and neural truncated critics.

    Networks: the policy; a pair of Q-functions of its own task reward, from which power is read; and a state value.  An algorithm adds
    critics of its own in :meth:`make_critics`.

    Args:
        index: i.
        setup: what all agents share.
    """

    policy: NeuralPolicy
    settings: NeuralAlgorithmSettings
    centred = False
    """Whether the policy is shown advantages of mean zero."""

    def __init__(self, index: int, setup: Setup) -> None:
        super().__init__(index, setup, setup.neural_policy(index))
        settings = self.learning.algorithm
        assert isinstance(settings, NeuralAlgorithmSettings), "only made for networks"
        self.settings = settings
        self.deviates = sbpr_of(setup.experiment.interventions) is not None and index in setup.advised
        self.signal = LearningSignal(index, setup)
        self.objective, self.cells = self.signal.shadow.objective, self.signal.shadow.cells
        spec, window = setup.spec, self.critic_window
        self.reader = WindowReader(spec.view, [spec.observation_spaces[j] for j in window], window.index(index), spec.capabilities.moving)
        self.action_reader = ActionReader([spec.action_spaces[j] for j in window])
        self.inputs = self.reader.size + self.action_reader.size
        first = stream(setup.experiment.seed, index, Purpose.INITIALISATION, 1)
        with repeatable_torch():
            self.actor = TrainedMlp(
                self.policy.layout, [self.policy.weights], settings.learning_rate, self.learning.max_grad_norm, "policy", index
            )
            self.task = NeuralCritic(settings.critic, self.inputs, first, "task critic", index)
            self.make_critics(first)
        self.power = NeuralPower(index, window, self.action_reader, setup.experiment.power)
        spaces = [spec.observation_spaces[j] for j in window] + [spec.action_spaces[j] for j in window]
        self.tabular_power: TabularPower | None = None
        if self.nearby is None and all(isinstance(space, Discrete) for space in spaces):
            sizes = setup.state_sizes(window), setup.action_sizes(window)
            read_by = [setup.reach[RadiusKind.POLICY].window(j) for j in window]
            self.tabular_power = TabularPower(index, window, read_by, *sizes, setup.discount, setup.experiment.power)

    # -- what an algorithm supplies --------------------------------------------------------------------------------------

    value: ValueNetwork

    @abstractmethod
    def make_critics(self, generator: np.random.Generator) -> None:
        """Make :attr:`value` and the algorithm's other critics, their first weights drawn in this order."""

    @abstractmethod
    def evaluate(self, batch: NeuralBatch, signal: SignalValues, iteration: int) -> Evaluated:
        """Fit the critics to the signal and read them along the batch."""

    @abstractmethod
    def evaluate_deviated(self, batch: NeuralBatch, signal: FloatArray, generator: np.random.Generator) -> FloatArray:
        """With SBPR, (T, B) what :meth:`evaluate` gives for the signal alone, by a critic of the agent's own episodes."""

    @abstractmethod
    def improve(self, batch: NeuralBatch, summed: FloatArray) -> PolicyChange:
        """Gradient steps on the policy.

        Args:
            batch: of its own policy's decisions.
            summed: (T, B) what :meth:`evaluate` gave, summed over everyone within kappa_gradient where Q-values are shared.
        """

    @abstractmethod
    def critics(self) -> Mapping[str, NeuralCritic | ValueNetwork]:
        """Every critic beside the task critic, by its name in checkpoints."""

    # -- one iteration ---------------------------------------------------------------------------------------------------

    def iterate(self, iteration: int) -> Turns:
        """One iteration: sample, trace, signal, evaluate, improve, report."""
        learning = self.learning
        rollout = yield from self.sample(iteration)
        steps_hops = None if rollout.hops is None else rollout.hops[:-1]

        # Trace: the observations and actions of everyone within kappa_critic hops.
        own = Trace(rollout.states, rollout.actions, self._action_probabilities(rollout))
        traces: dict[int, Trace] = yield from self.share(iteration, Kind.TRACE, own, hops=rollout.hops)
        batch = self._read(iteration, rollout, [own if j == self.index else traces[j] for j in self.critic_window])
        if self.interventions is not None:
            self.interventions.learn(iteration, rollout, traces)

        # Signal: the task, the gradient of the utility at the occupancy of local cells (the shadow reward), and further terms.
        shadow = self.signal.observe(rollout)
        paid = yield from self.paid(iteration, rollout, steps_hops)
        signal = self.signal.values(self._signal_batch(iteration, batch, paid))
        signal = yield from self._shared_signal(iteration, signal, shadow.table, steps_hops)

        # Evaluate: the task critic always, for power; what is learned from, by the algorithm's own.
        with repeatable_torch():
            task_change = self.fit(self.task, batch, rollout.rewards)
            evaluated = self.evaluate(batch, signal, iteration)
            if batch.deviations is not None and self.deviates:
                evaluated = self._with_deviations(iteration, batch, signal, evaluated)
        summed = evaluated.shared
        if learning.credit == "shared_q":
            values: dict[int, TruncatedQ] = yield from self.share(iteration, Kind.TRUNCATED_Q, TruncatedQ(summed), hops=steps_hops)
            summed = self.fold(summed, {j: theirs.values for j, theirs in values.items()})
        if evaluated.kept is not None:
            summed = summed + evaluated.kept

        # Improve: gradient steps on the policy, then a new snapshot of its weights to act with.
        self.actor.rate = step_size_at(learning.schedule, self.settings.learning_rate, iteration)
        with repeatable_torch():
            change = self.improve(batch, summed)
            power = self._power(iteration, batch)

        # What the iteration observed takes effect with the next one.
        self.policy.reader.settle()
        self.reader.settle()

        # Report: rides with the next iteration's first action.
        numbers = {
            "gradient_sq": change.gradient_sq,
            "policy_entropy": change.entropy,
            "step_size": self.actor.rate,
            "td_change": task_change if np.isnan(evaluated.td_change) else evaluated.td_change,
        }
        self.report(iteration, rollout, {**numbers, **self.signal.numbers()}, power, shadow.utility)

    # -- phases ----------------------------------------------------------------------------------------------------------

    def _read(self, iteration: int, rollout: Rollout, members: Sequence[Trace]) -> NeuralBatch:
        """What the networks read along the batch."""
        import torch

        near = None
        if self.nearby is not None and rollout.hops is not None:
            near = self.nearby.marks(Kind.TRACE, self.critic_window, rollout.hops).reshape(len(self.critic_window), -1)
        with repeatable_torch():
            observed = tensor(self.reader.read([_rows(member.states) for member in members], near))
            acted = tensor(self.action_reader.read([_rows(member.actions) for member in members], near))
            transitions = Transitions(torch.cat([observed, acted], dim=1), rollout.alive, rollout.bootstrap)
        generator = stream(self.setup.experiment.seed, self.index, Purpose.MINIBATCH, iteration)
        weights = rollout.discounted(self.setup.discount)
        return NeuralBatch(rollout, weights, members, observed, transitions, generator, f"iteration {iteration}", rollout.deviations)

    def _with_deviations(self, iteration: int, batch: NeuralBatch, signal: SignalValues, evaluated: Evaluated) -> Evaluated:
        """SBPR: in its own episodes the agent, and it alone, learns from values with the deviations that it met there."""
        own = batch.episodes_of(self.index)
        values = self.evaluate_deviated(own, signal.own, self.kept_generator(iteration, DEVIATED))
        beyond = np.where(own.transitions.alive, values - evaluated.shared, 0.0)
        return evaluated._replace(kept=beyond if evaluated.kept is None else evaluated.kept + beyond)

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
        )

    def _shared_signal(
        self, iteration: int, signal: SignalValues, table: FloatArray, hops: NDArray[np.uint8] | None
    ) -> Generator[ExchangeRequest, list[Any], SignalValues]:
        """Tell neighbours the shadow reward; where rewards are shared, the signal with everyone's within kappa_gradient hops added."""
        if self.learning.credit != "shared_reward":
            yield from self.share(iteration, Kind.SHADOW_REWARD, ShadowReward(table, np.zeros((0, 0))))
            return signal
        # The realized signal says it all; a table would have to be looked up in somebody else's occupancy.
        message = ShadowReward(np.zeros((0, 0)), signal.own)
        shared: dict[int, ShadowReward] = yield from self.share(iteration, Kind.SHADOW_REWARD, message, hops=hops)
        return signal._replace(own=self.fold(signal.own, {j: theirs.signal for j, theirs in shared.items()}))

    def fit(self, critic: NeuralCritic, batch: NeuralBatch, signal: FloatArray, generator: np.random.Generator | None = None) -> float:
        """Temporal-difference steps of one pair of Q-functions on a signal; the change of the last one."""
        read, discount = batch.transitions, self.setup.discount
        if batch.cut is not None:
            read = read._replace(alive=read.alive & ~batch.cut)
        ahead = along(critic.values(read.features), read)[1:]
        sampled = lambda_returns(signal, ahead, read.bootstrap, read.alive, discount, 1.0)
        return critic.learn(read, signal, sampled, discount, batch.generator if generator is None else generator, batch.where)

    def kept_generator(self, iteration: int, number: int) -> np.random.Generator:
        """Minibatches of the critic of a kept term, which leave those of all other networks as they are."""
        return stream(self.setup.experiment.seed, self.index, Purpose.KEPT_SIGNALS, iteration * MOST_TERMS + number)

    def first_weights_of_kept(self, number: int) -> np.random.Generator:
        """The first weights of the critic of a kept term, likewise."""
        return stream(self.setup.experiment.seed, self.index, Purpose.INITIALISATION, 2 + number)

    def decisions(self, batch: NeuralBatch, summed: FloatArray) -> tuple[Decisions, float]:
        """What the policy is trained on, and by how much its gradient is smaller than in the units of the objective.

        These are steps at which the policy's own action was executed; where there are none at all, those at which the agent's part went
        on, which tell its entropy.
        """
        import torch

        rollout = batch.rollout
        chosen = rollout.chosen if rollout.chosen.any() else rollout.alive
        weight = batch.weights[chosen] if self.settings.discount_weights else np.ones(int(chosen.sum()))
        taken: torch.Tensor
        if isinstance(self.policy, CategoricalPolicy):
            taken = torch.from_numpy(rollout.actions[:-1][chosen].astype(np.int64))
        else:
            taken = tensor(rollout.noise[:-1][chosen])
        normalised = advantages(summed[chosen], self.settings.normalise, self.centred)
        decisions = Decisions(
            context=tensor(rollout.context[:-1][chosen]),
            taken=taken,
            mask=None if rollout.mask is None else torch.from_numpy(rollout.mask[:-1][chosen]),
            advantage=tensor(normalised.values),
            weight=tensor(weight / weight.mean()),
        )
        # (1/B) sum over steps, advantages of their own size, and the 1/n.
        return decisions, normalised.scale * float(weight.sum()) / (self.setup.batch * self.setup.n)

    def unchanged(self, decisions: Decisions) -> PolicyChange:
        """What is reported of a policy that chose nothing itself, and stays as it is."""
        return PolicyChange(0.0, mean_entropy(self.actor, self.policy, decisions))

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
