"""The frozen agent: it plays a policy that never changes, and tells others only what their radii ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.requests import Turns
from netagents.learning.protocol.setup import Setup
from netagents.messages import Kind, Trace
from netagents.policies import Policy


class GreedyPlay(Policy):
    """A policy that plays the most probable action of another one.

    Args:
        own: the policy of the agent.
    """

    def __init__(self, own: Policy) -> None:
        self.own = own
        self.window, self.component, self.units = own.window, own.component, own.units  # type: ignore[misc]

    def contexts_of(self, steps: int, copies: int) -> NDArray[Any]:
        return self.own.contexts_of(steps, copies)

    def noise(self, generator: np.random.Generator, steps: int, copies: int) -> NDArray[np.float64]:
        return self.own.noise(generator, steps, copies)

    def context(self, states: Sequence[NDArray[Any]], *near: Any) -> NDArray[Any]:
        return self.own.context(states, *near)

    def initial_memory(self, copies: int) -> NDArray[Any] | None:
        return self.own.initial_memory(copies)

    def next_context(self, memory: NDArray[Any] | None, states: Sequence[NDArray[Any]], *near: Any) -> NDArray[Any]:
        return self.own.next_context(memory, states, *near)

    def memory_of(self, context: Any) -> NDArray[Any] | None:
        return self.own.memory_of(context)

    def act(self, context: Any, noise: NDArray[np.float64], mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:  # noqa: ARG002
        """The most probable action per copy, whatever the noise."""
        return self.own.greedy(context, mask)

    def greedy(self, context: Any, *mask: Any) -> NDArray[Any]:
        return self.own.greedy(context, *mask)

    def load(self, parameters: NDArray[Any]) -> None:
        """Nothing: the parameters are those of the other policy."""


class FrozenAgent(NetworkedAgent):
    """An agent that does not learn: no critics, no power readings, no values for others.

    Args:
        index: i.
        setup: what all agents share.
    """

    def __init__(self, index: int, setup: Setup) -> None:
        super().__init__(index, setup)
        if setup.frozen[index]:
            self.substitute = GreedyPlay(self.policy)

    def iterate(self, iteration: int) -> Turns:
        """One iteration: sample, trace, report."""
        setup = self.setup
        whole = yield from self.sample(iteration)
        rollout = whole.part(0, setup.horizon)
        further = whole.part(setup.horizon, setup.steps) if setup.evaluation_steps else rollout
        if Kind.TRACE in setup.kind_reach:
            yield from self.share(iteration, Kind.TRACE, Trace(rollout.states, rollout.actions), hops=rollout.hops)
            if setup.evaluation_steps:
                yield from self.share(iteration, Kind.TRACE, Trace(further.states, further.actions), 1)
        paid = yield from self.paid(iteration, further, None if rollout.hops is None else rollout.hops[:-1])
        numbers = {"paid": float((paid * further.alive).sum() / setup.batch)} if setup.pay else {}
        self.report(iteration, rollout, numbers)
