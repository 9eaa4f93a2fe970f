"""Truncated actor-critic: the policy climbs the lambda-returns of the neighbourhood's truncated Q-networks, less a baseline.

Where the agent learns from its task alone its task critic is the one it learns from; else a second pair of networks is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netagents.critics.neural_critic import NeuralCritic, ValueNetwork
from netagents.experiment.algorithm_settings import ActorCriticSettings
from netagents.learning.algorithms.lambda_returns import lambda_returns
from netagents.learning.algorithms.neural_agent import Critic, FloatArray, NeuralBatch, along
from netagents.learning.algorithms.neural_policy_update import PolicyChange, improve, score_surrogate
from netagents.learning.algorithms.on_policy_agent import DEVIATED, Evaluated, OnPolicyAgent
from netagents.learning.algorithms.registry import ALGORITHMS
from netagents.learning.signals.learning_signal import SignalValues, weighted_sum


class ActorCriticAgent(OnPolicyAgent):
    """An agent that learns by truncated actor-critic.

    Args:
        index: i.
        setup: what all agents share.
    """

    facts = ALGORITHMS["actor_critic"].facts
    settings: ActorCriticSettings

    def make_critics(self, generator: np.random.Generator) -> None:
        """The critic that is learned from, the baseline, and a critic for each term that the agent keeps to itself."""
        settings, inputs, index = self.settings.critic, self.inputs, self.index
        task_alone = self.learning.credit == "shared_q" and self.signal.is_task_alone
        self.learned = self.task if task_alone else NeuralCritic(settings, inputs, generator, "learning critic", index)
        self.value = ValueNetwork(settings, self.observed_size, generator, index)
        self.private_critics = {
            f"kept_{term.name}": NeuralCritic(settings, inputs, self.first_weights_of_private(number), f"critic of {term.name}", index)
            for number, term in enumerate(self.signal.private_terms)
        }
        if self.deviates:
            self.deviated = NeuralCritic(settings, inputs, self.first_weights_of_private(DEVIATED), "critic of its own episodes", index)

    def critics(self) -> Mapping[str, Critic]:
        """Every critic beside the task critic."""
        deviated = {"deviated": self.deviated} if self.deviates else {}
        return {**({} if self.learned is self.task else {"learned": self.learned}), "value": self.value, **self.private_critics, **deviated}

    def evaluate(self, batch: NeuralBatch, signal: SignalValues, iteration: int) -> Evaluated:
        """Temporal differences, then the lambda-return of the truncated Q along the trace; with lambda 0 one step, then the critic."""
        td_change = float("nan") if self.learned is self.task else self.fit(self.learned, batch, signal.own)
        private = []
        for number, (critic, values) in enumerate(zip(self.private_critics.values(), signal.private, strict=True)):
            self.fit(critic, batch, values, self.private_generator(iteration, number))
            private.append(self._q_along(critic, batch, values))
        return Evaluated(self._q_along(self.learned, batch, signal.own), weighted_sum(signal.weights, private), td_change)

    def evaluate_deviated(self, batch: NeuralBatch, signal: FloatArray, generator: np.random.Generator) -> FloatArray:
        """The lambda-return of a Q-network of the agent's own episodes."""
        self.fit(self.deviated, batch, signal, generator)
        return self._q_along(self.deviated, batch, signal)

    def improve(self, batch: NeuralBatch, summed: FloatArray) -> PolicyChange:
        """One pass that climbs E[ w log pi(a|x) A ] and the entropy bonus."""
        if self.learning.baseline:
            summed = self._beyond_baseline(batch, summed)
        decisions, unit = self.decisions(batch, summed)
        if not batch.rollout.chosen.any():
            return self.unchanged(decisions)
        change = improve(self.actor, self.policy, decisions, self.settings, score_surrogate, 1, batch.generator, batch.where)
        return change.in_units(unit)

    def _q_along(self, critic: NeuralCritic, batch: NeuralBatch, signal: FloatArray) -> FloatArray:
        read = batch.transitions
        values, discount, cut = along(critic.values(read.features), read), self.setup.discount, batch.cut
        # Where somebody deviates next, the critic's value of the step itself stands for its return.
        ahead = values[1:] if cut is None else np.where(cut, (values[:-1] - signal) / discount, values[1:])
        return lambda_returns(signal, ahead, read.bootstrap, read.alive, discount, self.settings.gae_lambda, cut)

    def _beyond_baseline(self, batch: NeuralBatch, summed: FloatArray) -> FloatArray:
        """The summed values less their expectation given the states, which is fitted to them afterwards."""
        read = batch.transitions
        baseline = along(self.value.values(batch.observed), read)[:-1]
        # Of its own decisions alone where these are not all: values with deviations are of its own episodes.
        usable = read.alive if batch.deviations is None else batch.rollout.chosen
        alive = np.flatnonzero(usable)
        self.value.fit(batch.observed[alive], summed[usable], self.settings.minibatches, batch.generator, batch.where)
        return summed - baseline
