"""Regular graphs: lines, rings, grids, stars, trees.

Each function returns a :class:`~netagents.topology.graph.Topology` whose positions give a readable picture.
"""

from __future__ import annotations

from math import cos, pi, sin

from netagents.errors import TopologyError
from netagents.topology.access_grid import access_grid_edges
from netagents.topology.graph import LIMIT_EDGES, LIMIT_NODES, Edge, Position, Topology, too_many_edges


def line(n: int) -> Topology:
    """Agents 0..n-1 in a row."""
    return Topology(n, tuple((i, i + 1) for i in range(n - 1)), "line", positions=tuple((float(i), 0.0) for i in range(n)))


def ring(n: int) -> Topology:
    """Agents 0..n-1 in a circle, n >= 3."""
    if n < 3:
        raise TopologyError(f"a ring of {n} agents", fix="use n >= 3, or kind 'line'")
    return Topology(n, (*((i, i + 1) for i in range(n - 1)), (0, n - 1)), "ring", positions=_circle(n))


def grid(rows: int, columns: int) -> Topology:
    """rows x columns cells with four neighbours each; agent ``r * columns + c`` stands in row r, column c."""
    return _cells(rows, columns, "grid", ((0, 1), (1, 0)))


def king_grid(rows: int, columns: int) -> Topology:
    """rows x columns cells with eight neighbours each: the moves of a chess king."""
    return _cells(rows, columns, "king_grid", ((0, 1), (1, -1), (1, 0), (1, 1)))


def torus(rows: int, columns: int) -> Topology:
    """A grid whose opposite sides touch, rows >= 3 and columns >= 3: every agent has four neighbours."""
    if rows < 3 or columns < 3:
        raise TopologyError(f"a torus of {rows} x {columns} cells", fix="use rows >= 3 and columns >= 3")
    _check_cells(rows, columns)
    edges: list[Edge] = []
    for r in range(rows):
        for c in range(columns):
            here = r * columns + c
            edges.append((here, r * columns + (c + 1) % columns))
            edges.append((here, (r + 1) % rows * columns + c))
    return Topology(rows * columns, tuple(edges), "torus", (rows, columns), positions=_cell_positions(rows, columns))


def access_grid(rows: int, columns: int, users: int) -> Topology:
    """rows x columns cells with ``users`` agents each, neighbours when an access point serves both.

    Agent ``(r * columns + c) * users + u`` is user u of cell (r, c); see :func:`~netagents.topology.access_grid.access_grid_edges`.
    """
    _check_cells(rows, columns, users)
    # Each cell has at most four later neighbours, and users within a cell know each other.
    expected = rows * columns * users * (4 * users + (users - 1) / 2)
    if expected > 2 * LIMIT_EDGES:
        raise too_many_edges(expected)
    # The users of a cell stand on a small circle around its centre.
    around = [(0.25 * x, 0.25 * y) for x, y in _circle(users)] if users > 1 else [(0.0, 0.0)]
    positions = tuple((x + dx, y + dy) for x, y in _cell_positions(rows, columns) for dx, dy in around)
    edges = access_grid_edges(rows, columns, users)
    return Topology(rows * columns * users, edges, "access_grid", (rows, columns, users), positions=positions)


def star(n: int) -> Topology:
    """Agent 0 in the middle, 1..n-1 around it."""
    return Topology(n, tuple((0, i) for i in range(1, n)), "star", positions=((0.0, 0.0), *_circle(n - 1)))


def complete(n: int) -> Topology:
    """Everybody next to everybody."""
    if n * (n - 1) // 2 > LIMIT_EDGES:
        raise too_many_edges(n * (n - 1) // 2)
    return Topology(n, tuple((i, j) for i in range(n) for j in range(i + 1, n)), "complete", positions=_circle(n))


def balanced_tree(branching: int, height: int) -> Topology:
    """A rooted tree: agent 0 is the root, every inner agent has ``branching`` children, leaves are ``height`` hops from the root.

    Children of agent i are ``i * branching + 1 .. i * branching + branching``.
    """
    widths = [1]
    for _ in range(height):
        widths.append(widths[-1] * branching)
        if sum(widths) > LIMIT_NODES:
            raise TopologyError(
                f"a tree with {branching} children per agent and height {height} has more than {LIMIT_NODES} agents",
                fix="lower branching or height",
            )
    n = sum(widths)
    edges = tuple(((i - 1) // branching, i) for i in range(1, n))
    across = widths[-1]
    positions = tuple(((place + 0.5) * across / width, float(-depth)) for depth, width in enumerate(widths) for place in range(width))
    return Topology(n, edges, "balanced_tree", positions=positions)


def _cells(rows: int, columns: int, kind: str, moves: tuple[tuple[int, int], ...]) -> Topology:
    _check_cells(rows, columns)
    edges: list[Edge] = []
    for r in range(rows):
        for c in range(columns):
            for down, right in moves:
                if r + down < rows and 0 <= c + right < columns:
                    edges.append((r * columns + c, (r + down) * columns + c + right))
    return Topology(rows * columns, tuple(edges), kind, (rows, columns), positions=_cell_positions(rows, columns))


def _check_cells(rows: int, columns: int, users: int = 1) -> None:
    if rows < 1 or columns < 1 or rows * columns * users > LIMIT_NODES:
        times = f" x {users} users" if users > 1 else ""
        raise TopologyError(f"a grid of {rows} x {columns} cells{times}", fix=f"use 1 to {LIMIT_NODES} agents in all")


def _cell_positions(rows: int, columns: int) -> tuple[Position, ...]:
    # Row 0 is drawn at the top.
    return tuple((float(c), float(rows - 1 - r)) for r in range(rows) for c in range(columns))


def _circle(n: int) -> tuple[Position, ...]:
    # Clockwise from the top, as a clock is read.  Rounded, because cos and sin differ in the last bits between machines.
    return tuple((round(sin(2 * pi * i / n), 9), round(cos(2 * pi * i / n), 9)) for i in range(n))
