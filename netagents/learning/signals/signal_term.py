"""Terms of the learning signal: the contract, and the batch that a term is given.

What an agent learns from is a sum of named terms: its task reward, the shadow reward of its utility, and further ones of an experiment's
``signals``.  A term is one class: it reads the batch, and gives a number for every step of every copy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.measures.power.pair_evidence import ActionEffects
from netagents.messages import Trace
from netagents.policies import Policy

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class TaskCritic(Protocol):
    """The truncated Q-function of the agent's own task reward along a batch, as it was before this iteration's update.

    M critics stand beside each other: one for tables; for networks the slowly following pair, each of which has learned from other copies
    of the environment, so that what one of them chooses the other can value without bias.
    """

    def values(self) -> FloatArray:
        """(M, T, B) of what everybody in the critic's window did."""

    def alternatives(self, member: int, copy: Mapping[str, NDArray[Any]] | None = None) -> FloatArray:
        """(M, T, B, A) of every action of one agent of the window, everyone else's as played.

        Args:
            member: whose actions.
            copy: of networks, as :meth:`TaskKnowledge.critic_copy` gave it; None for the present ones.

        Raises:
            EnvironmentMismatchError: the agent's actions are no finite set.
        """

    def known(self, member: int) -> BoolArray:
        """(T, B, A) whether the critic has met that key; a table gives 0 where it has not, a network always knows."""


class TaskKnowledge(Protocol):
    """What an agent knows of its task at any time, for terms that keep a copy of it."""

    def effects(self, member: int) -> ActionEffects | None:
        """What each action of an agent of the window does to the own task, by context: the evidence of power.

        None where spaces are no finite sets, or the two agents have too many states and actions.
        """

    def contexts(self, member: int, batch: SignalBatch) -> IntArray:
        """(T, B) the context of each step, where there are effects; the own action is its last digit."""

    def critic_copy(self) -> dict[str, NDArray[Any]]:
        """The slowly following networks of the task critic, for :meth:`TaskCritic.alternatives` later; empty for tables."""


@dataclass(frozen=True)
class SignalBatch:
    """T steps of B copies, as one agent knows them once traces have been exchanged.

    Attributes:
        iteration: from 0.
        agent: i.
        discount: gamma.
        window: the agents within kappa_critic hops, ascending, the agent itself included.
        rollout: its own steps: rewards, who was alive, which actions were its own (:class:`netagents.learning.protocol.rollout.Rollout`).
        paid: (T, B) its own task rewards, or what its incentive makes of everyone's.
        traces: by agent of the window, its own included: (T + 1, B, ...) states and actions.
        critic: of its task reward, before this iteration's update.
        own_probabilities: (T + 1, B, A) what its policy gave each action; for boxes means and deviations.  Called when it is asked for.
        near: (len(window), T + 1, B) who of the window was near, in a graph that moves; None where everybody always is.
        policy: the agent's own, as it acted in this batch, for what it would have done elsewhere; not to be changed.  None where an
            algorithm has none to show.
    """

    iteration: int
    agent: int
    discount: float
    window: tuple[int, ...]
    rollout: Rollout
    paid: FloatArray
    traces: Mapping[int, Trace]
    critic: TaskCritic
    own_probabilities: Callable[[], FloatArray]
    near: BoolArray | None = None
    policy: Policy | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(T, B)."""
        steps, copies = self.rollout.rewards.shape
        return steps, copies

    @property
    def own(self) -> Trace:
        """The agent's own states and actions."""
        return self.traces[self.agent]

    @cached_property
    def executed(self) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """States and actions of each agent of the window, in its order, at the T steps: (T, B, ...) each."""
        traces = [self.traces[j] for j in self.window]
        return [each.states[:-1] for each in traces], [each.actions[:-1] for each in traces]

    def action_probabilities(self) -> FloatArray:
        """(T, B, A) the probability that the agent's policy gave each of its actions; for boxes means and deviations."""
        return self.own_probabilities()[:-1]


class SignalTerm(ABC):
    """One term of the learning signal of one agent.

    Args:
        agent: i.
        setup: what all agents share.

    A subclass takes its own settings as keyword arguments.  What it remembers from one iteration to the next must be in
    :meth:`arrays`, or a resumed run would differ.
    """

    metrics: ClassVar[tuple[str, ...]] = ()
    """Names of what :meth:`numbers` gives.  In records the term's name and an underscore stand before them."""

    reads_table: ClassVar[bool] = True
    """Whether :meth:`values` asks ``batch.critic`` of an agent with tables.  Where an agent learns from terms of which none does, it leaves
    the fit of a task critic out that nobody reads."""

    def __init__(self, agent: int, setup: Setup) -> None:
        self.agent, self.setup = agent, setup

    def begin(self, task: TaskKnowledge) -> None:  # noqa: B027 - most terms keep no copy
        """Called once, when the agent has been made and has learned nothing yet; :meth:`arrays` must be complete from then on."""

    @abstractmethod
    def values(self, batch: SignalBatch) -> FloatArray:
        """(T, B) float64, once per iteration; weight and schedule come later, and steps of copies that had ended do not count."""

    def numbers(self) -> Mapping[str, float]:
        """Metrics of the last batch, by the names in :attr:`metrics`."""
        return {}

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What the next iteration depends on, by name; every array keeps its dtype and shape from the first iteration on."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027 - most terms remember nothing
        """Take over what :meth:`arrays` gave."""
