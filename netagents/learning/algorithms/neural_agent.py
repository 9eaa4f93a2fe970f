"""The networked agent with networks: truncated actor-critic or PPO under the same phases, messages, radii and credits as tables.

One call of :meth:`NeuralAgent.iterate` is one iteration, read from top to bottom.  The agent acts in numpy; torch only trains, between
the messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.neural_critic import NeuralCritic, Transitions, ValueNetwork
from netagents.environments.spaces import Discrete
from netagents.experiment.algorithm_settings import ActorCriticSettings, PpoSettings
from netagents.learning.algorithms.lambda_returns import lambda_returns
from netagents.learning.algorithms.neural_policy_update import Decisions, PolicyChange, advantages, improve, mean_entropy
from netagents.learning.algorithms.step_sizes import step_size_at
from netagents.learning.protocol.networked_agent import NetworkedAgent, below
from netagents.learning.protocol.requests import Turns
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.local_objective import LocalObjective
from netagents.learning.signals.sampled_occupancy import sampled_occupancy
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

FloatArray = NDArray[np.float64]
NAN = float("nan")
POWER_TRACE_DECAY = 0.95
"""Lambda of the returns against which the critics of power are held: nearly what happened, since critics miss what they are tested for."""


class NeuralAgent(NetworkedAgent):
    """An agent with a neural policy and neural truncated critics.

    Networks: the policy; a pair of Q-functions of its own task reward, from which power is read; a second pair for what it learns
    from, where actor-critic learns from something else; and a state value, which is PPO's critic and actor-critic's baseline.

    Args:
        index: i.
        setup: what all agents share.
    """

    policy: NeuralPolicy

    def __init__(self, index: int, setup: Setup) -> None:
        super().__init__(index, setup, setup.neural_policy(index))
        settings = self.learning.algorithm
        assert isinstance(settings, ActorCriticSettings | PpoSettings), "only made for networks"
        self.settings: ActorCriticSettings | PpoSettings = settings
        self.cells = setup.cells(index)
        self.objective = LocalObjective(setup.experiment, index, self.cells.states, self.cells.actions, setup.discount)
        spec, window = setup.spec, self.critic_window
        self.reader = WindowReader(spec.view, [spec.observation_spaces[j] for j in window], window.index(index), spec.capabilities.moving)
        self.action_reader = ActionReader([spec.action_spaces[j] for j in window])
        inputs = self.reader.size + self.action_reader.size
        first = stream(setup.experiment.seed, index, Purpose.INITIALISATION, 1)
        with repeatable_torch():
            self.actor = TrainedMlp(
                self.policy.layout, [self.policy.weights], settings.learning_rate, self.learning.max_grad_norm, "policy", index
            )
            self.task = NeuralCritic(settings.critic, inputs, first, "task critic", index)
            pure_task = self.learning.credit == "shared_q" and self.learning.task_weight == 1.0 and self.objective.is_zero
            own_critic = isinstance(settings, ActorCriticSettings) and not pure_task
            self.learned = NeuralCritic(settings.critic, inputs, first, "learning critic", index) if own_critic else self.task
            self.value = ValueNetwork(settings.critic, self.reader.size, first, index)
        self.power = NeuralPower(index, window, self.action_reader, setup.experiment.power)
        spaces = [spec.observation_spaces[j] for j in window] + [spec.action_spaces[j] for j in window]
        self.tabular_power: TabularPower | None = None
        if self.nearby is None and all(isinstance(space, Discrete) for space in spaces):
            sizes = setup.state_sizes(window), setup.action_sizes(window)
            read_by = [setup.reach[RadiusKind.POLICY].window(j) for j in window]
            self.tabular_power = TabularPower(index, window, read_by, *sizes, setup.discount, setup.experiment.power)

    # -- one iteration ---------------------------------------------------------------------------------------------------

    def iterate(self, iteration: int) -> Turns:
        """One iteration: sample, trace, shadow reward, evaluate, improve, report."""
        learning, setup, where = self.learning, self.setup, f"iteration {iteration}"
        rollout = yield from self._sample(iteration)
        weights = rollout.discounted(setup.discount)

        # Trace: the observations and actions of everyone within kappa_critic hops.
        own = Trace(rollout.states, rollout.actions, self._intentions(rollout))
        traces: dict[int, Trace] = yield from self._share(iteration, Kind.TRACE, own, hops=rollout.hops)
        members = [own if j == self.index else traces[j] for j in self.critic_window]
        steps_hops = None if rollout.hops is None else rollout.hops[:-1]

        # Occupancy of local cells, then the gradient of the utility there: the shadow reward.
        cells = self.cells
        counted, acted = cells.of_states(rollout.counted_states(learning.occupancy)), cells.of_actions(rollout.actions[:-1])
        shadow = self.objective.shadow(sampled_occupancy(counted, acted, weights, setup.batch, cells.states, cells.actions))
        signal = learning.task_weight * rollout.rewards + shadow.table[counted, acted] * rollout.alive
        if learning.credit == "shared_reward":
            # The realized signal says it all; a table would have to be looked up in somebody else's occupancy.
            message = ShadowReward(np.zeros((0, 0)), signal)
            told: dict[int, ShadowReward] = yield from self._share(iteration, Kind.SHADOW_REWARD, message, hops=steps_hops)
            signal = self._fold(signal, {j: its.signal for j, its in told.items()})
        else:
            yield from self._share(iteration, Kind.SHADOW_REWARD, ShadowReward(shadow.table, np.zeros((0, 0))))

        # Evaluate: the task critic always, for power; what is learned from, by its own critic.
        generator = stream(setup.experiment.seed, self.index, Purpose.MINIBATCH, iteration)
        with repeatable_torch():
            observed, batch = self._transitions(rollout, members)
            td_change = self._fit(self.task, batch, rollout.rewards, generator, where)
            if isinstance(self.settings, PpoSettings):
                worth = self._generalized_advantages(observed, batch, signal, generator, where)
            else:
                worth, td_change = self._q_along(batch, signal, td_change, generator, where)
        if learning.credit == "shared_q":
            values: dict[int, TruncatedQ] = yield from self._share(iteration, Kind.TRUNCATED_Q, TruncatedQ(worth), hops=steps_hops)
            worth = self._fold(worth, {j: its.values for j, its in values.items()})

        # Improve: gradient steps on the policy, then a new snapshot of its weights to act with.
        rate = step_size_at(learning.schedule, self.settings.learning_rate, iteration)
        self.actor.rate = rate
        with repeatable_torch():
            if isinstance(self.settings, ActorCriticSettings) and learning.baseline:
                worth = self._beyond_baseline(observed, batch, worth, generator, where)
            change = self._improve(rollout, worth, weights, generator, where)
            power = self._power(iteration, rollout, batch, members, generator)

        # What the iteration observed takes effect with the next one.
        self.policy.reader.settle()
        self.reader.settle()

        # Report: rides with the next iteration's first action.
        discounted = float((weights * rollout.rewards).sum() / setup.batch)
        self._report(
            iteration,
            {
                "return": float((rollout.rewards * rollout.alive).sum() / setup.batch),
                "discounted_return": discounted,
                "utility": shadow.utility,
                "objective": learning.task_weight * discounted + shadow.utility,
                "gradient_sq": change.gradient_sq,
                "policy_entropy": change.entropy,
                "bounded_logits": NAN,
                "shadow_max": shadow.largest,
                "td_change": td_change,
                "critic_entries": NAN,
                "critic_evicted": NAN,
                "critic_unevaluated": NAN,
                "lipschitz": shadow.lipschitz,
                "floor_sensitivity": shadow.floor_sensitivity,
                "multiplier": shadow.multiplier,
                "violation": shadow.violation,
                "step_size": rate,
            },
            power,
        )

    # -- phases ----------------------------------------------------------------------------------------------------------

    def _power(
        self, iteration: int, rollout: Rollout, batch: Transitions, members: Sequence[Trace], generator: np.random.Generator
    ) -> FloatArray:
        """A row for every other agent of the critic's window: who, and the fields of a reading."""
        states, actions = [member.states for member in members], [member.actions for member in members]
        if self.tabular_power is not None:
            return self.tabular_power.rows(Experience(states, actions, rollout.rewards, rollout.alive, rollout.bootstrap), iteration)
        intentions = [member.action_probabilities for member in members if member.action_probabilities is not None] or None
        ahead = _along(self.task.values(batch.features), batch)[1:]
        outcome = lambda_returns(rollout.rewards, ahead, batch.bootstrap, batch.alive, self.setup.discount, POWER_TRACE_DECAY)
        return self.power.rows(self.task, batch, actions, intentions, outcome, generator, iteration)

    def _intentions(self, rollout: Rollout) -> FloatArray | None:
        """(T + 1, B, m) what the agent's actions were drawn from, for those who read power before anyone acts."""
        if self.setup.experiment.power.variant == "realized":
            return None
        said = self.policy.probabilities_at(rollout.context.reshape(-1, rollout.context.shape[2]))
        return said.reshape(*rollout.context.shape[:2], -1)

    def _transitions(self, rollout: Rollout, members: Sequence[Trace]) -> tuple[torch.Tensor, Transitions]:
        """What the critics read along the batch: observations alone ((T + 1) * B, F_s), and with actions."""
        import torch

        near = None
        if self.nearby is not None and rollout.hops is not None:
            near = self.nearby.marks(Kind.TRACE, self.critic_window, rollout.hops).reshape(len(self.critic_window), -1)
        observed = tensor(self.reader.read([_rows(member.states) for member in members], near))
        acted = tensor(self.action_reader.read([_rows(member.actions) for member in members], near))
        return observed, Transitions(torch.cat([observed, acted], dim=1), rollout.alive, rollout.bootstrap)

    def _fit(self, critic: NeuralCritic, batch: Transitions, signal: FloatArray, generator: np.random.Generator, where: str) -> float:
        """Temporal-difference steps of one pair of Q-functions on a signal."""
        ahead = _along(critic.values(batch.features), batch)[1:]
        sampled = lambda_returns(signal, ahead, batch.bootstrap, batch.alive, self.setup.discount, 1.0)
        return critic.learn(batch, signal, sampled, self.setup.discount, generator, where)

    def _q_along(
        self, batch: Transitions, signal: FloatArray, td_change: float, generator: np.random.Generator, where: str
    ) -> tuple[FloatArray, float]:
        """Actor-critic: the (T, B) lambda-return of the truncated Q along the trace; with lambda 0 one step, then the critic."""
        if self.learned is not self.task:
            td_change = self._fit(self.learned, batch, signal, generator, where)
        ahead = _along(self.learned.values(batch.features), batch)[1:]
        decay = self.settings.gae_lambda
        return lambda_returns(signal, ahead, batch.bootstrap, batch.alive, self.setup.discount, decay), td_change

    def _generalized_advantages(
        self, observed: torch.Tensor, batch: Transitions, signal: FloatArray, generator: np.random.Generator, where: str
    ) -> FloatArray:
        """PPO: the (T, B) generalized advantages of a signal; the state value is fitted to its lambda-returns afterwards.

        Advantages are linear in the signal: those of a neighbourhood's summed signal are the sum of what its members send.
        """
        values = _along(self.value.values(observed), batch)
        returns = lambda_returns(signal, values[1:], batch.bootstrap, batch.alive, self.setup.discount, self.settings.gae_lambda)
        alive = np.flatnonzero(batch.alive)
        self.value.fit(observed[alive], returns[batch.alive], self.settings.minibatches, generator, where)
        return (returns - values[:-1]) * batch.alive

    def _beyond_baseline(
        self, observed: torch.Tensor, batch: Transitions, summed: FloatArray, generator: np.random.Generator, where: str
    ) -> FloatArray:
        """Actor-critic: the summed values less their expectation given the states, which is fitted to them afterwards."""
        baseline = _along(self.value.values(observed), batch)[:-1]
        alive = np.flatnonzero(batch.alive)
        self.value.fit(observed[alive], summed[batch.alive], self.settings.minibatches, generator, where)
        return summed - baseline

    def _improve(
        self, rollout: Rollout, worth: FloatArray, weights: FloatArray, generator: np.random.Generator, where: str
    ) -> PolicyChange:
        import torch

        # Only what the policy chose itself; where that is nothing at all, its entropy is reported and it stays as it is.
        nothing = not rollout.chosen.any()
        chosen = rollout.alive if nothing else rollout.chosen
        weight = weights[chosen] if self.settings.discount_weights else np.ones(int(chosen.sum()))
        taken: torch.Tensor
        if isinstance(self.policy, CategoricalPolicy):
            taken = torch.from_numpy(rollout.actions[:-1][chosen].astype(np.int64))
        else:
            taken = tensor(rollout.noise[:-1][chosen])
        shown = advantages(worth[chosen], self.settings.normalise, isinstance(self.settings, PpoSettings))
        decisions = Decisions(
            context=tensor(rollout.context[:-1][chosen]),
            taken=taken,
            mask=None if rollout.mask is None else torch.from_numpy(rollout.mask[:-1][chosen]),
            advantage=tensor(shown.values),
            weight=tensor(weight / weight.mean()),
        )
        if nothing:
            return PolicyChange(0.0, mean_entropy(self.actor, self.policy, decisions))
        change = improve(self.actor, self.policy, decisions, self.settings, generator, where)
        # Reported in the units of the objective: (1/B) sum over steps, advantages of their own size, and the 1/n.
        unit = shown.scale * float(weight.sum()) / (self.setup.batch * self.setup.n)
        return change._replace(gradient_sq=change.gradient_sq * unit * unit)

    # -- state that outlives an iteration --------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights, target networks, Adam's moments, units, what was observed, and what power and the objective remember."""
        named: dict[str, NDArray[Any]] = {"policy.weights": self.policy.weights}
        named |= {f"policy.{name}": array for name, array in self.policy.reader.statistics().items()}
        named |= {f"critic_reader.{name}": array for name, array in self.reader.statistics().items()}
        named |= {f"actor.{name}": array for name, array in self.actor.arrays().items()}
        named |= {f"task.{name}": array for name, array in self.task.arrays().items()}
        if self.learned is not self.task:
            named |= {f"learned.{name}": array for name, array in self.learned.arrays().items()}
        named |= {f"value.{name}": array for name, array in self.value.arrays().items()}
        power = self.power if self.tabular_power is None else self.tabular_power
        named |= {f"power.{name}": array for name, array in power.arrays().items()}
        named |= {f"objective.{name}": array for name, array in self.objective.arrays().items()}
        named["ledger.open"] = self.ledger.open_rows()
        return named

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.policy.load(arrays["policy.weights"])
        self.policy.reader.restore(below("policy.", arrays))
        self.reader.restore(below("critic_reader.", arrays))
        self.actor.restore(below("actor.", arrays))
        self.task.restore(below("task.", arrays))
        if self.learned is not self.task:
            self.learned.restore(below("learned.", arrays))
        self.value.restore(below("value.", arrays))
        (self.power if self.tabular_power is None else self.tabular_power).restore(below("power.", arrays))
        self.objective.restore(below("objective.", arrays))
        self.ledger.restore(arrays["ledger.open"])


def _rows(block: NDArray[Any]) -> NDArray[Any]:
    """(T, B, *shape) as (T * B, *shape)."""
    return block.reshape(-1, *block.shape[2:])


def _along(values: FloatArray, batch: Transitions) -> FloatArray:
    """((T + 1) * B,) as (T + 1, B)."""
    return values.reshape(-1, batch.copies)
