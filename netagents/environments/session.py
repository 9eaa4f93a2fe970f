"""An environment in use: B copies advanced through an iteration, with counter-based noise, one message per agent and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.contract import FloatArray, NetworkedMDP
from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError, NumericalError
from netagents.messages import Step, index_dtype
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

TERMINATED, TRUNCATED, ENDED = np.uint8(1), np.uint8(2), np.uint8(4)


class Returns(NamedTuple):
    """Returns of one iteration over B copies.

    Attributes:
        team: (B,) mean over agents of the undiscounted sum of rewards.
        discounted: (B,) mean over agents of the discounted sum of rewards.
    """

    team: FloatArray
    discounted: FloatArray


class EnvironmentSession:
    """Steps B copies of an environment.

    Args:
        environment: the networked MDP.
        batch: B.
        discount: gamma, for the discounted returns.
        seed: the run's seed.
        counted: steps of an iteration that enter its returns (default: all).
    """

    def __init__(self, environment: NetworkedMDP, batch: int, discount: float, seed: int, counted: int | None = None) -> None:
        self.environment = environment
        self.batch = batch
        self.discount = discount
        self.seed = seed
        self._counted = counted
        spec = environment.spec
        self._dtypes: list[np.dtype[Any]] = [
            index_dtype(space.size) if isinstance(space, Discrete) else np.dtype(np.float64) for space in spec.state_spaces
        ]
        self._action_sizes = [space.size if isinstance(space, Discrete) else 0 for space in spec.action_spaces]
        self._bounds = np.array([[size or 1] for size in self._action_sizes])

    def begin(self, iteration: int) -> list[Step]:
        """Reset all copies for an iteration; one message per agent, for step 0."""
        spec, seed = self.environment.spec, self.seed
        self._noise = stream(seed, ENVIRONMENT_OWNER, Purpose.DYNAMICS, iteration)
        reset = stream(seed, ENVIRONMENT_OWNER, Purpose.RESET, iteration).random((self.batch, *spec.reset_noise))
        self._state = self.environment.reset(reset)
        self._ended = np.zeros(self.batch, dtype=np.bool_)
        self._team = np.zeros(self.batch)
        self._discounted = np.zeros(self.batch)
        self._step = 0
        return self._messages(np.zeros((self.batch, spec.n)), np.zeros(self.batch, dtype=np.uint8))

    def advance(self, actions: Sequence[NDArray[Any]]) -> list[Step]:
        """Apply one joint action, one (B,) array per agent; one message per agent, for the step it leads to.

        Raises:
            EnvironmentMismatchError: an action is out of range.
            NumericalError: the environment gave a reward that is not finite.
        """
        spec = self.environment.spec
        whole = self._checked(actions)
        noise = self._noise.random((self.batch, *spec.step_noise))
        after = self.environment.step(self._state, whole, noise)
        if not np.isfinite(after.rewards).all():
            agent = int(np.flatnonzero(~np.isfinite(after.rewards).all(axis=0))[0])
            raise NumericalError(
                "the environment gave a reward that is not finite",
                where=f"agent {agent}, step {self._step}",
                fix="rewards must be finite numbers",
            )
        self._state = after.state
        rewards = np.where(self._ended[:, None], 0.0, after.rewards)
        mean = rewards.mean(axis=1)
        if self._counted is None or self._step < self._counted:
            self._team += mean
            self._discounted += self.discount**self._step * mean
        self._step += 1
        flags = after.terminated * TERMINATED | after.truncated * TRUNCATED
        flags = np.where(self._ended, ENDED, flags).astype(np.uint8)
        self._ended |= after.terminated | after.truncated
        return self._messages(rewards, flags)

    def _checked(self, actions: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The actions as the environment takes them; finite ones are checked all at once, since this runs every step."""
        joint = np.empty((len(self._action_sizes), self.batch), dtype=np.int64)
        whole: list[NDArray[Any]] = []
        for row, chosen, size in zip(joint, actions, self._action_sizes, strict=True):
            if size:
                row[:] = chosen
                whole.append(row)
            else:
                row[:] = 0
                whole.append(chosen)
        beyond = (joint < 0) | (joint >= self._bounds)
        if beyond.any():
            agent, copy = (int(place) for place in np.argwhere(beyond)[0])
            raise EnvironmentMismatchError(
                f"action {joint[agent, copy]}",
                where=f"agent {agent}, step {self._step}",
                fix=f"actions are 0..{self._action_sizes[agent] - 1}",
            )
        return whole

    def returns(self) -> Returns:
        """Returns of the iteration so far."""
        return Returns(self._team.copy(), self._discounted.copy())

    def _messages(self, rewards: FloatArray, flags: NDArray[np.uint8]) -> list[Step]:
        observed = self.environment.observe(self._state)
        columns = np.ascontiguousarray(rewards.T)
        return [
            Step(np.ascontiguousarray(view, dtype=dtype), columns[agent], flags)
            for agent, (view, dtype) in enumerate(zip(observed, self._dtypes, strict=True))
        ]
