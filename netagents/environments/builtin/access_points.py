"""Who can reach which access point: the layout both wireless environments share.

Users live in the cells of a rows x columns grid, ``users`` of them per cell, and user u of cell (r, c) is agent
``(r * columns + c) * users + u``.  Access points stand on the inner corners, numbered row by row, and each serves the four cells
around it.  Users are graph neighbours when some access point serves both: their cells are the same or a king's move apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netagents.environments.networked_mdp import BoolArray, IntArray
from netagents.errors import EnvironmentMismatchError
from netagents.topology import Topology

OUTSIDE = -1
"""Stands for an access point that does not exist."""


@dataclass(frozen=True, slots=True)
class AccessLayout:
    """Cells, users and access points.

    Attributes:
        rows, columns: cells, at least 2 each.
        users: users per cell.
        corners: ``(n, 4)`` int64; the access points up-left, up-right, down-left and down-right of each user, or :data:`OUTSIDE`.
    """

    rows: int
    columns: int
    users: int
    corners: IntArray

    @property
    def n(self) -> int:
        """Number of users."""
        return self.rows * self.columns * self.users

    @property
    def points(self) -> int:
        """Number of access points."""
        return (self.rows - 1) * (self.columns - 1)

    def clients(self) -> tuple[tuple[int, ...], ...]:
        """The users whom each access point serves, ascending."""
        served: list[list[int]] = [[] for _ in range(self.points)]
        for user, corners in enumerate(self.corners.tolist()):
            for y in sorted({*corners} - {OUTSIDE}):
                served[y].append(user)
        return tuple(map(tuple, served))

    def neighbourhoods(self) -> tuple[tuple[int, ...], ...]:
        """For each user, itself and all users with whom it shares an access point, ascending."""
        clients = self.clients()
        served = [tuple(y for y in row if y != OUTSIDE) for row in self.corners.tolist()]
        return tuple(tuple(sorted({j for y in points for j in clients[y]})) for points in served)


def access_layout(rows: int, columns: int, users: int) -> AccessLayout:
    """The layout of a grid of cells."""
    r, c = np.divmod(np.repeat(np.arange(rows * columns), users), columns)
    corners = np.full((rows * columns * users, 4), OUTSIDE, dtype=np.int64)
    for k, (up, left) in enumerate(((-1, -1), (-1, 0), (0, -1), (0, 0))):
        y, x = r + up, c + left
        inside = (y >= 0) & (y < rows - 1) & (x >= 0) & (x < columns - 1)
        corners[inside, k] = (y * (columns - 1) + x)[inside]
    return AccessLayout(rows, columns, users, corners)


def layout_of(topology: Topology, environment: str, *, fix: str, users: int | None = None) -> AccessLayout:
    """The layout whose sharing graph is exactly this topology, read from the edges (so graph files fit as well).

    Args:
        topology: rows x columns cells with the same number of users each.
        environment: registered kind of the caller, for the message.
        fix: what the message recommends.
        users: the number of users per cell that the environment needs; None takes any.

    Raises:
        EnvironmentMismatchError: the edges are not those of such a layout.
    """
    # Agent 0 stands in a corner cell: it meets the users of four cells, the first of the third one being agent columns * users.
    near = [int(j) for j in topology.neighbours(0)]
    m, remainder = divmod(len(near) + 1, 4)
    if m >= 1 and remainder == 0 and users in (None, m):
        columns, offset = divmod(sorted(near)[2 * m - 1], m)
        rows, rest = divmod(topology.n, columns * m) if columns >= 2 else (0, 1)
        if rows >= 2 and rest == 0 and offset == 0:
            layout = access_layout(rows, columns, m)
            if {(int(i), int(j)) for i, j in topology.edges} == _sharing_edges(layout):
                return layout
    raise EnvironmentMismatchError(
        f"environment '{environment}' cannot run on a '{topology.kind}' topology of {topology.n} agents and {len(topology.edges)} edges",
        where="topology",
        fix=fix,
    )


def _sharing_edges(layout: AccessLayout) -> set[tuple[int, int]]:
    return {(i, j) for i, near in enumerate(layout.neighbourhoods()) for j in near if i < j}


def alone_at(access_points: IntArray, points: int) -> BoolArray:
    """Which users are the only ones at the access point they chose.

    Args:
        access_points: ``(B, n)`` access points, :data:`OUTSIDE` for none.
        points: number of access points.

    Returns:
        ``(B, n)`` bool, False where none was chosen.
    """
    # One bincount for all copies: each copy owns points + 1 bins, the last of which collects those who chose none.
    bins = np.where(access_points == OUTSIDE, points, access_points) + np.arange(len(access_points), dtype=np.int64)[:, None] * (points + 1)
    counts = np.bincount(bins.ravel(), minlength=len(access_points) * (points + 1))
    alone: BoolArray = (counts[bins] == 1) & (access_points != OUTSIDE)
    return alone
