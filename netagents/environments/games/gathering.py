"""Gathering: agents on a ring of cells who are all paid for how many of them stand on the most crowded cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import joint_actions, require_capacity, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, IntArray, JointState, NetworkedMDP, Transition
from netagents.environments.picture import Marker, Picture, Tile, agent_colour
from netagents.environments.spaces import Discrete
from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.experiment.games import GatheringSettings
from netagents.topology import Topology

LEFT, STAY, RIGHT = 0, 1, 2

MOST_SIGHTS = 1_000_000
"""Largest table from what is seen to its number."""


class Gathering(NetworkedMDP):
    """N >= 2 agents on a ring of m cells (own definition; small enough for an exact worst adversary).

    The joint state is ``(B, N)`` int64, each agent's cell.  Actions go left, stay, go right; a move fails with probability ``slip``.
    After the move everybody earns

        r = (agents on the most crowded cell - 1) / (N - 1).

    All start on independent uniform cells.  With ``observation: sight`` an agent observes how many others stand in each of the
    2 r + 1 cells around it, as one number, and not where on the ring it is: nobody can agree on a cell in advance.  Its table is indexed
    by what it and its neighbours see.  With ``cell`` it observes its own cell, and neighbours hear of it; exact methods then read the
    policies as they are.

    Args:
        topology: any graph; it says who hears whom, not who sees whom.
        settings: ``cells`` (m), ``sight`` (r), ``observation``, ``slip``.

    Raises:
        EnvironmentMismatchError: a single agent, or a sight that goes round the ring.
        CapacityError: more agents in a wider sight than one number can tell apart.
    """

    def __init__(self, topology: Topology, settings: GatheringSettings | None = None) -> None:
        settings = settings or GatheringSettings()
        n, m = topology.n, settings.cells
        if n < 2:
            raise EnvironmentMismatchError("environment 'gathering' needs somebody to meet", where="topology", fix="use n >= 2")
        if 2 * settings.sight + 1 > m:
            raise EnvironmentMismatchError(
                f"a sight of {settings.sight} goes round a ring of {m} cells", where="environment.sight", fix=f"use at most {(m - 1) // 2}"
            )
        self.topology = topology
        self.settings = settings
        self._numbers = _sight_numbers(n, settings.sight) if settings.observation == "sight" else None
        all_agents = (tuple(range(n)),) * n
        self.spec = EnvironmentSpec(
            name="gathering",
            state_spaces=(Discrete(m),) * n,
            action_spaces=(Discrete(3),) * n,
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(n,),
            step_noise=(n,),
            reach_offset=0,
            state_scopes=all_agents,
            action_scopes=all_agents,
            capabilities=Capabilities(enumerable=True),
            observations=None if self._numbers is None else (Discrete(int(self._numbers.max()) + 1),) * n,
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Uniform cells from noise ``(B, N)``."""
        return np.floor(noise * self.settings.cells).astype(np.int64)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One move of everybody; agent i slips where ``noise[:, i]`` is below ``slip``."""
        moves = np.where(noise < self.settings.slip, 0, joint_actions(actions) - 1)
        after = (state + moves) % self.settings.cells
        return transition(after, np.repeat(crowding(after)[:, None], self.spec.n, axis=1))

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """Each agent's number of what it sees, or its own cell: ``(B,)`` int64."""
        if self._numbers is None:
            return list(np.ascontiguousarray(state.T))
        n, m, sight = self.spec.n, self.settings.cells, self.settings.sight
        offset = (state[:, None, :] - state[:, :, None] + sight) % m  # (B, observer, observed)
        code = np.where(offset <= 2 * sight, n ** np.minimum(offset, 2 * sight), 0)
        code[:, np.arange(n), np.arange(n)] = 0
        return list(np.ascontiguousarray(self._numbers[code.sum(axis=2)].T))

    def picture(self, state: JointState) -> Picture:
        """The ring of the first copy, cell 0 on top; agents on one cell stand in a row towards its middle."""
        m = self.settings.cells
        radius = max(2.0, 1.2 * m / (2.0 * np.pi))
        side = 2.0 * radius + 2.0
        angles = 2.0 * np.pi * np.arange(m) / m - np.pi / 2
        across, down = side / 2 + radius * np.cos(angles), side / 2 + radius * np.sin(angles)
        tiles = [Tile(float(across[cell] - 0.5), float(down[cell] - 0.5), "#d9d2c3") for cell in range(m)]
        markers, standing = [], [0] * m
        for agent, cell in enumerate(state[0].tolist()):
            inward = 1.0 - 0.45 * standing[cell] / radius
            x, y = side / 2 + inward * (across[cell] - side / 2), side / 2 + inward * (down[cell] - side / 2)
            markers.append(Marker(float(x), float(y), agent_colour(agent), agent=agent, radius=0.3))
            standing[cell] += 1
        return Picture(side, side, tiles, markers)

    def kernel(self) -> FactoredKernel:
        """Exact tables over everybody's cells and actions: rewards are shared at once.

        Raises:
            CapacityError: they would be too large (N = 3 takes m <= 33, N = 4 m <= 12).
        """
        n, m, slip = self.spec.n, self.settings.cells, self.settings.slip
        require_capacity(self.spec.name, [m**n * 3**n * m] * n)
        local = np.zeros((m, 3, m))
        for cell, action in product(range(m), range(3)):
            local[cell, action, (cell + action - 1) % m] += 1.0 - slip
            local[cell, action, cell] += slip
        reward = np.zeros((m,) * n + (3,) * n)
        cells = np.indices((m,) * n).reshape(n, -1).T
        for joint_action in product(range(3), repeat=n):
            expected = np.zeros(len(cells))
            for slipped in product((False, True), repeat=n):
                chance = float(np.prod([slip if each else 1.0 - slip for each in slipped]))
                moves = np.where(slipped, 0, np.array(joint_action) - 1)
                expected += chance * crowding((cells + moves) % m)
            where: Any = (..., *joint_action)
            reward[where] = expected.reshape((m,) * n)
        all_agents = tuple(range(n))
        agents = []
        for i in range(n):
            axes = [m if j == i else 1 for j in range(n)] + [3 if k == i else 1 for k in range(n)]
            law = np.broadcast_to(local.reshape(*axes, m), (*reward.shape, m)).copy()
            agents.append(LocalKernel(all_agents, all_agents, law, reward, np.full(m, 1.0 / m)))
        return FactoredKernel((m,) * n, (3,) * n, tuple(agents))


def crowding(cells: IntArray) -> FloatArray:
    """(agents on the most crowded cell - 1) / (N - 1) of cells ``(B, N)``: ``(B,)``."""
    together = (cells[:, :, None] == cells[:, None, :]).sum(axis=2).max(axis=1)
    shared: FloatArray = (together - 1) / (cells.shape[1] - 1)
    return shared


def sight_counts(environment: Gathering) -> IntArray:
    """How many others are in each of the 2 r + 1 cells, left to right, for every number that an agent may observe: ``(numbers, 2 r + 1)``.

    Raises:
        EnvironmentMismatchError: agents observe their own cells.
    """
    numbers = environment._numbers
    if numbers is None:
        raise EnvironmentMismatchError("agents observe their cells", where="environment.observation", fix="use observation: sight")
    codes = np.flatnonzero(numbers >= 0)
    powers = environment.spec.n ** np.arange(2 * environment.settings.sight + 1)
    return codes[:, None] // powers % environment.spec.n


def _sight_numbers(n: int, sight: int) -> IntArray:
    """From base-n counts of the cells in sight to consecutive numbers; -1 where more than n - 1 others would be seen."""
    width = 2 * sight + 1
    if n**width > MOST_SIGHTS:
        raise CapacityError(
            f"{n} agents who see {width} cells each have up to {n**width:,} codes of what they see",
            where="environment.sight",
            fix=f"use fewer agents or a smaller sight, so that n^(2 sight + 1) is at most {MOST_SIGHTS:,}",
        )
    codes = np.arange(n**width)
    digits = sum(codes // n**place % n for place in range(width))
    possible = digits <= n - 1
    return np.where(possible, np.cumsum(possible) - 1, -1)
