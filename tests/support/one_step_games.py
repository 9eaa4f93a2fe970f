"""Games of one step and two agents whose solutions are known, for learners of deterministic policies and their robust relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from netagents.environments import Discrete, EnvironmentSpec, NetworkedMDP, Transition
from netagents.environments.spaces import Box


class Product(NetworkedMDP):
    """Actions a, b in [-1, 1]; agent 0 is paid a b - a^2 / 2 and agent 1 pays (b - level)^2.

    Agent 1 plays b = level, and the best answer to b is a = b.  Against the worst b within epsilon of level, agent 0's best is
    a = level - epsilon: the minimum over b of a b - a^2 / 2 is a (level - epsilon) - a^2 / 2 for a > 0.
    """

    def __init__(self, topology: Any, level: float = 0.8) -> None:
        self.topology, self.level = topology, level
        both = (0, 1)
        box = (Box((1,), -1.0, 1.0),) * 2
        self.spec = EnvironmentSpec("product", (Discrete(1),) * 2, box, 1, 0.9, (2,), (2,), 0, (both,) * 2, (both,) * 2)

    def reset(self, noise: Any) -> Any:
        return np.zeros(noise.shape, dtype=np.int64)

    def step(self, state: Any, actions: Any, noise: Any) -> Transition:  # noqa: ARG002
        a, b = (action[:, 0] for action in actions)
        over = np.ones(len(state), dtype=bool)
        return Transition(state, np.stack([a * b - a * a / 2, -((b - self.level) ** 2)], axis=1), over, np.zeros_like(over))

    def observe(self, state: Any) -> list[Any]:
        return [np.ascontiguousarray(state[:, i]) for i in range(2)]


class Stag(NetworkedMDP):
    """Agent 0 is paid 1 for playing safe (0), else 2 where agent 1 helps (0) and -2 where it does not; agent 1 is paid 1 for helping.

    Agent 1 helps.  Agent 0 hunts (1) for 2; where agent 1 fails it with probability q, hunting is worth 2 - 4 q, less than being safe for
    q > 1/4.
    """

    def __init__(self, topology: Any) -> None:
        self.topology = topology
        both = (0, 1)
        self.spec = EnvironmentSpec("stag", (Discrete(1),) * 2, (Discrete(2),) * 2, 1, 0.9, (2,), (2,), 0, (both,) * 2, (both,) * 2)

    def reset(self, noise: Any) -> Any:
        return np.zeros(noise.shape, dtype=np.int64)

    def step(self, state: Any, actions: Any, noise: Any) -> Transition:  # noqa: ARG002
        safe, helps = (action == 0 for action in actions)
        paid = np.where(safe, 1.0, np.where(helps, 2.0, -2.0))
        over = np.ones(len(state), dtype=bool)
        return Transition(state, np.stack([paid, helps.astype(np.float64)], axis=1), over, np.zeros_like(over))

    def observe(self, state: Any) -> list[Any]:
        return [np.ascontiguousarray(state[:, i]) for i in range(2)]
