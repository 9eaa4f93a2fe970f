"""The networked agent: truncated policy gradient with general utilities (arXiv 2302.07938, Algorithm 1), without I/O.

One call of :meth:`Agent.iterate` is one iteration of the algorithm, read from top to bottom.  It yields :class:`Turn` values
(what to send, what to wait for) and is resumed with the messages it asked for; see :mod:`netagents.learning.protocol.requests`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.critic_table import CriticTable
from netagents.critics.least_squares import batch_lstd
from netagents.critics.sampled_values import values_along
from netagents.critics.temporal_difference import Batch, batch_td, compact
from netagents.critics.window_keys import Keys, WindowKeys
from netagents.learning.algorithms.policy_gradient import clipped, truncated_policy_gradient
from netagents.learning.algorithms.step_sizes import step_size_at
from netagents.learning.protocol.networked_agent import NetworkedAgent, below
from netagents.learning.protocol.requests import Turns
from netagents.learning.protocol.rollout import Rollout, counted_states
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.local_objective import LocalObjective
from netagents.learning.signals.sampled_occupancy import sampled_occupancy
from netagents.measures.power import Experience, TabularPower
from netagents.messages import (
    Kind,
    ShadowReward,
    Trace,
    TruncatedQ,
)
from netagents.messages.message_kinds import RadiusKind
from netagents.policies import TabularPolicy

FloatArray = NDArray[np.float64]

TASK, LEARNING = 0, 1
"""Columns of the critic table: the critic of the agent's own task reward (power is read from it) and the one it learns from."""


class TabularAgent(NetworkedAgent):
    """An agent with tables: a softmax policy table and truncated Q-functions over the keys of its window.

    Args:
        index: i.
        setup: what all agents share.
    """

    policy: TabularPolicy

    def __init__(self, index: int, setup: Setup) -> None:
        super().__init__(index, setup, setup.tabular_policy(index))
        learning = self.learning
        (self.state_size,) = setup.state_sizes((index,))
        (self.action_size,) = setup.action_sizes((index,))
        self.keys = WindowKeys(self.critic_window, setup.state_sizes(self.critic_window), setup.action_sizes(self.critic_window))
        self.objective = LocalObjective(setup.experiment, index, self.state_size, self.action_size, setup.discount)
        # A pure task with shared Q-values learns from its task critic; everything else has a critic of its own.
        pure_task = learning.credit == "shared_q" and learning.task_weight == 1.0 and self.objective.is_zero
        self.column = TASK if pure_task else LEARNING
        self.table = CriticTable(self.keys, self.column + 1, learning.critic.full_table_limit, learning.critic.visited_limit)
        window, policies = self.critic_window, setup.reach[RadiusKind.POLICY]
        read_by, sizes = [policies.window(j) for j in window], (setup.state_sizes(window), setup.action_sizes(window))
        self.power = TabularPower(index, window, read_by, *sizes, setup.discount, setup.experiment.power)

    # -- one iteration ---------------------------------------------------------------------------------------------------

    def iterate(self, iteration: int) -> Turns:
        """Algorithm 1, one iteration: sample, trace, shadow reward, evaluate, improve, report."""
        learning, setup = self.learning, self.setup
        whole = yield from self._sample(iteration)
        # The batch, and the steps that critics learn from: the same ones relabelled, or fresh ones that follow them.
        rollout = whole.part(0, setup.horizon)
        weights = rollout.discounted(setup.discount)
        fresh = setup.evaluation_steps > 0
        further = whole.part(setup.horizon, setup.steps) if fresh else rollout

        # Trace: the states and actions of everyone within kappa_critic hops.
        traces = first_traces = yield from self._share(iteration, Kind.TRACE, Trace(rollout.states, rollout.actions))
        if fresh:
            traces = yield from self._share(iteration, Kind.TRACE, Trace(further.states, further.actions), 1)
        if not learning.critic.carry:
            self.table.reset()
        keys = self._encode(further, traces)
        batch = compact(self.table, keys, further.steps, setup.batch, further.alive, further.bootstrap, iteration)

        # Local occupancy, then the gradient of the utility there: the shadow reward.
        counted = rollout.counted_states(learning.occupancy)
        occupancy = sampled_occupancy(counted, rollout.actions[:-1], weights, setup.batch, self.state_size, self.action_size)
        shadow = self.objective.shadow(occupancy)
        # Fresh evaluation needs the signal of the batch as well: keys that only the batch has met are valued along it.
        task_signal = learning.task_weight * whole.rewards
        travels = learning.credit == "shared_reward" and learning.task_weight > 0.0
        ended = learning.credit == "shared_reward" and not whole.alive.all()
        message = ShadowReward(shadow.table, task_signal if travels else np.zeros((0, 0)), whole.alive if ended else None)
        shadows: dict[int, ShadowReward] = yield from self._share(iteration, Kind.SHADOW_REWARD, message)

        # Evaluate: the task critic always, the learning critic where it differs.
        steps = slice(setup.horizon, None) if fresh else slice(None)
        signals = {TASK: further.rewards}
        if self.column == LEARNING:
            signals[LEARNING] = self._signal(further, steps, shadow.table, shadows, traces)
        td_change = self._evaluate(signals, batch)
        unevaluated = 0.0
        if fresh:
            steps = slice(setup.horizon)
            signal = rollout.rewards if self.column == TASK else self._signal(rollout, steps, shadow.table, shadows, first_traces)
            summed_q, unevaluated = self._values_along(rollout, self._encode(rollout, first_traces), signal)
        else:
            summed_q = np.zeros(rollout.rewards.size)
            summed_q[batch.positions] = self.table.values[self.column][batch.slots][batch.inverse]
        summed_q = summed_q.reshape(rollout.rewards.shape)
        if learning.credit == "shared_q":
            values: dict[int, TruncatedQ] = yield from self._share(iteration, Kind.TRUNCATED_Q, TruncatedQ(summed_q))
            summed_q = self._fold(summed_q, {j: told.values for j, told in values.items()})

        # Improve: one projected step along the truncated policy gradient.
        gradient = truncated_policy_gradient(
            rollout.context[:-1].reshape(-1),
            rollout.actions[:-1].reshape(-1).astype(np.int64),
            summed_q.reshape(-1),
            (weights * rollout.chosen).reshape(-1) / setup.batch,
            self.policy,
            setup.n,
            learning.baseline,
        )
        entropy = self._visited_entropy(rollout)
        step_size = step_size_at(learning.schedule, learning.learning_rate, iteration)
        self.policy.ascend(step_size * clipped(gradient, learning.max_grad_norm), learning.logit_bound)

        # Report: rides with the next iteration's first action.
        discounted = float((weights * rollout.rewards).sum() / setup.batch)
        bounded = np.abs(self.policy.logits) >= learning.logit_bound
        numbers = {
            "return": float((rollout.rewards * rollout.alive).sum() / setup.batch),
            "discounted_return": discounted,
            "utility": shadow.utility,
            "objective": learning.task_weight * discounted + shadow.utility,
            "gradient_sq": float((gradient * gradient).sum()),
            "policy_entropy": entropy,
            "bounded_logits": float(bounded.mean()),
            "shadow_max": shadow.largest,
            "td_change": td_change,
            "critic_entries": float(self.table.entries),
            "critic_evicted": float(self.table.evicted),
            "critic_unevaluated": unevaluated,
            "lipschitz": shadow.lipschitz,
            "floor_sensitivity": shadow.floor_sensitivity,
            "multiplier": shadow.multiplier,
            "violation": shadow.violation,
            "step_size": step_size,
        }
        self._report(iteration, numbers, self._power(iteration, further, traces))

    # -- phases ----------------------------------------------------------------------------------------------------------

    def _encode(self, rollout: Rollout, traces: Mapping[int, Trace]) -> Keys:
        """Keys of the critic's window along a rollout and the neighbours' traces of the same steps, in step order."""
        members = self._members(rollout, traces)
        return self.keys.encode([member.states.reshape(-1) for member in members], [member.actions.reshape(-1) for member in members])

    def _members(self, rollout: Rollout, traces: Mapping[int, Trace]) -> list[Trace]:
        """What everyone in the critic's window did, in its order."""
        own = Trace(rollout.states, rollout.actions)
        return [own if j == self.index else traces[j] for j in self.critic_window]

    def _evaluate(self, signals: Mapping[int, FloatArray], batch: Batch) -> float:
        """Fit every Q-function to its signal; the change of the last sweep of the one that is learned from."""
        critic, gamma = self.learning.critic, self.setup.discount
        if critic.solver == "lstd":
            batch_lstd(self.table, signals, batch, gamma)
            return float("nan")
        return [batch_td(self.table, column, batch, signal, gamma, critic.sweeps) for column, signal in signals.items()][-1]

    def _values_along(self, rollout: Rollout, keys: Keys, signal: FloatArray) -> tuple[FloatArray, float]:
        """(H, B) values along a batch that the critic did not learn from, and the share of its steps whose keys it never evaluated.

        Those steps take their sampled value (see :mod:`netagents.critics.sampled_values`).
        """
        distinct = self.keys.distinct(keys)
        slots = self.table.find(distinct.keys)
        shape = (rollout.steps + 1, self.setup.batch)
        values = self.table.values[self.column][slots][distinct.inverse].reshape(shape)
        evaluated = self.table.evaluated(slots)[distinct.inverse].reshape(shape)
        along = values_along(values, evaluated, signal, rollout.alive, rollout.bootstrap, self.setup.discount)
        return along, float((~evaluated[:-1])[rollout.alive].mean())

    def _signal(
        self, part: Rollout, steps: slice, own: FloatArray, shadows: Mapping[int, ShadowReward], traces: Mapping[int, Trace]
    ) -> FloatArray:
        """(T, B) learning signal of the ``steps`` of an iteration that ``part`` and ``traces`` are about; ``own`` is the shadow reward."""
        learning = self.learning
        signal = learning.task_weight * part.rewards + own[part.counted_states(learning.occupancy), part.actions[:-1]]
        return self._neighbourhood_signal(signal, steps, shadows, traces) if learning.credit == "shared_reward" else signal

    def _neighbourhood_signal(
        self, own: FloatArray, steps: slice, shadows: Mapping[int, ShadowReward], traces: Mapping[int, Trace]
    ) -> FloatArray:
        """u_i + sum over j in N_i^kappa_gradient of w r_j^t + grad f_j[s_j^t, a_j^t] while j's part goes on, folded in agent order."""
        total = np.zeros_like(own)
        for j in self.gradient_window:
            if j == self.index:
                total += own
                continue
            table, rewards, alive = shadows[j]
            paid = table[counted_states(traces[j].states, self.learning.occupancy), traces[j].actions[:-1]]
            total += paid if alive is None else np.where(alive[steps], paid, 0.0)
            if rewards.size:
                total += rewards[steps]
        return total

    def _visited_entropy(self, rollout: Rollout) -> float:
        probabilities = self.policy.probabilities
        # What can no longer be told from impossible adds nothing: p log p goes to 0.
        logs = np.log(np.where(probabilities > 0.0, probabilities, 1.0))
        per_context = -(probabilities * logs).sum(axis=1)
        visits = np.bincount(rollout.context[:-1][rollout.alive], minlength=self.policy.contexts)
        return float((visits * per_context).sum() / visits.sum())

    def _power(self, iteration: int, rollout: Rollout, traces: Mapping[int, Trace]) -> FloatArray:
        """A row for every other agent of the critic's window: who, and the fields of a reading."""
        members = self._members(rollout, traces)
        states, actions = [member.states for member in members], [member.actions for member in members]
        return self.power.rows(Experience(states, actions, rollout.rewards, rollout.alive, rollout.bootstrap), iteration)

    # -- state that outlives an iteration --------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every component that the next iteration depends on, by name."""
        named: dict[str, NDArray[Any]] = {"policy.logits": self.policy.logits}
        named |= {f"critic.{name}": array for name, array in self.table.arrays().items()}
        named |= {f"power.{name}": array for name, array in self.power.arrays().items()}
        named |= {f"objective.{name}": array for name, array in self.objective.arrays().items()}
        # The report that rides with the next iteration is counted there already.
        named["ledger.open"] = self.ledger.open_rows()
        return named

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.policy.load(arrays["policy.logits"])
        self.table.restore(below("critic.", arrays))
        self.power.restore(below("power.", arrays))
        self.objective.restore(below("objective.", arrays))
        self.ledger.restore(arrays["ledger.open"])
