"""Wireless access: what its two published versions share, which is everything but the actions' meaning and the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.builtin.access_points import OUTSIDE, AccessLayout, alone_at
from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, require_capacity, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, IntArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.topology import Topology

EARLIEST = -1
"""Stands for the slot of the packet that expires first."""


class WirelessAccess(FiniteNetworkedMDP):
    """Users with queues of d deadline slots send packets to the access points around them.

    A user's state is its queue as an integer: bit k is set when a packet expires in k + 1 steps.  A user succeeds, for a reward
    of 1, when it names an existing access point, **nobody else names it** (users without a packet occupy it too), the slot it
    sends from holds a packet, and it is lucky.  The packet leaves.  Then all deadlines come one step nearer (bit 0 expires) and
    a new packet arrives in the newest slot.  Neighbours' actions enter at once, neighbours' states never.

    Args:
        name: registered kind.
        topology: the graph, fitting ``layout``.
        layout: cells, users and access points.
        points: for each user, the access point that each action names, or ``OUTSIDE``.
        slots: for each user, the slot that each action sends from, or ``EARLIEST``.
        deadline: d.
        arrival: chance of a new packet per step.
        chances: chance of success per access point.
        full_start: whether every slot starts filled with probability 1/2, or only the newest one.
        horizon, discount: the published ones.
    """

    def __init__(
        self,
        name: str,
        topology: Topology,
        layout: AccessLayout,
        *,
        points: Sequence[Sequence[int]],
        slots: Sequence[Sequence[int]],
        deadline: int,
        arrival: float,
        chances: FloatArray,
        full_start: bool,
        horizon: int,
        discount: float,
    ) -> None:
        n = layout.n
        self.topology = topology
        self.layout = layout
        self.deadline = deadline
        self.arrival = arrival
        self.chances = chances
        self._points = _padded(points)
        self._slots = _padded(slots)
        self._sizes = [len(row) for row in points]
        self._start_slots = np.arange(deadline) if full_start else np.array([deadline - 1])
        # One entry more: those who name no access point look up a chance of 0 at index OUTSIDE = -1.
        self._chance_at = np.append(chances, 0.0)
        self.spec = EnvironmentSpec(
            name=name,
            state_spaces=(Discrete(2**deadline),) * n,
            action_spaces=tuple(Discrete(size) for size in self._sizes),
            horizon=horizon,
            discount=discount,
            reset_noise=(n, len(self._start_slots)),
            step_noise=(n, 2),
            reach_offset=0,
            state_scopes=tuple((i,) for i in range(n)),
            action_scopes=layout.neighbourhoods(),
            untrained_return=self.uniform_return(horizon, 1.0),
            capabilities=Capabilities(enumerable=True),
        )

    def named(self, agent: int) -> list[tuple[int, int]]:
        """What each action of an agent means: (slot or ``EARLIEST``, access point or ``OUTSIDE``)."""
        size = self._sizes[agent]
        return list(zip(self._slots[agent, :size].tolist(), self._points[agent, :size].tolist(), strict=True))

    def reset(self, noise: FloatArray) -> JointState:
        """Queues ``(B, n)`` in which the starting slots are filled where ``noise`` ``(B, n, slots)`` is below 1/2."""
        bits = (noise < 0.5).astype(np.int64)
        queues: IntArray = (bits << self._start_slots).sum(axis=2)
        return queues

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One slot of time; ``noise[:, i, 0]`` is user i's luck when sending and ``noise[:, i, 1] < arrival`` its new packet."""
        acts = joint_actions(actions)
        users = np.arange(self.spec.n)
        access_points = self._points[users, acts]
        packet = _packet(state, self._slots[users, acts])
        lucky = noise[:, :, 0] < self._chance_at[access_points]
        sent = alone_at(access_points, self.layout.points) & (packet > 0) & lucky
        arrived = (noise[:, :, 1] < self.arrival).astype(np.int64)
        after = ((state - np.where(sent, packet, 0)) >> 1) | (arrived << (self.deadline - 1))
        return transition(after, sent.astype(np.float64))

    def kernel(self) -> FactoredKernel:
        """Exact tables over one's own queue and the actions of all users with whom it shares an access point.

        Raises:
            CapacityError: they would be too large; 8 neighbours with 5 actions each and ``deadline`` 2 just fit.
        """
        size = 2**self.deadline
        scopes = self.spec.action_scopes
        require_capacity(self.spec.name, [size * size * int(np.prod([self._sizes[j] for j in scope])) for scope in scopes])
        start = self._start()
        agents = []
        for i, scope in enumerate(scopes):
            position, axes = scope.index(i), len(scope)
            own = _along(self._points[i, : self._sizes[i]], position, axes)
            clear: NDArray[np.bool_] = np.broadcast_to(own != OUTSIDE, [self._sizes[j] for j in scope]).copy()
            for k, j in enumerate(scope):
                if j != i:
                    clear &= _along(self._points[j, : self._sizes[j]], k, axes) != own
            sends, stay, change = self._own_tables(i)
            between = [1] * axes
            between[position] = self._sizes[i]
            reward: FloatArray = np.multiply(clear, sends.reshape(size, *between), dtype=np.float64)
            table = reward[..., None] * change.reshape(size, *between, size)
            table += stay.reshape(size, *([1] * axes), size)
            agents.append(LocalKernel((i,), scope, table, reward, start.copy()))
        return FactoredKernel((size,) * self.spec.n, tuple(self._sizes), tuple(agents))

    def uniform_return(self, horizon: int, discount: float) -> float:
        """Exact mean over agents of ``sum_{t < horizon} discount^t r_t`` under uniform policies.

        Uniform actions do not depend on queues, so that each user's queue is a Markov chain of its own.
        """
        # (user, access point) -> chance that nobody else names it; none for OUTSIDE.
        others: dict[tuple[int, int], float] = {}
        for y, users in enumerate(self.layout.clients()):
            silent = np.array([1.0 - float(np.mean(self._points[j, : self._sizes[j]] == y)) for j in users])
            for k, i in enumerate(users):
                others[i, y] = float(np.prod(np.delete(silent, k)))
        total = 0.0
        for i, size in enumerate(self._sizes):
            sends, stay, change = self._own_tables(i)
            success = sends * np.array([others.get((i, y), 0.0) for y in self._points[i, :size].tolist()])
            chain = stay + np.einsum("sa,sat->st", success, change) / size
            queue = self._start()
            for t in range(horizon):
                total += discount**t * float(queue @ success.mean(axis=1))
                queue = queue @ chain
        return total / self.layout.n

    def _own_tables(self, i: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What depends on user i alone, for S queues and A actions.

        Returns:
            ``(S, A)`` chance of success when nobody else is there; ``(S, S)`` chances of the next queue when nothing leaves;
            ``(S, A, S)`` how a success changes them.
        """
        queues = np.arange(2**self.deadline)
        packet = _packet(queues[:, None], self._slots[i, : self._sizes[i]])
        sends = (packet > 0) * self._chance_at[self._points[i, : self._sizes[i]]]
        stay = self._shifted(queues)
        return sends, stay, self._shifted(queues[:, None] - packet) - stay[:, None, :]

    def _shifted(self, queues: IntArray) -> FloatArray:
        """``(*queues.shape, S)`` chances of the next queue: shift, then a new packet with probability ``arrival``."""
        identity = np.eye(2**self.deadline)
        newest = 1 << (self.deadline - 1)
        chances: FloatArray = (1.0 - self.arrival) * identity[queues >> 1] + self.arrival * identity[(queues >> 1) | newest]
        return chances

    def _start(self) -> FloatArray:
        queues = np.arange(2**self.deadline)
        reachable = (queues & ~int((1 << self._start_slots).sum())) == 0
        start: FloatArray = reachable / reachable.sum()
        return start


def _packet(state: IntArray, slot: IntArray) -> IntArray:
    """The bit that would leave the queue: that of the slot, or the lowest one set; 0 where there is none."""
    packet: IntArray = state & np.where(slot == EARLIEST, -state, 1 << np.maximum(slot, 0))
    return packet


def _padded(rows: Sequence[Sequence[int]]) -> IntArray:
    table = np.full((len(rows), max(len(row) for row in rows)), OUTSIDE, dtype=np.int64)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table


def _along(values: IntArray, axis: int, axes: int) -> IntArray:
    shape = [1] * axes
    shape[axis] = len(values)
    return values.reshape(shape)
