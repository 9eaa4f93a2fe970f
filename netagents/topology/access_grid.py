"""The graph of users who share access points: several users per cell, neighbours when their cells touch."""

from __future__ import annotations

from netagents.errors import TopologyError


def access_grid_edges(rows: int, columns: int, users: int) -> tuple[tuple[int, int], ...]:
    """Edges ``(i, j)``, i < j, ascending, of rows x columns cells with ``users`` agents each.

    Agent ``(r * columns + c) * users + u`` is user u of cell (r, c).  Access points stand on the inner corners of the grid and
    serve the four cells around them; agents are neighbours when some access point serves both, which means that their cells are
    the same or a king's move apart.  One user per cell gives the king grid.

    Raises:
        TopologyError: fewer than 2 x 2 cells (there would be no access point) or no users.
    """
    if rows < 2 or columns < 2 or users < 1:
        raise TopologyError(
            f"an access grid of {rows} x {columns} cells with {users} users each", fix="use rows >= 2, columns >= 2 and users >= 1"
        )
    edges: list[tuple[int, int]] = []
    for cell in range(rows * columns):
        r, c = divmod(cell, columns)
        # Only cells that come later, so that i < j without sorting pairs.
        later = [(r, c + 1), (r + 1, c - 1), (r + 1, c), (r + 1, c + 1)]
        others = [y * columns + x for y, x in later if y < rows and 0 <= x < columns]
        for u in range(users):
            i = cell * users + u
            near = [cell * users + v for v in range(u + 1, users)] + [other * users + v for other in others for v in range(users)]
            edges.extend((i, j) for j in sorted(near))
    return tuple(edges)
