"""Truncated policy gradient with general utilities on tables (arXiv 2302.07938, Algorithm 1), without I/O.

One call of :meth:`TabularAgent.iterate` is one iteration of the algorithm, read from top to bottom.  It yields
:class:`netagents.learning.protocol.requests.ExchangeRequest` values (what to send, what to wait for) and is resumed with the messages
that it asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.critic_table import CriticTable
from netagents.critics.least_squares import batch_lstd
from netagents.critics.sampled_values import values_along
from netagents.critics.temporal_difference import Batch, batch_td, compact
from netagents.critics.window_keys import Keys, WindowKeys
from netagents.experiment.intervention_settings import sbpr_of
from netagents.learning.algorithms.policy_gradient import clipped, truncated_policy_gradient, visited_entropy
from netagents.learning.algorithms.registry import ALGORITHMS
from netagents.learning.algorithms.step_sizes import step_size_at
from netagents.learning.protocol.agent_checkpoint import below
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.replaced_actions import NOBODY
from netagents.learning.protocol.requests import Turns
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.learning_signal import LearningSignal, SignalValues, weighted_sum
from netagents.learning.signals.neighbourhood_signal import neighbourhood_signal
from netagents.learning.signals.signal_term import SignalBatch
from netagents.learning.signals.task_critics import AgentTaskKnowledge, TableTaskCritic
from netagents.measures.power import Experience, TabularPower
from netagents.messages import Kind, ShadowReward, Trace, TruncatedQ
from netagents.messages.message_kinds import RadiusKind
from netagents.policies import TabularPolicy

FloatArray = NDArray[np.float64]

TASK, LEARNING = 0, 1
"""Columns of the critic table: the critic of the agent's own task reward (power is read from it) and the one it learns from."""


class Evaluated(NamedTuple):
    """What the critics say along the batch.

    Attributes:
        shared: (T, B) the truncated Q of what neighbours learn from as well.
        private: (T, B) that of the terms which the agent keeps to itself, weighted; None where there are none.
        td_change: of the last sweep.
        unevaluated: share of the batch's steps whose keys the critic has never evaluated.
    """

    shared: FloatArray
    private: FloatArray | None
    td_change: float
    unevaluated: float


class TabularAgent(NetworkedAgent):
    """An agent with tables: a softmax policy table and truncated Q-functions over the keys of its window.

    Args:
        index: i.
        setup: what all agents share.
    """

    facts = ALGORITHMS["truncated_pg"].facts
    policy: TabularPolicy

    def __init__(self, index: int, setup: Setup) -> None:
        super().__init__(index, setup, setup.tabular_policy(index))
        learning, window = self.learning, self.critic_window
        self.keys = WindowKeys(window, setup.state_sizes(window), setup.action_sizes(window))
        self.signal = LearningSignal(index, setup)
        self.objective = self.signal.shadow.objective
        # A pure task with shared Q-values learns from its task critic; everything else has a critic of its own.
        self.column = TASK if learning.credit == "shared_q" and self.signal.is_task_alone else LEARNING
        terms = self.signal.terms
        self.reads_task = not any(each.is_learned for each in terms) or any(each.term.reads_table for each in terms)
        columns = self.column + 1 + len(self.signal.private_terms)
        limits = learning.critic.full_table_limit, learning.critic.visited_limit
        self.table = CriticTable(self.keys, columns, *limits)
        # With SBPR, a critic of the same signal in the agent's own episodes, with the deviations that it meets there.
        deviates = sbpr_of(setup.experiment.interventions) is not None and index in setup.advised
        self.deviated = CriticTable(self.keys, 1, *limits) if deviates else None
        read_by, sizes = [setup.reach[RadiusKind.POLICY].window(j) for j in window], (setup.state_sizes(window), setup.action_sizes(window))
        self.power = TabularPower(index, window, read_by, *sizes, setup.discount, setup.experiment.power)
        self.signal.begin(AgentTaskKnowledge(self.power))

    # -- one iteration ---------------------------------------------------------------------------------------------------

    def iterate(self, iteration: int) -> Turns:
        """Algorithm 1, one iteration: sample, trace, signal, evaluate, improve, report."""
        learning, setup = self.learning, self.setup
        whole = yield from self.sample(iteration)
        # The batch, and the steps that critics learn from: the same ones relabelled, or fresh ones that follow them.
        rollout = whole.part(0, setup.horizon)
        fresh = setup.evaluation_steps > 0
        further = whole.part(setup.horizon, setup.steps) if fresh else rollout

        # Trace: the states and actions of everyone within kappa_critic hops.
        traces = first_traces = yield from self.share(iteration, Kind.TRACE, Trace(rollout.states, rollout.actions))
        if fresh:
            traces = yield from self.share(iteration, Kind.TRACE, Trace(further.states, further.actions), 1)

        # Signal: the task, the gradient of the utility at the local occupancy (the shadow reward), and further terms.
        shadow = self.signal.observe(rollout)
        paid = yield from self.paid(iteration, whole)
        # Fresh evaluation needs the signal of the batch as well: keys that only the batch has met are valued along it.
        all_traces = _joined(first_traces, traces) if fresh else traces
        if self.interventions is not None:
            self.interventions.learn(iteration, whole, all_traces)
        signal = self._signal(iteration, whole, all_traces, paid)
        travels = learning.credit == "shared_reward" and (learning.task_weight > 0.0 or setup.signal_travels[self.index])
        ended = learning.credit == "shared_reward" and not whole.alive.all()
        message = ShadowReward(shadow.table, signal.realized if travels else np.zeros((0, 0)), whole.alive if ended else None)
        shadows: dict[int, ShadowReward] = yield from self.share(iteration, Kind.SHADOW_REWARD, message)
        if learning.credit == "shared_reward":
            own = neighbourhood_signal(signal.own, self.index, self.gradient_window, shadows, all_traces, learning.occupancy)
            signal = signal._replace(own=own)

        # Evaluate: the critics along the batch, those of everyone within kappa_gradient hops summed where Q-values are shared.
        learned = signal.part(setup.horizon, setup.steps) if fresh else signal
        batch_of = (rollout, first_traces, signal.part(0, setup.horizon)) if fresh else None
        evaluated = self.evaluate(iteration, further, traces, learned, batch_of)
        summed_q = evaluated.shared
        if learning.credit == "shared_q":
            values: dict[int, TruncatedQ] = yield from self.share(iteration, Kind.TRUNCATED_Q, TruncatedQ(summed_q))
            summed_q = self.fold(summed_q, {j: shared.values for j, shared in values.items()})
        if evaluated.private is not None:
            summed_q = summed_q + evaluated.private

        # Improve: one projected step along the truncated policy gradient.
        changes = self.improve(iteration, rollout, summed_q)

        # Report: rides with the next iteration's first action.
        critics = {
            "td_change": evaluated.td_change,
            "critic_entries": float(self.table.entries),
            "critic_evicted": float(self.table.evicted),
            "critic_unevaluated": evaluated.unevaluated,
        }
        power = self._power(iteration, further, traces)
        self.report(iteration, rollout, {**changes, **critics, **self.signal.numbers()}, power, shadow.utility)

    # -- phases ----------------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        iteration: int,
        further: Rollout,
        traces: Mapping[int, Trace],
        signal: SignalValues,
        batch_of: tuple[Rollout, Mapping[int, Trace], SignalValues] | None,
    ) -> Evaluated:
        """Fit every truncated Q-function to its signal, then read them along the batch.

        Args:
            iteration: for ages of entries.
            further: the steps that critics learn from. traces: neighbours' of the same steps.
            signal: along these steps.
            batch_of: the batch, its traces and its signal, where it is not these steps.
        """
        if not self.learning.critic.carry:
            self.table.reset()
        setup, deviations = self.setup, further.deviations
        keys = self._encode(further, traces)
        # What follows a deviation is no value of the policies; what a deviation brings at its own step is one of the executed actions.
        alive = further.alive if deviations is None else further.alive & deviations.clean_continuation()
        batch = compact(self.table, keys, further.steps, setup.batch, alive, further.bootstrap, iteration)
        signals = {TASK: further.rewards} if self.column == TASK or self.reads_task else {}
        if self.column == LEARNING:
            signals[LEARNING] = signal.own
        signals |= dict(enumerate(signal.private, start=self.column + 1))
        td_change = self._fit(signals, batch)
        columns = range(self.column, self.column + 1 + len(signal.private))
        unevaluated = 0.0
        if batch_of is not None or deviations is not None:
            rollout, sampled = further, signal
            if batch_of is not None:
                rollout, first_traces, sampled = batch_of
                keys = self._encode(rollout, first_traces)
            own = rollout.rewards if self.column == TASK else sampled.own
            read = [self._values_along(rollout, keys, column, each) for column, each in zip(columns, (own, *sampled.private), strict=True)]
            along, unevaluated = [values for values, _ in read], read[0][1]
        else:
            along = [self._values_of(batch, column, further.rewards.shape) for column in columns]
        private = weighted_sum(signal.weights, along[1:])
        if deviations is not None and self.deviated is not None:
            beyond = self._beyond_clean(iteration, further, keys, signal.own, along[0])
            private = beyond if private is None else private + beyond
        return Evaluated(along[0], private, td_change, unevaluated)

    def improve(self, iteration: int, rollout: Rollout, summed_q: FloatArray) -> dict[str, float]:
        """One projected step along the truncated policy gradient; metrics of the policy."""
        learning, setup = self.learning, self.setup
        gradient = truncated_policy_gradient(
            rollout.context[:-1].reshape(-1),
            rollout.actions[:-1].reshape(-1).astype(np.int64),
            summed_q.reshape(-1),
            rollout.decision_weights(setup.discount).reshape(-1) / setup.batch,
            self.policy,
            setup.n,
            learning.baseline,
        )
        entropy = visited_entropy(self.policy, rollout)
        step_size = step_size_at(learning.schedule, learning.learning_rate, iteration)
        self.policy.ascend(step_size * clipped(gradient, learning.max_grad_norm), learning.logit_bound)
        return {
            "gradient_sq": float((gradient * gradient).sum()),
            "policy_entropy": entropy,
            "bounded_logits": float((np.abs(self.policy.logits) >= learning.logit_bound).mean()),
            "step_size": step_size,
        }

    # -- parts of phases -------------------------------------------------------------------------------------------------

    def _signal(self, iteration: int, part: Rollout, traces: Mapping[int, Trace], paid: FloatArray) -> SignalValues:
        """The signal along some steps of the iteration."""
        members = self._members(part, traces)
        critic = TableTaskCritic(self.table, [member.states for member in members], [member.actions for member in members])
        batch = SignalBatch(
            iteration=iteration,
            agent=self.index,
            discount=self.setup.discount,
            window=self.critic_window,
            rollout=part,
            paid=paid,
            traces=dict(zip(self.critic_window, members, strict=True)),
            critic=critic,
            own_probabilities=lambda: self.policy.probabilities[part.context],
            policy=self.policy,
        )
        return self.signal.values(batch)

    def _encode(self, rollout: Rollout, traces: Mapping[int, Trace]) -> Keys:
        """Keys of the critic's window along a rollout and the neighbours' traces of the same steps, in step order."""
        members = self._members(rollout, traces)
        return self.keys.encode([member.states.reshape(-1) for member in members], [member.actions.reshape(-1) for member in members])

    def _members(self, rollout: Rollout, traces: Mapping[int, Trace]) -> list[Trace]:
        """What everyone in the critic's window did, in its order."""
        own = Trace(rollout.states, rollout.actions)
        return [own if j == self.index else traces[j] for j in self.critic_window]

    def _fit(self, signals: Mapping[int, FloatArray], batch: Batch) -> float:
        """Fit columns of the table to their signals; the change of the last sweep of the one that is learned from."""
        critic, gamma = self.learning.critic, self.setup.discount
        if critic.solver == "lstd":
            batch_lstd(self.table, signals, batch, gamma)
            return float("nan")
        return batch_td(self.table, signals, batch, gamma, critic.sweeps)[self.column]

    def _beyond_clean(self, iteration: int, rollout: Rollout, keys: Keys, signal: FloatArray, clean: FloatArray) -> FloatArray:
        """(T, B) by how much the values of the agent's own episodes, deviations included, differ from those without; zero elsewhere."""
        deviations, table = rollout.deviations, self.deviated
        assert deviations is not None, "only with SBPR"
        assert table is not None, "only in episodes of its own"
        alive = rollout.alive & deviations.episodes_of(self.index)
        # The next action is drawn with deviations, which importance weights bring back to the probability that is meant.
        bootstrap = rollout.bootstrap * deviations.ratios[1:]
        batch = compact(table, keys, rollout.steps, self.setup.batch, alive, bootstrap, iteration)
        critic, gamma = self.learning.critic, self.setup.discount
        if critic.solver == "lstd":
            batch_lstd(table, {0: signal}, batch, gamma)
        else:
            batch_td(table, {0: signal}, batch, gamma, critic.sweeps)
        values = np.zeros(signal.shape)
        values.reshape(-1)[batch.positions] = table.values[0][batch.slots][batch.inverse]
        return np.where(alive, values - clean, 0.0)

    def _values_of(self, batch: Batch, column: int, shape: tuple[int, ...]) -> FloatArray:
        """(T, B) a critic along the steps that it has learned from, zero where the agent's part had ended."""
        values = np.zeros(shape)
        values.reshape(-1)[batch.positions] = self.table.values[column][batch.slots][batch.inverse]
        return values

    def _values_along(self, rollout: Rollout, keys: Keys, column: int, signal: FloatArray) -> tuple[FloatArray, float]:
        """(H, B) a critic along a batch that it did not learn from, and the share of its steps whose keys it never evaluated.

        Those steps take their sampled value (see :mod:`netagents.critics.sampled_values`).
        """
        distinct = self.keys.distinct(keys)
        slots = self.table.find(distinct.keys)
        shape = (rollout.steps + 1, self.setup.batch)
        values = self.table.values[column][slots][distinct.inverse].reshape(shape)
        evaluated = self.table.evaluated(slots)[distinct.inverse].reshape(shape)
        along = values_along(values, evaluated, signal, rollout.alive, rollout.bootstrap, self.setup.discount)
        return along, float((~evaluated[:-1])[rollout.alive].mean())

    def _power(self, iteration: int, rollout: Rollout, traces: Mapping[int, Trace]) -> FloatArray:
        """A row for every other agent of the critic's window: who, and the fields of a reading."""
        members = self._members(rollout, traces)
        states, actions = [member.states for member in members], [member.actions for member in members]
        alive = rollout.alive
        if rollout.deviations is not None:
            # A deviator's action depends on more than what its policy reads.
            alive = alive & (rollout.deviations.deviators[:-1] == NOBODY)
        return self.power.rows(Experience(states, actions, rollout.rewards, alive, rollout.bootstrap), iteration)

    # -- state that outlives an iteration --------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every component that the next iteration depends on, by name."""
        named = super().arrays()
        named |= {f"critic.{name}": array for name, array in self.table.arrays().items()}
        named |= {f"power.{name}": array for name, array in self.power.arrays().items()}
        if self.deviated is not None:
            named |= {f"critic.deviated.{name}": array for name, array in self.deviated.arrays().items()}
        return named | self.signal.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        super().restore(arrays)
        self.table.restore(below("critic.", arrays))
        self.power.restore(below("power.", arrays))
        if self.deviated is not None:
            self.deviated.restore(below("critic.deviated.", arrays))
        self.signal.restore(arrays)


def _joined(first: Mapping[int, Trace], then: Mapping[int, Trace]) -> dict[int, Trace]:
    """Traces of all steps of an iteration from those of the batch and of the further steps, which begin with the batch's last decision."""
    return {
        j: Trace(np.concatenate([first[j].states[:-1], then[j].states]), np.concatenate([first[j].actions[:-1], then[j].actions]))
        for j in first
    }
