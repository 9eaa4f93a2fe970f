"""Players of frozen policies, without learning and without messages: what each would have heard is read from the session's own steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.spaces import space_dtype
from netagents.learning.protocol.contact_filter import ContactFilter
from netagents.learning.protocol.information_age import Ages, is_aged
from netagents.learning.protocol.setup import Setup
from netagents.messages import Kind, Step
from netagents.policies import Policy

FloatArray = NDArray[np.float64]
Memories = Sequence[NDArray[Any] | None]
"""Per agent (B, U) what its policy remembers of earlier steps; None for a policy without memory."""

Choose = Callable[[int, int, Sequence[Step]], NDArray[Any]]
"""(agent, step, the messages of this step) -> (B, ...) actions."""


class Move(NamedTuple):
    """One step of a session: everybody's messages before it, everybody's (B, ...) actions, and the messages after it."""

    before: Sequence[Step]
    actions: list[NDArray[Any]]
    after: Sequence[Step]


class Players:
    """All agents' policies, deciding from one step's messages as their agents would.

    Args:
        setup: what all agents share.
        policies: one per agent.
    """

    def __init__(self, setup: Setup, policies: Sequence[Policy]) -> None:
        self.policies = tuple(policies)
        moving = setup.spec.capabilities.moving
        self._nearby = [ContactFilter(setup, agent) for agent in range(setup.n)] if moving else None
        self._ages = [Ages(setup, agent, policy.window) for agent, policy in enumerate(self.policies)] if is_aged(setup) else None
        self._past: list[Sequence[Step]] = []
        self._contexts: dict[int, tuple[Sequence[Step], NDArray[Any] | None, NDArray[Any]]] = {}
        self._memories: Memories | None = None
        self._dtypes = [space_dtype(space) for space in setup.spec.action_spaces]

    def begin(self, memories: Memories | None = None) -> None:
        """New episodes: nobody has heard anything yet.

        Args:
            memories: what policies remember where an episode is taken up in its middle.
        """
        self._past.clear()
        self._contexts.clear()
        self._memories = memories

    def memories(self, messages: Sequence[Step]) -> list[NDArray[Any] | None]:
        """What policies remember of the steps before ``messages``; those with memory have been asked at each of these."""
        return [self._memory(agent, messages) for agent in range(len(self.policies))]

    def play(self, session: EnvironmentSession, episode: int, steps: int, choose: Choose) -> Iterator[Move]:
        """The moves of one episode of all copies; ``choose`` is asked for each agent in order.

        Args:
            session: begins anew.
            episode: names the random numbers of the environment.
            steps: how many are played.
            choose: gives the actions.
        """
        self.begin()
        before = session.begin(episode)
        for step in range(steps):
            actions = [choose(agent, step, before) for agent in range(len(self.policies))]
            after = session.advance(actions)
            yield Move(before, actions, after)
            before = after

    def returns(
        self, session: EnvironmentSession, episode: int, steps: int, discount: float, choose: Choose
    ) -> tuple[FloatArray, FloatArray]:
        """(B, n) returns of one episode of all copies, plain and discounted; see :meth:`play`."""
        shape = session.batch, len(self.policies)
        plain, discounted = np.zeros(shape), np.zeros(shape)
        for step, move in enumerate(self.play(session, episode, steps, choose)):
            rewards = np.column_stack([message.reward for message in move.after])
            plain += rewards
            discounted += discount**step * rewards
        return plain, discounted

    def draw(self, agent: int, messages: Sequence[Step], generator: np.random.Generator, drawn: int | None = None) -> NDArray[Any]:
        """An action of ``agent`` per copy, from the generator's next numbers; the first of those for ``drawn`` copies, where given."""
        policy, context = self.policies[agent], self.context(agent, messages)
        copies = len(messages[agent].reward)
        noise = policy.noise(generator, 1, copies if drawn is None else drawn)[0][:copies]
        return policy.act(context, noise, messages[agent].mask).astype(self._dtypes[agent])

    def decide(self, agent: int, messages: Sequence[Step], noise: NDArray[np.float64]) -> NDArray[Any]:
        """The same from numbers that were drawn before."""
        policy, context = self.policies[agent], self.context(agent, messages)
        return policy.act(context, noise, messages[agent].mask).astype(self._dtypes[agent])

    def greedy(self, agent: int, messages: Sequence[Step]) -> NDArray[Any]:
        """The most probable action per copy."""
        actions = self.policies[agent].greedy(self.context(agent, messages), messages[agent].mask)
        return actions.astype(self._dtypes[agent])

    def context(self, agent: int, messages: Sequence[Step]) -> NDArray[Any]:
        """What the policy of ``agent`` makes of one step's messages, per copy.

        Those of aged information, and those of a policy with memory, are asked for at every step; once or several times is the same.
        """
        policy = self.policies[agent]
        if not policy.units:
            return policy.context(*self._received(agent, messages))
        if agent not in self._contexts or self._contexts[agent][0] is not messages:
            memory = self._memory(agent, messages)
            self._contexts[agent] = messages, memory, policy.next_context(memory, *self._received(agent, messages))
        return self._contexts[agent][2]

    def _memory(self, agent: int, messages: Sequence[Step]) -> NDArray[Any] | None:
        """What the policy of ``agent`` remembers of the steps before ``messages``."""
        policy = self.policies[agent]
        if agent in self._contexts:
            window, memory, context = self._contexts[agent]
            return memory if window is messages else policy.memory_of(context)
        if self._memories is not None:
            return self._memories[agent]
        return policy.initial_memory(len(messages[agent].reward))

    def _received(self, agent: int, messages: Sequence[Step]) -> tuple[Sequence[NDArray[Any]], NDArray[np.bool_] | None]:
        """The states of the agent's window, and who of it is near."""
        policy, hops = self.policies[agent], messages[agent].hops
        if self._ages is not None:
            if not self._past or self._past[-1] is not messages:
                self._past.append(messages)
            return self._ages[agent].remembered(self._past), None
        near = None
        if self._nearby is not None and hops is not None:
            near = self._nearby[agent].marks(Kind.STATE, policy.window, hops)
        return [messages[j].observation for j in policy.window], near
