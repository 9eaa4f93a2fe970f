"""Failures played: frozen policies, one agent that fails in some way, and everybody else with the same chances as without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from netagents.environments import NetworkedMDP
from netagents.environments.spaces import candidate_actions, space_dtype, space_shape
from netagents.launchers.branching import Brancher
from netagents.learning import Setup
from netagents.learning.frozen_play import Players
from netagents.learning.interventions.action_sources import legal_actions, noop_actions, uniform_actions
from netagents.messages import Step
from netagents.policies import Policy
from netagents.randomness import Purpose, stream

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FailureKind = Literal["worst", "noop", "removed", "random", "adversary", "incentive", "dropped", "late", "stale", "forged"]
KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
TRAINED: tuple[FailureKind, ...] = ("adversary", "incentive")
"""Kinds for which a policy of the failing agent must be trained."""
MESSAGES: tuple[FailureKind, ...] = ("dropped", "late", "stale", "forged")
"""Kinds in which the agent acts as ever, and what others hear of its state is wrong."""
SEED = (1 << 63) + 211
"""No training run has such a seed."""
LOST, DELAY = 0.5, 3
"""Share of messages that are dropped, and by how many steps late ones are late."""
SEARCH_STEPS, SEARCH_ROLLOUTS = 32, 4
"""Length and number of the rollouts by which a worst action is chosen."""


class Played(NamedTuple):
    """(N, H) mean reward of all agents but one, step by step, of N episodes."""

    rewards: FloatArray

    @property
    def returns(self) -> FloatArray:
        """(N,) undiscounted return of each of the others."""
        total: FloatArray = self.rewards.sum(axis=1)
        return total


class FailurePlay:
    """The policies of one run, and one agent among them that fails.

    Args:
        setup: of the run. environment: its own.
        policies: of the run, one per agent.
        episodes: N, played side by side.
        rate: probability per step of a one-step worst action.
        greedy: whether policies play their most probable actions.
    """

    def __init__(
        self, setup: Setup, environment: NetworkedMDP, policies: Sequence[Policy], episodes: int, rate: float, *, greedy: bool = False
    ) -> None:
        self.setup, self.environment, self.policies = setup, environment, tuple(policies)
        self.episodes, self.rate, self.greedy = episodes, rate, greedy

    def is_heard(self, agent: int) -> bool:
        """Whether any other agent's policy reads the state of ``agent``."""
        return any(agent in policy.window for j, policy in enumerate(self.policies) if j != agent)

    def play(self, agent: int, kind: FailureKind | None, first: int, last: int, instead: Policy | None = None) -> Played:
        """Play all episodes.

        Args:
            agent: whose reward does not count, and who fails.
            kind: of the failure; None: nobody fails.
            first, last: it fails at steps ``first`` to ``last`` - 1; a body that was ``removed`` does not come back.
            instead: the policy that it plays then, of kinds that were trained.
        """
        setup, n = self.setup, self.setup.n
        players = Players(setup, self.policies)
        session = setup.session(self.environment, self.episodes, SEED)
        generators = [stream(SEED, j, Purpose.EVALUATION, 0) for j in range(n)]
        stand_in = None
        if kind in TRAINED:
            assert instead is not None, "trained kinds have a policy"
            stand_in = Players(setup, [instead if j == agent else policy for j, policy in enumerate(self.policies)])
        fail = None if kind is None or kind == "removed" or kind in MESSAGES else self._actions(agent, kind, players, stand_in, session)
        listener = _WrongMessages(self, agent, kind, first, last) if kind in MESSAGES else None

        def choose(j: int, step: int, messages: Sequence[Step]) -> NDArray[Any]:
            if kind == "removed" and j == 0 and step == first < last:
                session.remove(agent)
            delayed = messages if listener is None or j == agent else listener.of(step, messages)
            if j == agent and stand_in is not None and stand_in.policies[j].units:
                # A policy with memory reads every step, also those at which it does not act.
                stand_in.context(j, messages)
            own = players.greedy(j, delayed) if self.greedy else players.draw(j, delayed, generators[j])
            return fail(step, messages, own) if fail is not None and j == agent and first <= step < last else own

        others = [j for j in range(n) if j != agent]
        moves = players.play(session, 0, setup.horizon, choose)
        rewards = [np.mean([move.after[j].reward for j in others], axis=0) for move in moves]
        return Played(np.stack(rewards, axis=1))

    def _actions(
        self, agent: int, kind: FailureKind, players: Players, stand_in: Players | None, session: Any
    ) -> Callable[[int, Sequence[Step], NDArray[Any]], NDArray[Any]]:
        """What the agent plays while it fails, from its own action."""
        setup, space = self.setup, self.setup.spec.action_spaces[agent]
        generator = stream(SEED, agent, Purpose.FAULTS, 0)
        if kind == "noop":
            return lambda step, messages, own: legal_actions(noop_actions(space, len(own)), messages[agent].mask)  # noqa: ARG005
        if kind == "random":
            shape = (self.episodes, *space_shape(space))
            return lambda step, messages, own: uniform_actions(space, generator.random(shape), messages[agent].mask)  # noqa: ARG005
        if stand_in is not None:
            return lambda step, messages, own: (  # noqa: ARG005
                stand_in.greedy(agent, messages) if self.greedy else stand_in.draw(agent, messages, generator)
            )
        length = min(SEARCH_STEPS, setup.horizon)
        brancher = Brancher(
            setup, self.environment, self.policies, seed=SEED + 1, replicates=SEARCH_ROLLOUTS, length=length, greedy=self.greedy
        )
        candidates = candidate_actions(space, where=f"agent {agent}").astype(space_dtype(space))
        victims = [j for j in range(setup.n) if j != agent]

        def worst(step: int, messages: Sequence[Step], own: NDArray[Any]) -> NDArray[Any]:
            struck = generator.random(self.episodes) < self.rate
            if struck.any():
                mask = messages[agent].mask
                own = own.copy()
                memories = [None if each is None else each[struck] for each in players.memories(messages)]
                harmful = brancher.worst_actions(agent, step, session.state[struck], memories, candidates, victims)
                own[struck] = legal_actions(harmful, None if mask is None else mask[struck])
            return own

        return worst


class _WrongMessages:
    """What others hear of the state of one agent, while its messages are wrong."""

    def __init__(self, play: FailurePlay, agent: int, kind: FailureKind | None, first: int, last: int) -> None:
        self._agent, self._kind, self._first, self._last = agent, kind, first, last
        self._space = play.setup.spec.observation_spaces[agent]
        self._generator = stream(SEED, agent, Purpose.LINKS, 0)
        self._past: list[NDArray[Any]] = []
        self._held: NDArray[Any] | None = None
        self._now: Sequence[Step] = ()

    def of(self, step: int, messages: Sequence[Step]) -> Sequence[Step]:
        """The messages of a step as others hear them; the same for all of them."""
        if len(self._past) == step:
            true = messages[self._agent].observation
            self._past.append(true)
            wrong = self._wrong(step, true) if self._first <= step < self._last else true
            self._held = wrong if self._kind == "dropped" else true
            self._now = [message._replace(observation=wrong) if j == self._agent else message for j, message in enumerate(messages)]
        return self._now

    def _wrong(self, step: int, true: NDArray[Any]) -> NDArray[Any]:
        if self._kind == "late":
            return self._past[max(0, step - DELAY)]
        if self._kind == "stale":
            return self._past[min(step, self._first)]
        if self._kind == "forged":
            return uniform_actions(self._space, self._generator.random(true.shape)).astype(true.dtype)
        lost = self._generator.random(len(true)) < LOST
        held = true if self._held is None else self._held
        return np.where(lost.reshape(-1, *(1,) * (true.ndim - 1)), held, true).astype(true.dtype)
