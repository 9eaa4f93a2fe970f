"""What one agent remembers of one iteration's batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NumericalError
from netagents.messages import Step

FloatArray = NDArray[np.float64]

TERMINATED, TRUNCATED, ENDED = 1, 2, 4
"""Bits of :attr:`netagents.messages.Step.flags`."""


class Rollout:
    """T steps of B copies as one agent saw them, plus the last, unexecuted decision.

    Attributes:
        states, actions: (T + 1, B) own indices.
        context: (T + 1, B) int64 row of the policy table.
        rewards: (T, B) own task rewards.
        alive: (T, B) the copy had not ended before the step.
        bootstrap: (T, B) 0 where the step ended in a terminal state, else 1.
    """

    def __init__(self, agent: int, steps: int, copies: int, state_dtype: np.dtype[Any], action_dtype: np.dtype[Any]) -> None:
        self.agent = agent
        self.steps = steps
        self.states: NDArray[Any] = np.empty((steps + 1, copies), dtype=state_dtype)
        self.actions: NDArray[Any] = np.empty((steps + 1, copies), dtype=action_dtype)
        self.context = np.empty((steps + 1, copies), dtype=np.int64)
        self.rewards: FloatArray = np.zeros((steps, copies))
        self.alive = np.ones((steps, copies), dtype=np.bool_)
        self.bootstrap: FloatArray = np.ones((steps, copies))
        self.any_ended = False

    def observe(self, step: int, message: Step) -> None:
        """Take in the environment's message of one step.

        Raises:
            NumericalError: a reward is not finite.
        """
        self.states[step] = message.observation
        if step == 0:
            return
        if not np.isfinite(message.reward).all():
            raise NumericalError("reward is not finite", where=f"agent {self.agent}, step {step}", fix="mend the environment")
        self.rewards[step - 1] = message.reward
        if message.flags.any():
            self.any_ended = True
            self.bootstrap[step - 1] = (message.flags & TERMINATED) == 0
            if step < self.steps:
                self.alive[step:] &= ((message.flags & (TERMINATED | TRUNCATED | ENDED)) == 0)[None, :]

    def discounted(self, discount: float) -> FloatArray:
        """(T, B) weights gamma^t, zero for steps after a copy ended."""
        powers = discount ** np.arange(self.steps, dtype=np.float64)
        return np.ascontiguousarray(np.broadcast_to(powers[:, None], self.rewards.shape)) * self.alive
