"""What one agent remembers of one iteration's batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Space, space_dtype, space_shape
from netagents.errors import NumericalError
from netagents.learning.protocol.replaced_actions import Deviations, ReplacedActions
from netagents.messages import ENDED, REPLACED, TERMINATED, TRUNCATED, Step

FloatArray = NDArray[np.float64]


class Rollout:
    """T steps of B copies as one agent saw them, plus the last, unexecuted decision.

    Args:
        agent: i.
        states, actions, context: room for T + 1 decisions, see below.

    Attributes:
        states, actions: (T + 1, B) own indices, or (T + 1, B, *shape) values; the actions that were executed, whoever chose them.
        context: (T + 1, B) int64 row of the policy table, or (T + 1, B, F) features that a network read.
        rewards: (T, B) own task rewards.
        alive: (T, B) the agent's part in the copy had not ended before the step: what critics, occupancies and returns are about.
        chosen: (T, B) of these, the steps at which the policy's own action was executed: what its gradient is about.
        bootstrap: (T, B) 0 where the step ended in a terminal state, else 1.
        noise: (T + 1, B, ...) what the decisions were drawn from.
        hops: (T + 1, B, m) uint8 how far away the contacts were, in a graph that moves; else None.
        mask: (T + 1, B, A) bool which actions were legal, where some are not; else None.
        deviations: those of sample-based power regularization; None without it.
        replaced_share: share of its steps at which an intervention chose the action.
    """

    noise: FloatArray
    hops: NDArray[np.uint8] | None = None
    mask: NDArray[np.bool_] | None = None
    deviations: Deviations | None = None
    replaced_share = 0.0

    def __init__(self, agent: int, states: NDArray[Any], actions: NDArray[Any], context: NDArray[Any]) -> None:
        self.agent = agent
        self.states, self.actions, self.context = states, actions, context
        steps, copies = len(states) - 1, states.shape[1]
        self.steps = steps
        self.rewards: FloatArray = np.zeros((steps, copies))
        self.alive = np.ones((steps, copies), dtype=np.bool_)
        self.chosen = self.alive
        self.bootstrap: FloatArray = np.ones((steps, copies))
        self._flags = np.zeros((steps, copies), dtype=np.uint8)
        self._observed: list[Step] = []
        self._contexts: list[Any] = []
        self._actions: list[Any] = []
        # These run H times per iteration: nothing is looked at before the batch is closed.
        self.observe = self._observed.append
        """Take in the environment's message of the next step, or those of several as one, copies behind copies."""
        self.add_context = self._contexts.append
        """Take in the (B, ...) context of the next decision, or of all decisions the bytes of (B,) uint8."""
        self.decided = self._actions.append
        """Take in the (B, ...) actions of the next decision, in the dtype of :attr:`actions`, in which they travel; or bytes, likewise."""

    def close(self) -> None:
        """The last step has been observed: check rewards, and work out who was alive and where to bootstrap.

        Raises:
            NumericalError: an observation or a reward is not finite.
        """
        self._fill()
        if self.states.dtype == np.float64 and not np.isfinite(self.states).all():
            whole = np.isfinite(self.states.reshape(len(self.states), -1)).all(axis=1)
            step = int(np.argmin(whole))
            raise NumericalError("observation is not finite", where=f"agent {self.agent}, step {step}", fix="mend the environment")
        finite = np.isfinite(self.rewards)
        if not finite.all():
            step = int(np.argmin(finite.all(axis=1)))
            raise NumericalError("reward is not finite", where=f"agent {self.agent}, step {step}", fix="mend the environment")
        if self._flags.any():
            self.bootstrap[:] = (self._flags & TERMINATED) == 0
            over = np.logical_or.accumulate((self._flags & (TERMINATED | TRUNCATED | ENDED)) != 0, axis=0)
            self.alive[1:] = ~over[:-1]
            self.chosen = self.alive & ((self._flags & REPLACED) == 0)

    def replaced(self, replacing: ReplacedActions) -> None:
        """Leave out what somebody other than the policy has chosen and, with SBPR, the episodes that are not the agent's own."""
        self.replaced_share = float(replacing.replaced[:-1][self.alive].mean()) if self.alive.any() else 0.0
        self.chosen = self.chosen & ~replacing.replaced[:-1]
        self.deviations = replacing.deviations
        if self.deviations is not None:
            self.chosen = self.chosen & self.deviations.episodes_of(self.agent)

    def intervention_numbers(self, names: Sequence[str]) -> dict[str, float]:
        """Metrics of interventions, as far as the run has them."""
        numbers = {"replaced": self.replaced_share}
        if self.deviations is not None:
            clean = self.rewards * self.alive * self.deviations.clean_weights()[: self.steps]
            numbers["clean_return"] = float(clean.sum() / clean.shape[1])
        return {name: value for name, value in numbers.items() if name in names}

    def decision_weights(self, discount: float) -> FloatArray:
        """(T, B) weights gamma^t of the policy's own decisions, zero for all others, and with SBPR those of its episodes."""
        weights = self.discounted(discount) * self.chosen
        return weights if self.deviations is None else weights * self.deviations.weights_of(self.agent)

    def _fill(self) -> None:
        """Put what was taken in into the arrays, and let go of the messages."""
        observed = self._observed
        _join([message.observation for message in observed], self.states)
        # Nothing led to the first step.
        _join([message.reward for message in observed], self.rewards, skipped=self.states.shape[1])
        _join([message.flags for message in observed], self._flags, skipped=self.states.shape[1])
        if self.hops is not None:
            _join([message.hops for message in observed if message.hops is not None], self.hops)
        if self.mask is not None:
            _join([message.mask for message in observed if message.mask is not None], self.mask)
        _join(self._contexts, self.context)
        _join(self._actions, self.actions)
        _put_executed(observed, self.actions)
        for taken_in in (observed, self._contexts, self._actions):
            taken_in.clear()

    def part(self, first: int, last: int) -> Rollout:
        """The steps ``first`` to ``last`` - 1 and the decision after them, as views; the whole rollout is its own part."""
        if (first, last) == (0, self.steps):
            return self
        part = Rollout.__new__(Rollout)
        part.agent, part.steps, part._flags = self.agent, last - first, self._flags[first:last]
        decisions, steps = slice(first, last + 1), slice(first, last)
        part.states, part.actions, part.context = self.states[decisions], self.actions[decisions], self.context[decisions]
        part.rewards, part.alive, part.bootstrap = self.rewards[steps], self.alive[steps], self.bootstrap[steps]
        part.chosen, part.deviations = self.chosen[steps], self.deviations
        part.replaced_share = self.replaced_share
        return part

    def counted_states(self, occupancy: str) -> NDArray[Any]:
        """(T, B) the own state that the occupancy pairs with each action: ``before`` the step or ``after`` it."""
        return counted_states(self.states, occupancy)

    def discounted(self, discount: float) -> FloatArray:
        """(T, B) weights gamma^t, zero for steps after the agent's part in a copy ended."""
        powers = discount ** np.arange(self.steps, dtype=np.float64)
        return np.ascontiguousarray(np.broadcast_to(powers[:, None], self.rewards.shape)) * self.alive


def _put_executed(observed: Sequence[Step], actions: NDArray[Any]) -> None:
    """Put the executed actions that Steps carry in the place of those that were decided, (T + 1, B, *shape)."""
    rows = actions.reshape(-1, *actions.shape[2:])
    # A Step tells what was executed one step, of B rows, earlier.
    first = -actions.shape[1]
    for message in observed:
        last = first + len(message.flags)
        if message.executed is not None:
            replaced = (message.flags & REPLACED) != 0
            rows[first:last][replaced] = message.executed[replaced]
        first = last


def _join(parts: Sequence[Any], whole: NDArray[Any], skipped: int = 0) -> None:
    """Put arrays (B, ...), or (k B, ...) of k steps, one behind the other into ``whole`` (T, B, ...); the first ``skipped`` stay out."""
    if parts:
        if isinstance(parts[0], bytes):
            parts = [np.frombuffer(b"".join(parts), np.uint8)]
        rows = whole.reshape(whole.shape[0] * whole.shape[1], *whole.shape[2:])
        parts = [parts[0][skipped:], *parts[1:]]
        np.concatenate(parts, out=rows[: sum(map(len, parts))])


def room(space: Space, steps: int, copies: int) -> NDArray[Any]:
    """(steps, copies, *shape) uninitialised values of a space, in the dtype in which they travel."""
    return np.empty((steps, copies, *space_shape(space)), dtype=space_dtype(space))


def counted_states(states: NDArray[Any], occupancy: str) -> NDArray[Any]:
    """Of states (T + 1, B), those that the occupancy pairs with the T executed actions."""
    return states[1:] if occupancy == "after" else states[:-1]
