"""Stand-ins: what the server plays and records in the place of agents that are late or lost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import space_shape
from netagents.experiment.failure_settings import StandIn
from netagents.learning import Setup
from netagents.learning.interventions.action_sources import legal_actions, noop_actions, uniform_actions
from netagents.measures.power import READING_COLUMNS
from netagents.messages import Report, Step
from netagents.randomness import Purpose, stream

Actions = NDArray[Any]


class StandIns:
    """Actions for agents that cannot act.

    Args:
        setup: what all agents share.
        kind: ``noop`` plays action 0, or zeros within the bounds of a box; ``random`` uniform actions, drawn by the agent and the
            iteration alone (within [-1, 1] of a box without bounds); ``last`` what the agent did last, and ``noop`` before it ever
            did anything.
    """

    def __init__(self, setup: Setup, kind: StandIn) -> None:
        self._setup, self._kind = setup, kind
        self._last: dict[int, Actions] = {}
        self._draws: dict[int, tuple[int, np.random.Generator]] = {}

    def remember(self, agent: int, actions: Actions) -> None:
        """The last actions of an agent in an iteration that has ended."""
        self._last[agent] = actions

    def act(self, agent: int, iteration: int, message: Step) -> Actions:
        """(B,) indices or (B, *shape) values for the next step of ``iteration``; steps are asked for in their order, once each.

        Args:
            agent: that is lost.
            iteration: in which it is lost.
            message: what it would have been sent; where actions are masked, the nearest legal one above is taken.
        """
        space = self._setup.spec.action_spaces[agent]
        if self._kind == "random":
            return uniform_actions(space, self._stream(agent, iteration).random((self._setup.batch, *space_shape(space))), message.mask)
        if self._kind == "last" and agent in self._last:
            return legal(self._last[agent], message)
        return legal(noop(self._setup, agent), message)

    def _stream(self, agent: int, iteration: int) -> np.random.Generator:
        known = self._draws.get(agent)
        if known is None or known[0] != iteration:
            known = iteration, stream(self._setup.experiment.seed, agent, Purpose.STAND_IN, iteration)
            self._draws[agent] = known
        return known[1]

    def forget(self) -> None:
        """An iteration begins anew: its draws are drawn again."""
        self._draws.clear()


def noop(setup: Setup, agent: int) -> Actions:
    """Action 0 for all copies, or the values of a box that are nearest to zero."""
    return noop_actions(setup.spec.action_spaces[agent], setup.batch)


def legal(actions: Actions, message: Step | None) -> Actions:
    """Where an action is not legal in the state that was last seen, the first legal one instead."""
    return actions if message is None else legal_actions(actions, message.mask)


class LostRewards:
    """The return of a lost agent along one iteration; nobody else keeps count of it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._sums = np.zeros((2, setup.batch))
        self._step = 0

    def add(self, message: Step) -> None:
        """Add up the message of one step that the agent would have been sent, the first of an iteration included."""
        if 0 < self._step <= self._setup.horizon:
            self._sums[0] += message.reward
            self._sums[1] += self._setup.discount ** (self._step - 1) * message.reward
        self._step += 1

    def report(self) -> Report:
        """Its report: returns, and not a number for everything that only the agent could know."""
        plain, discounted = self._sums.mean(axis=1)
        numbers = {"return": float(plain), "discounted_return": float(discounted)}
        metrics = np.array([numbers.get(name, np.nan) for name in self._setup.metric_names])
        return Report(metrics, np.zeros((0, READING_COLUMNS)), np.zeros((0, 5), dtype=np.int64), np.zeros(3))
