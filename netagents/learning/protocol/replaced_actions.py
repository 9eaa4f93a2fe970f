"""Replaced actions: what an agent asks of its interventions while it samples, and what deviations leave behind for its critics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from netagents.messages import WorstAction

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
NOBODY = -1


class Deviations(NamedTuple):
    """Deviations of sample-based power regularization in one iteration; every node works out the same ones.

    Attributes:
        egos: (B,) whose episode each copy is; NOBODY where nobody's.
        deviators: (T + 1, B) who plays its worst action for the ego, NOBODY where all play their policies.
        ratios: (T + 1, B) probability of that under the lottery that is meant, over that under the lottery that was drawn.
        drawn: (B,) probability of a deviation per step under the latter.
        learners: all agents that have episodes of their own; whoever has none learns from all copies.
    """

    egos: NDArray[np.int64]
    deviators: NDArray[np.int64]
    ratios: FloatArray
    drawn: FloatArray
    learners: tuple[int, ...]

    def clean_continuation(self) -> BoolArray:
        """(T, B) steps after which nobody deviates: what follows the executed action is what the policies bring."""
        clean: BoolArray = self.deviators[1:] == NOBODY
        return clean

    def episodes_of(self, agent: int) -> BoolArray:
        """(B,) the copies that an agent learns from: its own episodes, or all where it never has any."""
        return self.egos == agent if agent in self.learners else np.ones_like(self.egos, dtype=np.bool_)

    def weights_of(self, agent: int) -> FloatArray:
        """(T, B) weights of an agent's decisions: B over its number of copies in its own, times the importance of what came before.

        The importance of a decision is that of the deviations up to and at its step, since those decide whether it is reached and what it
        brings (per-decision importance sampling).
        """
        if agent not in self.learners:
            return np.ones_like(self.ratios[:-1])
        own = self.episodes_of(agent)
        scale = len(own) / max(int(own.sum()), 1)
        weights: FloatArray = np.where(own, scale * np.cumprod(self.ratios, axis=0)[:-1], 0.0)
        return weights

    def clean_weights(self) -> FloatArray:
        """(T, B) weights with which rewards estimate, without bias, what they would be if nobody deviated.

        Zero from the first deviation on, else one over the probability that there has been none; NaN where deviations are certain.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.where(self.deviators == NOBODY, 1.0 / (1.0 - self.drawn), 0.0)
        odds = np.where(self.drawn < 1.0, odds, np.nan)
        return odds.cumprod(axis=0)[:-1].astype(np.float64)


class WorstActionExchange(Protocol):
    """Worst actions as they travel in one iteration of one agent, as the one who tells and as the one who is told."""

    def advise(self, step: int, states: Sequence[NDArray[Any]]) -> list[tuple[int, WorstAction]]:
        """Receivers and messages of a step, from the states of the policy's window."""

    def advisers(self, step: int) -> tuple[int, ...]:
        """Who tells this agent something at a step, ascending."""

    def take(self, step: int, messages: Sequence[WorstAction]) -> None:
        """Take in what :meth:`advisers` have sent."""


class ReplacedActions(Protocol):
    """The interventions in one iteration of one agent.

    Attributes:
        replaced: (T + 1, B) where somebody other than the policy has chosen the action; complete when all decisions are made.
        advice: worst actions that travel; None where none do.
        deviations: those of sample-based power regularization; None without it.
    """

    replaced: BoolArray
    advice: WorstActionExchange | None
    deviations: Deviations | None

    def play(
        self, step: int, actions: NDArray[Any], states: Sequence[NDArray[Any]], mask: BoolArray | None, near: BoolArray | None
    ) -> NDArray[Any]:
        """(B, ...) the actions that are executed, given those of the policy."""


class Interventions(Protocol):
    """All interventions that concern one agent."""

    def begin(self, iteration: int) -> ReplacedActions | None:
        """Those of an iteration; None where none acts."""

    def learn(self, iteration: int, rollout: Any, traces: Mapping[int, Any]) -> None:
        """Take in a batch once traces have been exchanged: what worst actions are judged by learns from it."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the next iteration depends on, by name."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
