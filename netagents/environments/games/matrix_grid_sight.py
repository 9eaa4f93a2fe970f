"""What a player of a matrix game on a grid sees: 5 x 5 cells from its own point of view, its inventory and its beam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.environments.games.matrix_grid_maps import GridMap

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AHEAD, BEHIND, ASIDE = 3, 1, 2
SIDE = 2 * ASIDE + 1
OWN = AHEAD * SIDE + ASIDE
"""The player's own cell within its window; the row ahead of it comes first, left before right."""

WALL, FIRST, SECOND, OTHER = 0, 1, 2, 3
LAYERS = 7
"""Wall, the two classes of resources, and others who look the same way as oneself, to the right, towards oneself, to the left."""

FLOOR_CODE, WALL_CODE, RESOURCE_CODE, PLAYER_CODE, CODES = 0, 1, 2, 4, 8

SIZE = SIDE * SIDE * LAYERS + 3
"""Numbers of one observation: the layers cell by cell, a tenth of each inventory count (at most 1), and 1 where the beam is ready."""

DIRECTIONS = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
"""Row and column of a step north, east, south, west."""


class Sight:
    """The window of every player on one map.

    Args:
        grid: the map.
        players: n.
    """

    def __init__(self, grid: GridMap, players: int) -> None:
        pad = AHEAD
        self._width = grid.columns + 2 * pad
        walls = np.pad(grid.walls.reshape(grid.rows, grid.columns), pad, constant_values=True)
        self._blank = np.where(walls, WALL_CODE, FLOOR_CODE).astype(np.int64).reshape(-1)
        rows, columns = np.divmod(np.arange(grid.rows * grid.columns), grid.columns)
        self._padded = (rows + pad) * self._width + columns + pad
        self._resources = self._padded[grid.resources]
        self._players = players
        ahead, right = (axis.ravel() for axis in np.mgrid[AHEAD : -BEHIND - 1 : -1, -ASIDE : ASIDE + 1])
        forward, sideways = DIRECTIONS, np.roll(DIRECTIONS, -1, axis=0)
        steps = ahead[None, :, None] * forward[:, None] + right[None, :, None] * sideways[:, None]
        self._windows = steps[..., 0] * self._width + steps[..., 1]  # (heading, 25)
        # From one's own heading and the code of a cell to its layers.
        layers = np.zeros((4, CODES, LAYERS))
        layers[:, WALL_CODE, WALL] = 1.0
        layers[:, RESOURCE_CODE, FIRST] = layers[:, RESOURCE_CODE + 1, SECOND] = 1.0
        for heading in range(4):
            for other in range(4):
                layers[heading, PLAYER_CODE + other, OTHER + (other - heading) % 4] = 1.0
        self._layers = layers.reshape(-1, LAYERS)

    def observe(
        self, cells: IntArray, headings: IntArray, here: NDArray[np.bool_], classes: IntArray, present: NDArray[np.bool_]
    ) -> FloatArray:
        """Everybody's layers, ``(B, n, 25 * 7)``; nothing for players who are away.

        Args:
            cells, headings, here: of the players, ``(B, n)``; where ``here`` is False the player is away.
            classes, present: of the resources, ``(B, R)``.
        """
        copies = np.arange(len(cells))
        codes = np.repeat(self._blank[None], len(cells), axis=0)
        codes[:, self._resources] = np.where(present, RESOURCE_CODE + classes, FLOOR_CODE)
        padded = self._padded[cells]
        codes[copies[:, None], padded] = np.where(here, PLAYER_CODE + headings, WALL_CODE)
        windows = padded[..., None] + self._windows[headings] + (copies * codes.shape[1])[:, None, None]
        view = codes.reshape(-1).take(windows) + (CODES * headings)[..., None]
        view[:, :, OWN] = FLOOR_CODE
        view[~here] = FLOOR_CODE
        layers: FloatArray = self._layers.take(view, axis=0).reshape(len(cells), self._players, -1)
        return layers


def unpack(observed: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Layers ``(B, 25, 7)``, inventory counts ``(B, 2)`` and whether the beam is ready ``(B,)``, of one player's observations."""
    return observed[:, :-3].reshape(len(observed), SIDE * SIDE, LAYERS), observed[:, -3:-1] * 10.0, observed[:, -1] > 0.0


def beam_cells() -> Sequence[int]:
    """Cells of the window that the beam covers when nothing stands in its way."""
    place = [(ahead, side) for side in (-1, 1) for ahead in range(3)] + [(ahead, 0) for ahead in range(1, 4)]
    return [(AHEAD - ahead) * SIDE + ASIDE + side for ahead, side in place]
