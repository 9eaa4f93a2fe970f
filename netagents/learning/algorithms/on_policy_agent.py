"""The on-policy agent with networks: it learns from the newest batch alone, with credit as with tables; what actor-critic and PPO share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netagents.critics.neural_critic import ValueNetwork
from netagents.experiment.algorithm_settings import NeuralAlgorithmSettings
from netagents.experiment.intervention_settings import sbpr_of
from netagents.learning.algorithms.neural_agent import FloatArray, NeuralAgent, NeuralBatch
from netagents.learning.algorithms.neural_policy_update import Decisions, PolicyChange, advantages, mean_entropy
from netagents.learning.algorithms.step_sizes import step_size_at
from netagents.learning.algorithms.trained_policy import read_by
from netagents.learning.protocol.requests import ExchangeRequest
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.learning_signal import SignalValues
from netagents.learning.signals.neighbourhood_signal import neighbourhood_signal
from netagents.messages import Kind, ShadowReward, TruncatedQ
from netagents.policies.neural_policy import CategoricalPolicy
from netagents.policies.torch_mlp import repeatable_torch, tensor
from netagents.randomness import Purpose, stream

if TYPE_CHECKING:
    import torch

MOST_TERMS = 1 << 10
"""More terms of a signal than any agent has."""
DEVIATED = MOST_TERMS - 1
"""The number, among the critics of kept terms, of the one that learns from the agent's own episodes of SBPR."""


class Evaluated(NamedTuple):
    """What the critics say along the batch.

    Attributes:
        shared: (T, B) values or advantages of what neighbours learn from as well.
        private: the same of the terms that the agent keeps to itself, weighted; None where there are none.
        td_change: of the last minibatch of temporal differences.
    """

    shared: FloatArray
    private: FloatArray | None
    td_change: float


class OnPolicyAgent(NeuralAgent):
    """An agent that evaluates what its neighbourhood did in the newest batch, and improves its policy on it.

    Networks beside those of every neural agent: a state value, and whatever critics the algorithm adds in :meth:`make_critics`.

    Args:
        index: i.
        setup: what all agents share.
    """

    settings: NeuralAlgorithmSettings
    centred = False
    """Whether the policy is shown advantages of mean zero."""

    def __init__(self, index: int, setup: Setup) -> None:
        self.deviates = sbpr_of(setup.experiment.interventions) is not None and index in setup.advised
        super().__init__(index, setup)

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

    # -- how it learns ---------------------------------------------------------------------------------------------------

    def learn(
        self, iteration: int, batch: NeuralBatch, signal: SignalValues, table: FloatArray
    ) -> Generator[ExchangeRequest, list[Any], dict[str, float]]:
        """Share the signal, evaluate, share values, improve."""
        learning = self.learning
        signal = yield from self._shared_signal(iteration, batch, signal, table)

        # Evaluate: what is learned from, by the algorithm's own critics.
        with repeatable_torch():
            evaluated = self.evaluate(batch, signal, iteration)
            if batch.deviations is not None and self.deviates:
                evaluated = self._with_deviations(iteration, batch, signal, evaluated)
        summed = evaluated.shared
        if learning.credit == "shared_q":
            values: dict[int, TruncatedQ] = yield from self.share(iteration, Kind.TRUNCATED_Q, TruncatedQ(summed), hops=batch.steps_hops)
            summed = self.fold(summed, {j: shared.values for j, shared in values.items()})
        if evaluated.private is not None:
            summed = summed + evaluated.private

        # Improve: gradient steps on the policy, then a new snapshot of its weights to act with.
        self.actor.rate = step_size_at(learning.schedule, self.settings.learning_rate, iteration)
        with repeatable_torch():
            change = self.improve(batch, summed)
        numbers = {"gradient_sq": change.gradient_sq, "policy_entropy": change.entropy}
        return numbers if np.isnan(evaluated.td_change) else {**numbers, "td_change": evaluated.td_change}

    def _shared_signal(
        self, iteration: int, batch: NeuralBatch, signal: SignalValues, table: FloatArray
    ) -> Generator[ExchangeRequest, list[Any], SignalValues]:
        """Tell neighbours the shadow reward; where rewards are shared, the signal with everyone's within kappa_gradient hops added."""
        if self.learning.credit != "shared_reward":
            yield from self.share(iteration, Kind.SHADOW_REWARD, ShadowReward(table, np.zeros((0, 0))))
            return signal
        # The realized signal says it all; a table would have to be looked up in somebody else's occupancy.
        message = ShadowReward(np.zeros((0, 0)), signal.own)
        shared: dict[int, ShadowReward] = yield from self.share(iteration, Kind.SHADOW_REWARD, message, hops=batch.steps_hops)
        traces = dict(zip(self.critic_window, batch.members, strict=True))
        occupancy = self.learning.occupancy
        return signal._replace(own=neighbourhood_signal(signal.own, self.index, self.gradient_window, shared, traces, occupancy))

    def _with_deviations(self, iteration: int, batch: NeuralBatch, signal: SignalValues, evaluated: Evaluated) -> Evaluated:
        """SBPR: in its own episodes the agent, and it alone, learns from values with the deviations that it met there."""
        own = batch.episodes_of(self.index)
        values = self.evaluate_deviated(own, signal.own, self.private_generator(iteration, DEVIATED))
        beyond = np.where(own.transitions.alive, values - evaluated.shared, 0.0)
        return evaluated._replace(private=beyond if evaluated.private is None else evaluated.private + beyond)

    def private_generator(self, iteration: int, number: int) -> np.random.Generator:
        """Minibatches of the critic of a kept term, which leave those of all other networks as they are."""
        return stream(self.setup.experiment.seed, self.index, Purpose.KEPT_SIGNALS, iteration * MOST_TERMS + number)

    def first_weights_of_private(self, number: int) -> np.random.Generator:
        """The first weights of the critic of a kept term, likewise."""
        return stream(self.setup.experiment.seed, self.index, Purpose.INITIALISATION, 2 + number)

    def decisions(self, batch: NeuralBatch, summed: FloatArray) -> tuple[Decisions, float]:
        """What the policy is trained on, and by how much its gradient is smaller than in the units of the objective.

        These are steps at which the policy's own action was executed; where there are none at all, those at which the agent's part went
        on, which tell its entropy.
        """
        import torch

        rollout = batch.rollout
        policy_steps = rollout.chosen if rollout.chosen.any() else rollout.alive
        weight = batch.weights[policy_steps] if self.settings.discount_weights else np.ones(int(policy_steps.sum()))
        taken: torch.Tensor
        if isinstance(self.policy, CategoricalPolicy):
            taken = torch.from_numpy(rollout.actions[:-1][policy_steps].astype(np.int64))
        else:
            taken = tensor(rollout.noise[:-1][policy_steps])
        normalised = advantages(summed[policy_steps], self.settings.normalise, self.centred)
        decisions = Decisions(
            read=read_by(self.policy, rollout.context[:-1], policy_steps),
            taken=taken,
            mask=None if rollout.mask is None else torch.from_numpy(rollout.mask[:-1][policy_steps]),
            advantage=tensor(normalised.values),
            weight=tensor(weight / weight.mean()) if self.settings.discount_weights else None,
        )
        # (1/B) sum over steps, advantages of their own size, and the 1/n.
        return decisions, normalised.scale * float(weight.sum()) / (self.setup.batch * self.setup.n)

    def unchanged(self, decisions: Decisions) -> PolicyChange:
        """What is reported of a policy that chose nothing itself, and stays as it is."""
        return PolicyChange(0.0, mean_entropy(self.actor, self.policy, decisions))
