"""Wireless access on a line, small enough for exact values: the model on which neural power is calibrated.

``kind: import:benchmarks.wireless_line:WirelessLine`` names it in an experiment.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.topology import Topology

SUCCESS, ARRIVAL, QUEUES = 0.8, 0.5, 4


class WirelessLine(FiniteNetworkedMDP):
    """n users in a line, an access point between each two; packets live for two steps, bit 0 of a queue expires next.

    Actions: 0 waits, 1 sends left, 2 sends right; sending beyond an end does nothing.  Two users at a point collide, with empty queues
    as well.  Alone and with a packet a user is paid 1 with probability 0.8, and the packet that expires first leaves.  Then the queue
    shifts, and a new packet arrives with probability 0.5.

    Args:
        topology: a line.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        n = topology.n
        near = tuple(tuple(j for j in (i - 1, i, i + 1) if 0 <= j < n) for i in range(n))
        self.spec = EnvironmentSpec(
            name="wireless_line",
            state_spaces=(Discrete(QUEUES),) * n,
            action_spaces=(Discrete(3),) * n,
            horizon=12,
            discount=0.7,
            reset_noise=(n,),
            step_noise=(2, n),
            reach_offset=0,
            state_scopes=tuple((i,) for i in range(n)),
            action_scopes=near,
            capabilities=Capabilities(enumerable=True),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Every queue equally likely; ``(B, n)`` int64."""
        return (noise * QUEUES).astype(np.int64)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """``noise[:, 0]`` decides on success, ``noise[:, 1]`` on arrivals."""
        acts = joint_actions(actions)
        left, right = acts == 1, acts == 2
        alone = np.zeros(acts.shape, dtype=np.bool_)
        alone[:, 1:] |= left[:, 1:] & ~right[:, :-1]
        alone[:, :-1] |= right[:, :-1] & ~left[:, 1:]
        paid = alone & (state > 0) & (noise[:, 0] < SUCCESS)
        left_over = np.where(paid, state & (state - 1), state) >> 1
        return transition(left_over | ((noise[:, 1] < ARRIVAL) * 2), paid.astype(np.float64))

    def kernel(self) -> FactoredKernel:
        """Exact tables of at most 4 x 27 x 4 entries per agent."""
        n = self.spec.n
        agents = []
        for i, near in enumerate(self.spec.action_scopes):
            reward = np.zeros((QUEUES, *(3,) * len(near)))
            table = np.zeros((*reward.shape, QUEUES))
            for queue, *acts in itertools.product(range(QUEUES), *[range(3)] * len(near)):
                played = dict(zip(near, acts, strict=True))
                to_left = played[i] == 1 and i > 0 and played[i - 1] != 2
                to_right = played[i] == 2 and i < n - 1 and played[i + 1] != 1
                chance = SUCCESS * (queue > 0) * (to_left or to_right)
                reward[(queue, *acts)] = chance
                for rest, share in ((queue & (queue - 1), chance), (queue, 1.0 - chance)):
                    table[(queue, *acts, rest >> 1)] += share * (1.0 - ARRIVAL)
                    table[(queue, *acts, rest >> 1 | 2)] += share * ARRIVAL
            agents.append(LocalKernel((i,), near, table, reward, np.full(QUEUES, 1.0 / QUEUES)))
        return FactoredKernel((QUEUES,) * n, (3,) * n, tuple(agents))
