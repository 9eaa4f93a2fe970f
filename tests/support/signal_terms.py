"""Terms of the learning signal and an algorithm for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netagents.learning import AlgorithmFacts, NetworkedAgent, SignalBatch, SignalTerm
from netagents.learning.protocol.requests import Turns


class Counting(SignalTerm):
    """1 where an index action is 1, or the first number of a box is positive; counts iterations as its state."""

    metrics = ("seen",)

    def __init__(self, agent: int, setup: Any, scale: float = 1.0) -> None:
        super().__init__(agent, setup)
        self.scale, self.count = scale, 0

    def values(self, batch: SignalBatch) -> Any:
        actions = batch.own.actions[:-1].reshape(*batch.shape, -1)[..., 0]
        self.count += 1
        return self.scale * (actions > 0).astype(np.float64)

    def numbers(self) -> Mapping[str, float]:
        return {"seen": self.count}

    def arrays(self) -> dict[str, Any]:
        return {"seen": np.array([self.count])}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self.count = int(arrays["seen"][0])


class TaskAgain(SignalTerm):
    """The task reward once more."""

    def values(self, batch: SignalBatch) -> Any:
        return batch.rollout.rewards.copy()


class Asking(SignalTerm):
    """Asks for everything that a batch offers, and keeps the answers for the test that looks at them."""

    answers: dict[int, list[Any]] = {}  # noqa: RUF012 - the test reads it from the class

    def values(self, batch: SignalBatch) -> Any:
        each = {j: (batch.critic.alternatives(j), batch.critic.known(j)) for j in batch.window}
        Asking.answers.setdefault(self.agent, []).append((batch, batch.critic.values(), each, batch.action_probabilities()))
        return np.zeros(batch.shape)


class Wrong(SignalTerm):
    """Gives whole numbers of another shape."""

    def values(self, batch: SignalBatch) -> Any:
        return np.zeros(batch.shape[1], dtype=np.int64)


class Silent(NetworkedAgent):
    """An algorithm that samples, exchanges nothing but states and learns nothing."""

    facts = AlgorithmFacts(kinds=frozenset(), metrics=("luck",))

    def __init__(self, index: int, setup: Any, reported: str = "luck") -> None:
        super().__init__(index, setup)
        self.reported = reported

    def iterate(self, iteration: int) -> Turns:
        rollout = yield from self.sample(iteration)
        self.report(iteration, rollout, {self.reported: float(self.index)})


class ForNetworks(Silent):
    """The same, for networks alone."""

    facts = AlgorithmFacts(policies=frozenset({"networks"}))
