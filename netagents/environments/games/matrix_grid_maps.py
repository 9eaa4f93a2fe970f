"""Maps of the matrix games on grids: the four shipped ones, and own ones from lines of characters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import EnvironmentMismatchError

WALL, START, EITHER = "W", "n", "a"
RESOURCES = {"1": 0, "2": 1, EITHER: -1}
CHARACTERS = f"{WALL}, {START}, {', '.join(RESOURCES)} and blank"
LARGEST_SIDE = 200

MAPS = {
    "small": """
WWWWWW
Wn  nW
W 21 W
W 12 W
Wn  nW
WWWWWW
""",
    "medium": """
WWWWWWWW
Wn    nW
W  21  W
W  aa  W
W  12  W
Wn    nW
WWWWWWWW
""",
    "large": """
WWWWWWWWWWWWW
Wn         nW
W    111    W
W    2a2    W
Wn         nW
W    1a1    W
W    222    W
Wn         nW
WWWWWWWWWWWWW
""",
    "obstacle": """
WWWWWWWWWWWWW
Wn    W    nW
W  W 111 W  W
W  W 2a2 W  W
Wn    W    nW
W  W 1a1 W  W
W  W 222 W  W
Wn    W    nW
WWWWWWWWWWWWW
""",
}
"""Maps by name, as the sheet of the games has them."""


class GridMap(NamedTuple):
    """A map with numbered cells, row by row.

    Attributes:
        rows, columns: its sides.
        walls: (rows * columns,) bool.
        starts: cells on which players start.
        resources: cells with a resource.
        classes: of each resource 0 or 1, or -1 where the class is drawn at the start.
    """

    rows: int
    columns: int
    walls: NDArray[np.bool_]
    starts: NDArray[np.int64]
    resources: NDArray[np.int64]
    classes: NDArray[np.int64]


def read_map(text: str, players: int, where: str) -> GridMap:
    """The map that lines of characters draw.

    Args:
        text: blank lines before and after do not count.
        players: how many need a start.
        where: names the map in errors.

    Raises:
        EnvironmentMismatchError: one line with line and column of an unknown character, a gap in the wall around it or a resource that
            nobody can reach; or too few starts.
    """
    lines = text.strip("\n").split("\n")
    columns = max(len(line) for line in lines)
    if len(lines) < 3 or not 3 <= columns <= LARGEST_SIDE or len(lines) > LARGEST_SIDE:
        raise EnvironmentMismatchError(
            f"a map of {len(lines)} x {columns} cells", where=where, fix=f"draw 3 to {LARGEST_SIDE} cells per side, walls included"
        )
    walls = np.ones((len(lines), columns), dtype=np.bool_)
    starts, resources, classes = [], [], []
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            at = f"{where}, line {row + 1}, column {column + 1}"
            if character not in (WALL, START, " ", *RESOURCES):
                raise EnvironmentMismatchError(f"unknown character '{character}'", where=at, fix=f"a map has {CHARACTERS}")
            if character == WALL:
                continue
            walls[row, column] = False
            if row in (0, len(lines) - 1) or column in (0, columns - 1):
                raise EnvironmentMismatchError("a gap in the wall around the map", where=at, fix="surround the map with W")
            cell = row * columns + column
            if character == START:
                starts.append(cell)
            elif character in RESOURCES:
                resources.append(cell)
                classes.append(RESOURCES[character])
    if len(starts) < players:
        raise EnvironmentMismatchError(
            f"{len(starts)} start cells for {players} players", where=where, fix="mark more cells with n, or use fewer agents"
        )
    if not resources:
        raise EnvironmentMismatchError("no resources", where=where, fix="mark cells with 1, 2 or a")
    reached = _reached(~walls, starts[0])
    for cell in (*resources, *starts):
        if not reached[cell]:
            at = f"{where}, line {cell // columns + 1}, column {cell % columns + 1}"
            raise EnvironmentMismatchError("no way leads here from the first start", where=at, fix="open the walls around it")
    return GridMap(
        len(lines),
        columns,
        walls.reshape(-1),
        np.array(starts, dtype=np.int64),
        np.array(resources, dtype=np.int64),
        np.array(classes, dtype=np.int64),
    )


def _reached(floor: NDArray[np.bool_], start: int) -> NDArray[np.bool_]:
    """Cells that can be walked to from the first start."""
    from scipy.ndimage import label

    areas, _ = label(floor)
    areas = areas.reshape(-1)
    reached: NDArray[np.bool_] = (areas == areas[start]) & (areas > 0)
    return reached
