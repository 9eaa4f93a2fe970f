"""One iteration on tables worked out with loops and dictionaries, from what the environment was asked and what it answered.

Nothing here runs an agent: joint states, executed actions and rewards are those that a :class:`WatchedLine` saw, and what a policy would
have done is drawn again from its random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netagents.environments.builtin.line_msg import LineMsg
from netagents.environments.environment_session import EnvironmentSession, Returns
from netagents.environments.networked_mdp import Transition
from netagents.messages import Step
from netagents.randomness import Purpose, stream

Forced = Mapping[tuple[int, int], Sequence[int]]
"""(step, agent) -> per copy the action that is executed instead of the agent's own; -1 leaves its own."""


class WatchedLine(LineMsg):
    """The message chain, which notes every step, and of which agents may end one by one.

    Args:
        topology: a line.
        ends: (step, agent) -> copies in which the agent's part ends with that step.
    """

    def __init__(self, topology: Any, ends: Mapping[tuple[int, int], Sequence[int]] | None = None) -> None:
        super().__init__(topology)
        self.ends = ends or {}

    def reset(self, noise: Any) -> Any:
        self.states: list[Any] = [super().reset(noise)]
        self.actions: list[Any] = []
        self.rewards: list[Any] = []
        return self.states[0]

    def step(self, state: Any, actions: Any, noise: Any) -> Transition:
        after = super().step(state, actions, noise)
        step = len(self.actions)
        terminated = np.zeros(after.rewards.shape, dtype=np.bool_)
        for (at, agent), copies in self.ends.items():
            if at == step:
                terminated[list(copies), agent] = True
        self.states.append(np.array(after.state))
        self.actions.append(np.stack([np.array(each) for each in actions], axis=1))
        self.rewards.append(np.array(after.rewards))
        return after._replace(terminated=terminated, truncated=np.zeros_like(terminated)) if self.ends else after


class Replacing:
    """A session some of whose actions somebody else chooses."""

    def __init__(self, session: EnvironmentSession, forced: Mapping[int, Mapping[tuple[int, int], Any]]) -> None:
        self.inner, self.forced = session, forced
        self.batch = session.batch

    def begin(self, iteration: int) -> list[Step]:
        self.now, self.step = self.forced.get(iteration, {}), 0
        return self.inner.begin(iteration)

    def advance(self, actions: Sequence[Any]) -> list[Step]:
        played = [np.array(each) for each in actions]
        replaced = {}
        for (step, agent), instead in self.now.items():
            if step == self.step:
                expected = np.asarray(instead)
                which = (
                    (expected >= 0).reshape(self.batch, -1).any(axis=1) if expected.dtype.kind == "i" else ~np.isnan(expected).any(axis=1)
                )
                played[agent][which] = expected[which].astype(played[agent].dtype)
                replaced[agent] = which
        self.step += 1
        return self.inner.advance(played, replaced)

    def settle(self) -> None:
        self.inner.settle()

    def returns(self) -> Returns:
        return self.inner.returns()


class ByHand:
    """What the first iteration of n tabular agents on a line has to come to.

    Args:
        line: after the iteration.
        forced: whose actions were replaced.
        seed, kappa, gamma: of the run; all three radii are kappa.
        credit, baseline, step_size, bound: below learning.
        entropy: weight of the entropy of own states (floor 1e-6); 0 for a pure task.
        evaluation: the last so many steps are those of fresh evaluation; 0 where the batch itself is relabelled.

    Attributes:
        executed: (T, B, n). own: (T + 1, B, n) what each policy drew. alive, chosen: (T, B, n).
        values: per agent (H, B) of its truncated Q. logits: per agent (X, 2) after the step.
        unevaluated: per agent the share of living steps whose keys only the batch has met.
    """

    def __init__(
        self,
        line: WatchedLine,
        forced: Forced,
        *,
        seed: int,
        kappa: int,
        gamma: float,
        credit: str,
        baseline: bool,
        step_size: float,
        bound: float = 2.5,
        sweeps: int = 10,
        entropy: float = 0.0,
        evaluation: int = 0,
    ) -> None:
        self.states = np.stack(line.states)
        self.executed = np.stack(line.actions)
        self.steps, self.copies, self.n = self.executed.shape
        self.horizon = self.steps - evaluation
        self.gamma, self.seed = gamma, seed
        steps, copies, n = self.executed.shape
        drawn = [stream(seed, i, Purpose.ACTIONS, 0).random((steps + 1, copies)) for i in range(n)]
        # Untrained policies play either action with probability 1/2.
        self.own = np.stack([(uniforms >= 0.5).astype(np.int64) for uniforms in drawn], axis=2)
        ended_at = np.full((copies, n), steps + 1)
        for (step, agent), which in line.ends.items():
            ended_at[list(which), agent] = step
        self.ended_at = ended_at
        self.alive = np.array([ended_at >= step for step in range(steps)])
        self.chosen = self.alive.copy()
        for (step, agent), instead in forced.items():
            self.chosen[step, np.asarray(instead) >= 0, agent] = False
        self.rewards = np.where(self.alive, np.stack(line.rewards), 0.0)
        self.windows = [tuple(j for j in range(n) if abs(i - j) <= kappa) for i in range(n)]
        self.occupancies = [self._occupancy(i) for i in range(n)]
        self.signals = [self._signal(i, entropy) for i in range(n)]
        shared = credit == "shared_q"
        credited = self.signals if shared else [sum(self.signals[j] for j in window) for window in self.windows]
        self.unevaluated = [0.0] * n
        self.values = [self._values(i, credited[i], sweeps) for i in range(n)]
        summed = [sum(self.values[j] for j in window) for window in self.windows] if shared else self.values
        self.gradients = [self._gradient(i, summed[i], baseline) for i in range(n)]
        self.logits = [np.clip(step_size * gradient, -bound, bound) for gradient in self.gradients]

    def team_return(self) -> float:
        """Mean over copies of the mean over agents of all rewards."""
        return float(self.rewards[: self.horizon].sum(axis=0).mean())

    def utility(self, agent: int) -> float:
        """Entropy of the agent's own states."""
        p = (1.0 - self.gamma) * self.occupancies[agent].sum(axis=1)
        return float(-(p * np.log(p + 1e-6)).sum())

    def _occupancy(self, i: int) -> Any:
        table = np.zeros((2, 2))
        for t in range(self.horizon):
            for b in range(self.copies):
                if self.alive[t, b, i]:
                    table[self.states[t, b, i], self.executed[t, b, i]] += self.gamma**t / self.copies
        return table

    def _signal(self, i: int, entropy: float) -> Any:
        signal = self.rewards[:, :, i].copy()
        for t in range(self.steps):
            for b in range(self.copies):
                if self.alive[t, b, i] and entropy:
                    p = (1.0 - self.gamma) * self.occupancies[i][self.states[t, b, i]].sum()
                    signal[t, b] += entropy * (1.0 - self.gamma) * -(math.log(p + 1e-6) + p / (p + 1e-6))
        return signal

    def _key(self, i: int, t: int, b: int) -> tuple[int, ...]:
        actions = self.executed[t] if t < self.steps else self.own[t]
        return (*(int(self.states[t, b, j]) for j in self.windows[i]), *(int(actions[b, j]) for j in self.windows[i]))

    def _values(self, i: int, signal: Any, sweeps: int) -> Any:
        known: dict[tuple[int, ...], float] = {}
        first = 0 if self.horizon == self.steps else self.horizon
        steps = [(t, b) for t in range(first, self.steps) for b in range(self.copies) if self.alive[t, b, i]]
        for _ in range(sweeps):
            goals: dict[tuple[int, ...], list[float]] = {}
            for t, b in steps:
                ahead = 0.0 if self.ended_at[b, i] == t else known.get(self._key(i, t + 1, b), 0.0)
                goals.setdefault(self._key(i, t, b), []).append(signal[t, b] + self.gamma * ahead)
            known = {key: sum(each) / len(each) for key, each in goals.items()}
        values = np.zeros((self.horizon, self.copies))
        living = [(t, b) for t in range(self.horizon) for b in range(self.copies) if self.alive[t, b, i]]
        for t, b in living:
            # Forward along the trajectory until a key that was evaluated.
            discount, now = 1.0, t
            while now < self.horizon and self.ended_at[b, i] >= now and self._key(i, now, b) not in known:
                values[t, b] += discount * signal[now, b]
                discount, now = discount * self.gamma, now + 1
            if self.ended_at[b, i] >= now or now == t:
                values[t, b] += discount * known.get(self._key(i, now, b), 0.0)
        self.unevaluated[i] = sum(self._key(i, t, b) not in known for t, b in living) / len(living)
        return values

    def _gradient(self, i: int, summed: Any, baseline: bool) -> Any:
        shape = (2,) * len(self.windows[i])
        gradient = np.zeros((2 ** len(shape), 2))
        rows = [
            (int(np.ravel_multi_index([self.states[t, b, j] for j in self.windows[i]], shape)), t, b)
            for t in range(self.horizon)
            for b in range(self.copies)
            if self.chosen[t, b, i]
        ]
        for x, t, b in rows:
            below = self._baseline(x, i, rows, summed) if baseline else 0.0
            score = np.full(2, -0.5)
            score[self.own[t, b, i]] += 1.0
            gradient[x] += self.gamma**t / self.copies / self.n * (summed[t, b] - below) * score
        return gradient

    def _baseline(self, x: int, i: int, rows: Any, summed: Any) -> float:
        means = []
        for a in range(2):
            met = [(self.gamma**t, summed[t, b]) for at, t, b in rows if at == x and self.own[t, b, i] == a]
            if met:
                means.append(sum(w * q for w, q in met) / sum(w for w, _ in met))
        return sum(means) / len(means)
