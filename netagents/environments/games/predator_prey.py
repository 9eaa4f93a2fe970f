"""Predator and prey: predators with local sight who can only catch prey together, the resilience benchmark of games on grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import joint_actions, transition
from netagents.environments.networked_mdp import (
    BoolArray,
    Capabilities,
    EnvironmentSpec,
    FloatArray,
    IntArray,
    JointState,
    NetworkedMDP,
    Transition,
)
from netagents.environments.picture import Marker, Picture, Tile, agent_colour
from netagents.environments.spaces import Box, Discrete
from netagents.experiment.games import PredatorPreySettings
from netagents.topology import Topology

MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])
"""Row and column of each action: stay, up, down, left, right."""

GONE = -1_000_000
"""Row and column of a predator whose body was taken out."""

PREDATORS, PREY, OUTSIDE = 0, 1, 2
"""Layers of what a predator sees."""


class PredatorPrey(NetworkedMDP):
    """n predators, agents, and m prey, which move at random, on a square grid with walls around it.

    The joint state is ``(B, n + m, 2)`` int64, row and column of the predators, then of the prey; cells may hold any number.  A step:

    1. predators move (stay, up, down, left, right; walls stop them);
    2. a prey is caught where a predator stands on it and at least ``hunters`` predators are within ``reach`` king's moves of it; the
       predators on its cell share 1 point, and it comes back on a uniform cell;
    3. other prey move at random with chance ``prey_motion``: one of the five actions.

    An agent observes the square of ``2 sight + 1`` cells per side around itself, ``(3 (2 sight + 1)^2,)`` float64: other predators per
    cell divided by n, prey per cell divided by m, and 1 for cells outside the grid.  Predators who see each other are neighbours, as far
    as the topology lets them: the graph moves.

    That catches come before the prey's move, and how prey move, is ours.

    Args:
        topology: who may ever talk.
        settings: sizes and the rule of a catch.
    """

    def __init__(self, topology: Topology, settings: PredatorPreySettings | None = None) -> None:
        settings = settings or PredatorPreySettings()
        n = topology.n
        self.topology = topology
        self.settings = settings
        self.prey = max(1, n // 2) if settings.prey is None else settings.prey
        self._window = 2 * settings.sight + 1
        all_agents = (tuple(range(n)),) * n
        self.spec = EnvironmentSpec(
            name="predator_prey",
            state_spaces=(Box((3 * self._window**2,), -1.0, 1.0),) * n,
            action_spaces=(Discrete(5),) * n,
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(n + self.prey,),
            step_noise=(self.prey, 3),
            reach_offset=0,
            state_scopes=all_agents,
            action_scopes=all_agents,
            capabilities=Capabilities(moving=True),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Everybody on a uniform cell."""
        return self._cell(noise)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One step; of a prey's three numbers the first says where it comes back, the others whether and how it moves."""
        n, side, settings = self.spec.n, self.settings.side, self.settings
        predators = np.clip(state[:, :n] + MOVES[joint_actions(actions)], 0, side - 1)
        predators[state[:, :n] == GONE] = GONE
        prey = state[:, n:]
        gaps = np.abs(predators[:, :, None] - prey[:, None]).max(axis=3)  # (B, n, m)
        on = gaps == 0
        shares = on.sum(axis=1)
        caught = (shares >= 1) & ((gaps <= settings.reach).sum(axis=1) >= settings.hunters)
        rewards = (on * (caught / np.maximum(shares, 1))[:, None]).sum(axis=2)
        wander = MOVES[np.floor(noise[..., 2] * 5).astype(np.int64)] * (noise[..., 1] < settings.prey_motion)[..., None]
        moved = np.where(caught[..., None], self._cell(noise[..., 0]), np.clip(prey + wander, 0, side - 1))
        return transition(np.concatenate([predators, moved], axis=1), rewards)

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """Each predator's square, layers of predators, prey and outside, ``(B, 3 (2 sight + 1)^2)``."""
        n, copies, side, sight, window = self.spec.n, len(state), self.settings.side, self.settings.sight, self._window
        whole = side + 2 * sight
        grid = np.zeros((copies, 3, whole, whole))
        rows = np.arange(copies)
        here = state[..., 0] != GONE
        row, column = np.moveaxis(np.where(here[..., None], state + sight, 0), 2, 0)
        for member in range(n + self.prey):  # one after the other: a cell may hold several
            grid[rows, PREDATORS if member < n else PREY, row[:, member], column[:, member]] += here[:, member]
        grid[:, OUTSIDE] = 1.0
        grid[:, OUTSIDE, sight : sight + side, sight : sight + side] = 0.0
        squares = np.lib.stride_tricks.sliding_window_view(grid, (window, window), axis=(2, 3))
        observations = []
        for i in range(n):
            at = np.where(here[:, i, None], state[:, i], 0)
            view = squares[rows, :, at[:, 0], at[:, 1]].copy()
            view[:, PREDATORS, sight, sight] -= 1.0
            view[:, PREDATORS] /= n
            view[:, PREY] /= self.prey
            view[~here[:, i]] = 0.0
            observations.append(view.reshape(copies, -1))
        return observations

    def picture(self, state: JointState) -> Picture:
        """The grid of the first copy: prey as small light discs; of several predators on a cell each is drawn a little further right."""
        n, side = self.spec.n, self.settings.side
        tiles = [Tile(float(column), float(row), "#e3e8d8") for row in range(side) for column in range(side)]
        markers, standing = [], dict[tuple[int, int], int]()
        for member, (row, column) in [*enumerate(state[0].tolist())][::-1]:
            if row == GONE:
                continue
            if member >= n:
                markers.append(Marker(column + 0.5, row + 0.5, "#f7e08a", text="*", radius=0.2))
                continue
            place = standing.get((row, column), 0)
            standing[row, column] = place + 1
            markers.append(Marker(column + 0.3 + 0.2 * (place % 3), row + 0.6, agent_colour(member), agent=member, radius=0.28))
        return Picture(float(side), float(side), tiles, markers)

    def graph(self, state: JointState) -> BoolArray:
        """Predators who see each other: ``(B, n, n)``."""
        n = self.spec.n
        predators = state[:, :n]
        near: BoolArray = np.abs(predators[:, :, None] - predators[:, None]).max(axis=3) <= self.settings.sight
        absent = predators[..., 0] == GONE
        here: BoolArray = ~(absent[:, :, None] | absent[:, None])
        return near & here & ~np.eye(n, dtype=np.bool_)

    def without_body(self, state: JointState, agent: int) -> JointState:
        """A predator leaves the grid; it sees nothing, not even walls."""
        after = state.copy()
        after[:, agent] = GONE
        return after

    def _cell(self, noise: FloatArray) -> IntArray:
        """Uniform cells, ``(..., 2)``."""
        side = self.settings.side
        number = np.floor(noise * side * side).astype(np.int64)
        return np.stack([number // side, number % side], axis=-1)
