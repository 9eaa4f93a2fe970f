"""A utility and an environment that are right at first and wrong later, in a way of the caller's choice."""

from __future__ import annotations

import numpy as np

from netagents.environments import Discrete, EnvironmentSpec, NetworkedMDP, Transition
from netagents.utilities import Utility

WRONG = {
    "shape": lambda table: table[:1],
    "nan": lambda table: np.full_like(table, np.nan),
    "text": lambda _: "steep",
    "raise": lambda table: table / np.zeros(3),
}


class Turning(Utility):
    """Linear, and wrong from the fourth gradient on."""

    def __init__(self, state_size, action_size, discount, how):
        super().__init__(state_size, action_size, discount)
        self.how, self.calls = how, 0

    def value(self, occupancy):
        return float(occupancy.sum())

    def gradient(self, occupancy):
        self.calls += 1
        table = np.ones_like(occupancy)
        return table if self.calls < 20 else WRONG[self.how](table)


class Drifting(NetworkedMDP):
    """Everybody keeps its bit; in step 3 something is wrong."""

    def __init__(self, topology, how="", spec=True):
        self.topology, self.how = topology, how
        n = topology.n
        own = tuple((i,) for i in range(n))
        if spec:
            both = (Discrete(2),) * n
            self.spec = EnvironmentSpec("drifting", both, both, 5, 0.9, (n,), (0,), 1, own, own)

    def reset(self, noise):
        self.time = 0
        return (noise < 0.5).astype(np.int64)

    def step(self, state, _actions, _noise):
        self.time += 1
        wrong = self.how if self.time == 3 else ""
        rewards = np.ones(state.shape, dtype=np.float32 if wrong == "dtype" else np.float64)
        over = np.zeros(len(state), dtype=bool)
        if wrong == "raise":
            raise KeyError("no such road")
        if wrong == "dictionary":
            return {"state": state}
        if wrong == "nan":
            rewards[0, 1] = np.nan
        return Transition(state, rewards, over, over)

    def observe(self, state):
        columns = [np.ascontiguousarray(state[:, i]) for i in range(self.topology.n)]
        if self.time == 3 and self.how == "index":
            columns[1] = columns[1] + 5
        return columns
