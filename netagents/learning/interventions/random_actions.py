"""A scheduled fault of an agent's mind: it plays uniformly random actions for some iterations, and its policy stays as it is.

Its critics go on learning, because they are about what is executed and not about what the policy would have chosen; its neighbours
learn from what they see and hear as ever.  Its policy's gradient leaves these steps out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Discrete, Space, space_dtype, space_shape
from netagents.experiment.agent_fault_settings import RandomActionsFault
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.requests import Turns
from netagents.policies import Policy


class RandomPlay(Policy):
    """A policy that plays uniformly random actions; it reads what the one that it stands for reads.

    Args:
        own: the policy of the agent.
        space: of its actions.
    """

    def __init__(self, own: Policy, space: Space) -> None:
        self.own, self._space = own, space
        self.window, self.component, self.units = own.window, own.component, own.units  # type: ignore[misc]

    def contexts_of(self, steps: int, copies: int) -> NDArray[Any]:
        return self.own.contexts_of(steps, copies)

    def noise(self, generator: np.random.Generator, steps: int, copies: int) -> NDArray[np.float64]:
        """(steps, copies, *shape) uniforms on [0, 1)."""
        return generator.random((steps, copies, *space_shape(self._space)))

    def context(self, states: Sequence[NDArray[Any]], *near: Any) -> NDArray[Any]:
        return self.own.context(states, *near)

    def initial_memory(self, copies: int) -> NDArray[Any] | None:
        return self.own.initial_memory(copies)

    def next_context(self, memory: NDArray[Any] | None, states: Sequence[NDArray[Any]], *near: Any) -> NDArray[Any]:
        return self.own.next_context(memory, states, *near)

    def memory_of(self, context: Any) -> NDArray[Any] | None:
        return self.own.memory_of(context)

    def act(self, context: Any, noise: NDArray[np.float64], mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:  # noqa: ARG002
        """Uniform over all actions, over the legal ones where some are not, or over a box (within [-1, 1] where it has no bounds)."""
        return uniform_actions(self._space, noise, mask)

    def greedy(self, context: Any, *mask: Any) -> NDArray[Any]:
        return self.own.greedy(context, *mask)

    def load(self, parameters: NDArray[Any]) -> None:
        """Nothing: there are no parameters."""


def uniform_actions(space: Space, uniforms: NDArray[np.float64], mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Uniformly random actions.

    Args:
        space: of the actions.
        uniforms: (B, *shape) on [0, 1).
        mask: (B, A) legal actions; None where all are.

    Returns:
        (B,) indices or (B, *shape) values.
    """
    if not isinstance(space, Discrete):
        low, high = max(space.low, -1.0), min(space.high, 1.0)
        return np.asarray(low + uniforms * (high - low), dtype=np.float64)
    if mask is None:
        return (uniforms * space.size).astype(space_dtype(space))
    # The k-th legal action, k uniform.
    k = (uniforms * mask.sum(axis=1)).astype(np.int64)
    chosen: NDArray[Any] = (mask.cumsum(axis=1) > k[:, None]).argmax(axis=1).astype(space_dtype(space))
    return chosen


def beginning(agent: NetworkedAgent) -> Callable[[int], Turns]:
    """What begins an iteration of an agent: its own method, or one that heeds the scheduled random actions."""
    experiment = agent.setup.experiment
    faults = [fault for fault in experiment.faults_of(agent.index) if isinstance(fault, RandomActionsFault)]
    if not faults:
        return agent.iterate

    def begin(iteration: int) -> Turns:
        return _randomly(agent, iteration) if any(fault.covers(iteration) for fault in faults) else agent.iterate(iteration)

    return begin


def _randomly(agent: NetworkedAgent, iteration: int) -> Turns:
    before = agent.substitute
    agent.substitute = RandomPlay(agent.policy, agent.setup.spec.action_spaces[agent.index])
    try:
        yield from agent.iterate(iteration)
    finally:
        agent.substitute = before
