"""The joint model of a factored kernel: all joint states and actions, numbered, and one step ahead without the full table.

Joint states and joint actions are numbered like local ones, the last agent varying fastest.  The table P(s'|s,a) with its
|S|^2 |A| entries is never made: expectations over s' are taken one agent at a time, so that the largest intermediate is close to
|S| |A|.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import prod
from sys import float_info

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel
from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.exact.contraction import LARGEST_LABEL, contract
from netagents.exact.joint_policy import JointPolicy, check_policy

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MEMORY_LIMIT = 4 << 30
"""Bytes that a joint model may need, unless told otherwise."""

BLOCK_ENTRIES = 1 << 22
"""Largest number of entries of an intermediate table; joint states are taken in blocks to keep to it."""

BATCH = 0
"""Label of the joint-state axis in the contractions below; agents' actions and next states have labels of their own."""


class JointModel:
    """A small finite model on its joint space.

    Args:
        kernel: the local tables.
        discount: gamma, in (0, 1).
        memory_limit: bytes that exact evaluation may need.

    Raises:
        CapacityError: it would need more, with the size; nothing has been allocated then.
        EnvironmentMismatchError: the discount is outside (0, 1).
    """

    def __init__(self, kernel: FactoredKernel, discount: float, memory_limit: int = MEMORY_LIMIT) -> None:
        if not 0.0 < discount < 1.0:
            raise EnvironmentMismatchError(f"discount {discount}", where="exact model", fix="use a discount strictly between 0 and 1")
        self.kernel = kernel
        self.discount = discount
        self.memory_limit = memory_limit
        self.state_sizes, self.action_sizes = kernel.state_sizes, kernel.action_sizes
        self.n = len(kernel.agents)
        self.S, self.A = prod(self.state_sizes), prod(self.action_sizes)
        needed = required_bytes(kernel)
        too_many = CapacityError(f"{self.n} agents", where="exact model", fix=f"use at most {(LARGEST_LABEL - 1) // 2}")
        if needed > float_info.max:  # a size that no message can tell
            raise too_many
        self.require(needed, f"joint space of {self.n} agents with {self.S:.4g} states and {self.A:.4g} actions")
        if 2 * self.n + 1 > LARGEST_LABEL:
            raise too_many

    def require(self, needed: int, what: str) -> None:
        """Refuse what would need more than the memory limit.

        Raises:
            CapacityError: ``needed`` bytes are more than the limit.
        """
        if needed > self.memory_limit:
            raise CapacityError(
                f"{what} needs {needed / 2**30:.3g} GiB, above the limit of {self.memory_limit / 2**30:.3g} GiB",
                where="exact model",
                fix="use fewer agents, states or actions, or raise the memory limit",
            )

    # -- numbering -------------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of an ``(S, A)`` table when it is spread over agents: all states, then all actions."""
        return (*self.state_sizes, *self.action_sizes)

    @cached_property
    def state_digits(self) -> IntArray:
        """``(n, S)`` local states of every joint state."""
        return np.array(np.unravel_index(np.arange(self.S), self.state_sizes), dtype=np.int64)

    @cached_property
    def action_digits(self) -> IntArray:
        """``(n, A)`` local actions of every joint action."""
        return np.array(np.unravel_index(np.arange(self.A), self.action_sizes), dtype=np.int64)

    def state_index(self, agents: Sequence[int]) -> IntArray:
        """``(S,)`` number, within these agents' own product of states, of every joint state."""
        index = np.zeros(self.S, dtype=np.int64)
        for j in agents:
            index = index * self.state_sizes[j] + self.state_digits[j]
        return index

    def action_index(self, agents: Sequence[int]) -> IntArray:
        """``(A,)`` number, within these agents' own product of actions, of every joint action."""
        index = np.zeros(self.A, dtype=np.int64)
        for j in agents:
            index = index * self.action_sizes[j] + self.action_digits[j]
        return index

    # -- rewards, start and policies -------------------------------------------------------------------------------------

    @cached_property
    def rewards(self) -> FloatArray:
        """``(n, S, A)`` expected task reward of each agent."""
        table = np.empty((self.n, self.S, self.A))
        for i, local in enumerate(self.kernel.agents):
            states, actions = self.state_index(local.state_scope), self.action_index(local.action_scope)
            flat = local.reward.reshape(prod(self.state_sizes[j] for j in local.state_scope), -1)
            table[i] = flat[states[:, None], actions[None, :]]
        return table

    def local_signal(self, agent: int, table: FloatArray) -> FloatArray:
        """``(S, A)`` signal r_i(s_i, a_i) from the agent's own table ``(|S_i|, |A_i|)``, such as a shadow reward."""
        signal: FloatArray = table[self.state_digits[agent][:, None], self.action_digits[agent][None, :]]
        return signal

    @cached_property
    def initial(self) -> FloatArray:
        """``(S,)`` start distribution: agents start independently."""
        start = np.ones(self.S)
        for i, local in enumerate(self.kernel.agents):
            start *= local.initial[self.state_digits[i]]
        return start

    def local_probabilities(self, policy: JointPolicy) -> list[FloatArray]:
        """pi_i(a_i|s) of every agent, ``(S, |A_i|)``.

        Raises:
            EnvironmentMismatchError: the policy does not fit.
        """
        check_policy(self.kernel, policy)
        return [table[self.state_index(scope)] for scope, table in zip(policy.scopes, policy.tables, strict=True)]

    # -- one step ahead --------------------------------------------------------------------------------------------------

    def factor(self, agent: int, states: slice) -> FloatArray:
        """P_i(s_i'|s, a) for a block of joint states, ``(block, *|A_k| for k in the action scope, |S_i|)``."""
        local = self.kernel.agents[agent]
        rows = self.state_index(local.state_scope)[states]
        sizes = [self.action_sizes[k] for k in local.action_scope]
        return local.transition.reshape(-1, *sizes, self.state_sizes[agent])[rows]

    def factor_labels(self, agent: int) -> list[int]:
        """Labels of :meth:`factor`'s axes."""
        return [BATCH, *(self.action_label(k) for k in self.kernel.agents[agent].action_scope), self.next_label(agent)]

    def action_label(self, agent: int) -> int:
        """Label of an agent's action."""
        return 1 + agent

    def next_label(self, agent: int) -> int:
        """Label of an agent's next state."""
        return 1 + self.n + agent

    def label_size(self, label: int) -> int:
        """Number of values of a label other than :data:`BATCH`."""
        return self.action_sizes[label - 1] if label <= self.n else self.state_sizes[label - 1 - self.n]

    def blocks(self, entries_per_state: int) -> Iterator[slice]:
        """Slices of joint states in which a table with so many entries per joint state stays below :data:`BLOCK_ENTRIES`."""
        step = max(1, BLOCK_ENTRIES // max(1, entries_per_state))
        for first in range(0, self.S, step):
            yield slice(first, min(first + step, self.S))

    def expected_next(self, values: FloatArray) -> FloatArray:
        """E[ V(s') | s, a ] for several functions V at once.

        Agents' next states are summed out one after the other, agent 0 first: what is left always depends on s, on the actions
        met so far and on the next states still to come.

        Args:
            values: ``(K, S)``.

        Returns:
            ``(K, S, A)``.
        """
        K = len(values)
        column = 1 + 2 * self.n
        ahead = np.ascontiguousarray(values.T).reshape(*self.state_sizes, K)
        result = np.empty((K, self.S, self.A))
        for block in self.blocks(self._widest_step() * K):
            labels, table = [*(self.next_label(i) for i in range(self.n)), column], ahead
            for i in range(self.n):
                factor, factor_labels = self.factor(i, block), self.factor_labels(i)
                actions = sorted({x for x in (*labels, *factor_labels) if BATCH < x <= self.n})
                after = [BATCH, *actions, *(self.next_label(j) for j in range(i + 1, self.n)), column]
                table = contract([(labels, table), (factor_labels, factor)], after)
                labels = after
            # Actions that move nobody have no axis yet.
            full = table.reshape(-1, *(self.action_sizes[k] if self.action_label(k) in labels else 1 for k in range(self.n)), K)
            spread = np.broadcast_to(full, (len(full), *self.action_sizes, K)).reshape(len(full), self.A, K)
            result[:, block] = np.moveaxis(spread, 2, 0)
        return result

    def _widest_step(self) -> int:
        """Entries per joint state of the largest intermediate table in :meth:`expected_next`, per function."""
        widest, agents = self.A, set[int]()
        for i, local in enumerate(self.kernel.agents):
            agents.update(local.action_scope)
            widest = max(widest, prod(self.action_sizes[k] for k in agents) * prod(self.state_sizes[i + 1 :]))
        return widest


def required_bytes(kernel: FactoredKernel) -> int:
    """Bytes of the joint tables that exact evaluation holds at once.

    Three ``(S, S)`` tables (transition, its factorization, a copy) and ``5 n + 3`` of shape ``(S, A)`` (rewards, signals, Q, their
    next-step expectations and a copy per agent; policy, occupancy and a work table).
    """
    states, actions, n = prod(kernel.state_sizes), prod(kernel.action_sizes), len(kernel.agents)
    return 8 * (3 * states * states + (5 * n + 3) * states * actions)
