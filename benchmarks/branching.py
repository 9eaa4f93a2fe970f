"""Power by branching: clone a state, force one agent's action, roll on with common random numbers, and see what everybody gets.

It shares no code with what the agents measure: no critics, no messages, no visits of a run.  It needs the environment itself, which agents
never have, and many rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import NetworkedMDP
from netagents.environments.spaces import Discrete
from netagents.policies import Policy

FloatArray = NDArray[np.float64]


class BranchedPower(NamedTuple):
    """Realized one-step power of one agent over everybody, averaged over visits.

    Attributes:
        low, high: (n,) the worst action chosen and valued by different rollouts, and by the same ones: the truth lies between.
        error: (n,) standard error of their middle over visits.
    """

    low: FloatArray
    high: FloatArray
    error: FloatArray

    @property
    def middle(self) -> FloatArray:
        """(n,) the estimate."""
        return 0.5 * (self.low + self.high)


class Brancher:
    """Frozen policies in an environment that can be branched.

    Args:
        environment: with finite actions, and no end within an episode.
        policies: one per agent.
        horizon: visits are drawn evenly from the steps 0..horizon - 1, as agents weigh theirs.
        discount: gamma.
        seed: of all its randomness.
        visits: states that are branched.
        replicates: rollouts from each of them, an even number.
        tail: what may be left of the discount where a rollout is cut.
    """

    def __init__(
        self,
        environment: NetworkedMDP,
        policies: Sequence[Policy],
        horizon: int,
        discount: float,
        seed: int,
        visits: int = 2000,
        replicates: int = 8,
        tail: float = 0.05,
    ) -> None:
        self.environment, self.policies, self.discount = environment, tuple(policies), discount
        self.visits, self.replicates = visits, replicates
        self._seed, self._length = seed, int(np.ceil(np.log(tail) / np.log(discount)))
        generator = np.random.default_rng([seed, 0])
        state = environment.reset(generator.random((visits, *environment.spec.reset_noise)))
        stops = generator.integers(0, horizon, visits)
        self._state = state.copy()
        self._actions = self._decide(state, generator)
        for step in range(1, horizon):
            taken = self._decide(state, generator) if step > 1 else self._actions
            noise = generator.random((visits, *environment.spec.step_noise))
            state = environment.step(state, taken, noise).state
            here = stops == step
            self._state[here] = state[here]
        self._actions = self._decide(self._state, generator)

    def power_of(self, holder: int) -> BranchedPower:
        """Power of one agent over everybody."""
        space = self.environment.spec.action_spaces[holder]
        assert isinstance(space, Discrete), "branching tries every action"
        values = np.stack([self._value(holder, action) for action in range(space.size)])
        played = self._actions[holder].astype(np.int64)
        halves = values.reshape(space.size, self.visits, 2, self.replicates // 2, -1).mean(axis=3)
        own = halves[played, np.arange(self.visits)]
        low = np.zeros(own[:, 0].shape)
        for chooser in (0, 1):
            worst = halves[:, :, chooser].argmin(axis=0)[None]
            low += 0.5 * (own[:, 1 - chooser] - np.take_along_axis(halves[:, :, 1 - chooser], worst, axis=0)[0])
        whole = halves.mean(axis=2)
        high = own.mean(axis=1) - whole.min(axis=0)
        error = (0.5 * (low + high)).std(axis=0, ddof=1) / np.sqrt(self.visits)
        return BranchedPower(low.mean(axis=0), high.mean(axis=0), error)

    def _value(self, holder: int, action: int) -> FloatArray:
        """(visits * replicates, n) discounted rewards after ``holder`` played one action, and everybody their policy from then on.

        The random numbers are those of every other action.
        """
        environment, copies = self.environment, self.visits * self.replicates
        generator = np.random.default_rng([self._seed, 1])
        state = np.repeat(self._state, self.replicates, axis=0)
        actions = [np.repeat(each, self.replicates, axis=0) for each in self._actions]
        actions[holder] = np.full(copies, action, dtype=actions[holder].dtype)
        total = np.zeros((copies, environment.spec.n))
        for step in range(self._length):
            after = environment.step(state, actions, generator.random((copies, *environment.spec.step_noise)))
            if after.terminated.any():
                raise ValueError("an episode ended; branching is for environments that go on")
            total += self.discount**step * after.rewards
            state = after.state
            actions = self._decide(state, generator)
        return total

    def _decide(self, state: NDArray[Any], generator: np.random.Generator) -> list[NDArray[Any]]:
        observations = self.environment.observe(state)
        return [
            policy.act(policy.context([observations[j] for j in policy.window]), policy.noise(generator, 1, len(state))[0]).astype(np.int64)
            for policy in self.policies
        ]
