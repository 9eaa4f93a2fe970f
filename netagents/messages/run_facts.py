"""Facts of a run that decide the form of its messages: traffic and expected shapes of each kind between agents and server.

The rows of :mod:`netagents.messages.message_kinds` name these functions; ``agent`` is the sender, or the receiver of a Step.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from netagents.messages.array_fields import ANY, Alternatives, ExpectedArray
from netagents.messages.learning_messages import (
    Action,
    BranchAction,
    BranchState,
    BranchStep,
    PolicyParameters,
    Reward,
    ShadowReward,
    State,
    Step,
    TargetAction,
    Trace,
    TruncatedQ,
    WorstAction,
)

_FLOAT64, _UINT8, _BOOL, _INT32 = np.dtype(np.float64), np.dtype(np.uint8), np.dtype(np.bool_), np.dtype("<i4")


class RunFacts(Protocol):
    """What the shapes of a run's messages follow from; :class:`netagents.learning.protocol.setup.Setup` provides it."""

    @property
    def batch(self) -> int: ...
    @property
    def horizon(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def evaluation_steps(self) -> int: ...
    @property
    def wire_dtype(self) -> np.dtype[Any]: ...
    def replay_updates(self, agent: int) -> tuple[int, int]: ...
    def observation_array(self, agent: int, *leading: int) -> ExpectedArray: ...
    def action_array(self, agent: int, *leading: int) -> ExpectedArray: ...
    def contact_count(self, agent: int) -> int | None: ...
    def shares_values(self, agent: int) -> bool: ...
    def mask_size(self, agent: int) -> int | None: ...
    def probability_size(self, agent: int) -> int | None: ...
    def worst_actions_sent(self, agent: int) -> tuple[int, int]: ...
    def policy_arrays(self, agent: int) -> tuple[ExpectedArray, ExpectedArray]: ...
    def branch_rollouts(self) -> tuple[tuple[int, int, int, int], ...]: ...
    def shadow_shapes(self, agent: int) -> tuple[tuple[int, int], tuple[int, int]]: ...


Traffic = tuple[tuple[Any, int], ...]
"""Messages of the right size filled with zeros, and how often each is sent per iteration."""


def step_shapes(facts: RunFacts, agent: int) -> Alternatives:
    """The usual Step, and one that also says which action was executed instead of the agent's own."""
    contacts, mask = facts.contact_count(agent), facts.mask_size(agent)
    required = [facts.observation_array(agent, facts.batch), ExpectedArray(_FLOAT64, (facts.batch,)), ExpectedArray(_UINT8, (facts.batch,))]
    optional = [
        ExpectedArray(_UINT8, (facts.batch, contacts or 0)),
        ExpectedArray(_BOOL, (facts.batch, mask or 0)),
        facts.action_array(agent, facts.batch),
    ]
    usual = 2 if mask is not None else 1 if contacts is not None else 0
    return [[*required, *optional[:usual]], [*required, *optional]]


def step_traffic(facts: RunFacts, agent: int) -> Traffic:
    """One Step per step, and the first observation."""
    return ((Step(*map(_zeros, step_shapes(facts, agent)[0])), facts.steps + 1),)


def action_traffic(facts: RunFacts, agent: int) -> Traffic:
    """One Action per step."""
    return ((Action(_zeros(facts.action_array(agent, facts.batch))), facts.steps),)


def state_traffic(facts: RunFacts, agent: int) -> Traffic:
    """One State per decision, the last of which is not executed."""
    return ((State(_zeros(facts.observation_array(agent, facts.batch))), facts.steps + 1),)


def trace_traffic(facts: RunFacts, agent: int) -> Traffic:
    """The Trace of the batch, and that of the further steps of fresh evaluation."""

    def trace(steps: int, size: int | None) -> Trace:
        probabilities = None if size is None else np.zeros((steps, facts.batch, size))
        states, actions = facts.observation_array(agent, steps, facts.batch), facts.action_array(agent, steps, facts.batch)
        return Trace(_zeros(states), _zeros(actions), probabilities)

    further = facts.evaluation_steps
    return ((trace(facts.horizon + 1, facts.probability_size(agent)), 1), *(((trace(further + 1, None), 1),) if further else ()))


def trace_shapes(facts: RunFacts, agent: int) -> Alternatives:
    """States and actions of any number of steps, with or without action probabilities."""
    arrays = [facts.observation_array(agent, ANY, facts.batch), facts.action_array(agent, ANY, facts.batch)]
    return [arrays, [*arrays, ExpectedArray(_FLOAT64, (ANY, facts.batch, ANY))]]


def shadow_reward_traffic(facts: RunFacts, agent: int) -> Traffic:
    """One ShadowReward per iteration."""
    table, signal = facts.shadow_shapes(agent)
    return ((ShadowReward(np.zeros(table, facts.wire_dtype), np.zeros(signal, facts.wire_dtype)), 1),)


def shadow_reward_shapes(facts: RunFacts, _agent: int) -> Alternatives:
    """A table, with or without a signal, and with the mask of living steps if the sender's part has ended in some copy."""
    table = ExpectedArray(facts.wire_dtype, (ANY, ANY))
    alternatives = [[table, ExpectedArray(facts.wire_dtype, (ANY, facts.batch))], [table, ExpectedArray(facts.wire_dtype, (0, 0))]]
    return alternatives + [[*arrays, ExpectedArray(_BOOL, (ANY, facts.batch))] for arrays in alternatives]


def reward_traffic(facts: RunFacts, _agent: int) -> Traffic:
    """One Reward per iteration, along all of its steps."""
    return ((Reward(np.zeros((facts.steps, facts.batch))), 1),)


def worst_action_traffic(facts: RunFacts, agent: int) -> Traffic:
    """As many WorstActions, and of such a size, as the lottery of the run leads one to expect for each receiver."""
    messages, copies = facts.worst_actions_sent(agent)
    return ((WorstAction(np.zeros(copies, dtype=np.uint8)), messages),) if messages else ()


def worst_action_shapes(_facts: RunFacts, _agent: int) -> Alternatives:
    """Any number of copies up to all of them."""
    return [[ExpectedArray(_UINT8, (ANY,))]]


def policy_parameters_traffic(facts: RunFacts, agent: int) -> Traffic:
    """One policy, at most once per generation of a population."""
    return ((PolicyParameters(*map(_zeros, facts.policy_arrays(agent))), 1),)


def truncated_q_traffic(facts: RunFacts, agent: int) -> Traffic:
    """One TruncatedQ per iteration where agents share Q-values."""
    return ((TruncatedQ(np.zeros((facts.horizon, facts.batch), facts.wire_dtype)), 1),) if facts.shares_values(agent) else ()


def truncated_q_shapes(facts: RunFacts, _agent: int) -> Alternatives:
    """A value per step and copy."""
    return [[ExpectedArray(facts.wire_dtype, (facts.horizon, facts.batch))]]


def target_action_traffic(facts: RunFacts, agent: int) -> Traffic:
    """One TargetAction per update from the replay buffer."""
    updates, transitions = facts.replay_updates(agent)
    return ((TargetAction(_zeros(facts.action_array(agent, transitions))), updates),) if updates else ()


def branch_step_shapes(facts: RunFacts, agent: int) -> Alternatives:
    """Of each number of copies, a first step with the visits where branches begin, and a later one."""
    contacts, mask = facts.contact_count(agent), facts.mask_size(agent)
    forms = []
    for copies, _, _, visits in facts.branch_rollouts():
        further = [ExpectedArray(_UINT8, (copies, contacts or 0)), ExpectedArray(_BOOL, (copies, mask or 0))]
        usual = 2 if mask is not None else 1 if contacts is not None else 0
        forms += [[facts.observation_array(agent, copies), ExpectedArray(_INT32, (size,)), *further[:usual]] for size in (visits, 0)]
    return forms


def branch_step_traffic(facts: RunFacts, agent: int) -> Traffic:
    """Of an iteration with an audit: a first step per rollout of its branches, and the later ones."""
    steps = [BranchStep(*map(_zeros, form)) for form in branch_step_shapes(facts, agent)]
    times = [rollouts * count for _, rollouts, length, _ in facts.branch_rollouts() for count in (1, length - 1)]
    return tuple(zip(steps, times, strict=True))


def branch_state_traffic(facts: RunFacts, agent: int) -> Traffic:
    """Of an iteration with an audit: a State of its branches per step of each rollout."""
    rollouts = facts.branch_rollouts()
    return tuple((BranchState(_zeros(facts.observation_array(agent, copies))), count * length) for copies, count, length, _ in rollouts)


def branch_action_traffic(facts: RunFacts, agent: int) -> Traffic:
    """Of an iteration with an audit: an Action of its branches per step of each rollout."""
    rollouts = facts.branch_rollouts()
    return tuple((BranchAction(_zeros(facts.action_array(agent, copies))), count * length) for copies, count, length, _ in rollouts)


def _zeros(expected: ExpectedArray) -> Any:
    return np.zeros(expected.shape, dtype=expected.dtype)
