"""Proximal policy optimisation (arXiv 1707.06347) with generalized advantages (arXiv 1506.02438) of the neighbourhood's summed signal.

Advantages are linear in the signal: those of a neighbourhood's summed signal are the sum of what its members send.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netagents.critics.neural_critic import ValueNetwork
from netagents.experiment.algorithm_settings import PpoSettings
from netagents.learning.algorithms.lambda_returns import lambda_returns
from netagents.learning.algorithms.neural_agent import Critic, FloatArray, NeuralBatch, along
from netagents.learning.algorithms.neural_policy_update import PolicyChange, clipped_surrogate, improve
from netagents.learning.algorithms.on_policy_agent import DEVIATED, Evaluated, OnPolicyAgent
from netagents.learning.algorithms.registry import ALGORITHMS
from netagents.learning.signals.learning_signal import SignalValues, weighted_sum


class PpoAgent(OnPolicyAgent):
    """An agent that learns by PPO; its critic is a state value.

    Args:
        index: i.
        setup: what all agents share.
    """

    facts = ALGORITHMS["ppo"].facts
    settings: PpoSettings
    centred = True

    def make_critics(self, generator: np.random.Generator) -> None:
        """The state value of what is shared, and one for each term that the agent keeps to itself."""
        settings, size, index = self.settings.critic, self.observed_size, self.index
        self.value = ValueNetwork(settings, size, generator, index)
        self.private_critics = {
            f"kept_{term.name}": ValueNetwork(settings, size, self.first_weights_of_private(number), index)
            for number, term in enumerate(self.signal.private_terms)
        }
        if self.deviates:
            self.deviated = ValueNetwork(settings, size, self.first_weights_of_private(DEVIATED), index)

    def critics(self) -> Mapping[str, Critic]:
        """Every critic beside the task critic."""
        return {"value": self.value, **self.private_critics, **({"deviated": self.deviated} if self.deviates else {})}

    def evaluate(self, batch: NeuralBatch, signal: SignalValues, iteration: int) -> Evaluated:
        """Generalized advantages of each signal; its state value is fitted to its lambda-returns afterwards."""
        shared = self._advantages(self.value, batch, signal.own, batch.generator)
        private = [
            self._advantages(value, batch, values, self.private_generator(iteration, number))
            for number, (value, values) in enumerate(zip(self.private_critics.values(), signal.private, strict=True))
        ]
        return Evaluated(shared, weighted_sum(signal.weights, private), float("nan"))

    def evaluate_deviated(self, batch: NeuralBatch, signal: FloatArray, generator: np.random.Generator) -> FloatArray:
        """Generalized advantages in the agent's own episodes, by a state value of these."""
        return self._advantages(self.deviated, batch, signal, generator)

    def improve(self, batch: NeuralBatch, summed: FloatArray) -> PolicyChange:
        """Passes that climb E[ w min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) ] (arXiv 1707.06347, equation 7) and the entropy bonus."""
        decisions, unit = self.decisions(batch, summed)
        if not batch.rollout.chosen.any():
            return self.unchanged(decisions)
        surrogate, epochs = clipped_surrogate(self.settings.clip_range), self.settings.epochs
        change = improve(self.actor, self.policy, decisions, self.settings, surrogate, epochs, batch.generator, batch.where)
        return change.in_units(unit)

    def _advantages(self, value: ValueNetwork, batch: NeuralBatch, signal: FloatArray, generator: np.random.Generator) -> FloatArray:
        read = batch.transitions
        values = along(value.values(batch.observed), read)
        returns = lambda_returns(signal, values[1:], read.bootstrap, read.alive, self.setup.discount, self.settings.gae_lambda, batch.cut)
        alive = np.flatnonzero(batch.valued)
        value.fit(batch.observed[alive], returns[batch.valued], self.settings.minibatches, generator, batch.where)
        advantages: FloatArray = (returns - values[:-1]) * read.alive
        return advantages
