"""The frozen agent: it plays a policy that never changes, and tells others only what their radii ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.agent_groups import frozen_policy_of
from netagents.learning.protocol.agent_checkpoint import below
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.played_episodes import EARNED, earned
from netagents.learning.protocol.requests import Turns
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.messages import Kind, Trace
from netagents.policies import Policy
from netagents.policies.policy import load_arrays, policy_arrays
from netagents.randomness import Purpose, stream


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
        settings = frozen_policy_of(setup.experiment.agents, index)
        several = () if settings is None or settings.members is None else settings.members
        self.generation = 1 if settings is None else settings.generation
        self.pool = [policy_arrays(self.policy) for _ in several]
        """Parameters and statistics of the policies of which a lottery draws one per generation; empty where there is one policy."""
        episodes = setup.experiment.episodes
        self.earned = None if episodes is None else np.zeros((episodes.windows, setup.batch))
        """(windows, B) what it earned in the newest episodes, where they are those of an evaluation."""

    def iterate(self, iteration: int) -> Turns:
        """One iteration: draw a policy where there are several; sample, trace, report."""
        if self.pool:
            draws = stream(self.setup.experiment.seed, self.index, Purpose.POPULATION, iteration // self.generation)
            load_arrays(self.policy, self.pool[int(draws.integers(len(self.pool)))])
        yield from frozen_iteration(self, iteration, played=None if self.earned is None else self._keep)

    def _keep(self, rollout: Rollout) -> None:
        assert self.earned is not None, "only called where episodes are those of an evaluation"
        self.earned = earned(rollout.rewards, len(self.earned))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What plays now, and the policies that may be drawn."""
        named = super().arrays()
        for k, policy in enumerate(self.pool):
            named |= {f"pool.{k}.{name}": array for name, array in policy.items()}
        return named if self.earned is None else named | {EARNED: self.earned}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        super().restore(arrays)
        self.pool = [below(f"pool.{k}.", arrays) for k in range(len(self.pool))]
        if self.earned is not None:
            self.earned = arrays[EARNED]


def frozen_iteration(
    agent: NetworkedAgent,
    iteration: int,
    further_numbers: Mapping[str, float] | None = None,
    played: Callable[[Rollout], None] | None = None,
) -> Turns:
    """An iteration in which an agent only plays: sample, trace, report.

    Args:
        agent: plays its policy, or its substitute.
        iteration: which.
        further_numbers: metrics beside those that follow from rewards.
        played: takes the rollout before the report, and with it a checkpoint, is sent.
    """
    setup = agent.setup
    whole = yield from agent.sample(iteration)
    rollout = whole.part(0, setup.horizon)
    further = whole.part(setup.horizon, setup.steps) if setup.evaluation_steps else rollout
    if Kind.TRACE in setup.kind_reach:
        yield from agent.share(iteration, Kind.TRACE, Trace(rollout.states, rollout.actions), hops=rollout.hops)
        if setup.evaluation_steps:
            yield from agent.share(iteration, Kind.TRACE, Trace(further.states, further.actions), 1)
    paid = yield from agent.paid(iteration, further, None if rollout.hops is None else rollout.hops[:-1])
    numbers = {"paid": float((paid * further.alive).sum() / setup.batch)} if setup.pay else {}
    if played is not None:
        played(rollout)
    agent.report(iteration, rollout, {**numbers, **(further_numbers or {})})
