"""Layouts of kitchens: the shipped ones, rooms in a row, and own ones from lines of characters.

The grids are those of the public engine overcooked_ai (https://github.com/HumanCompatibleAI/overcooked_ai, MIT licence).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import EnvironmentMismatchError

FLOOR, COUNTER, ONIONS, TOMATOES, DISHES, POT, HATCH = range(7)
KINDS = {" ": FLOOR, "X": COUNTER, "O": ONIONS, "T": TOMATOES, "D": DISHES, "P": POT, "S": HATCH}
STARTS = "123456789"
CHARACTERS = "X, O, T, D, P, S, 1 to 9 and blank"
LARGEST_SIDE = 100
MOST_COOKS = len(STARTS)

LAYOUTS = {
    "cramped_room": "XXPXX/O  2O/X1  X/XDXSX",
    "asymmetric_advantages": "XXXXXXXXX/O XSXOX S/X   P 1 X/X2  P   X/XXXDXDXXX",
    "coordination_ring": "XXXPX/X 1 P/D2X X/O   X/XOSXX",
    "forced_coordination": "XXXPX/O X1P/O2X X/D X X/XXXSX",
    "counter_circuit_o_1order": "XXXPPXXX/X  2   X/D XXXX S/X  1   X/XXXOOXXX",
    "counter_circuit": "XXXPDPXXX/X   2   X/X XXXXX X/X   1   X/XXXOSTXXX",
    "centre_pots": "XXXOSSX/X  1  X/X P P X/X  2  X/XDDOXXX",
    "bottleneck": "XXOXDXX/X 1X2 X/X  X  X/X     X/XSXXPPX",
    "m_shaped_s": "XPXXX/O X2O/X1  X/XDXSX",
    "large_room": "XXXPXXX/O    2O/X     X/X     X/X     X/X1    X/XDXXXSX",
    "five_by_five": "XDPXX/X   S/O 2 X/X1  D/XOXPX",
    "multiplayer_schelling": "XXSPDXX/X  1  X/X  X  X/O3   4O/X  X  X/X  2  X/XXDPSXX",
    "corridor": (
        "XXXXXOXXDXXXXX/X  1  XX  2  X/X     XX     X/X  XXXXXXXX  X/X            X/"
        "X  XXXXXXXX  X/X     XX     X/X     XX     X/XXXXXSXXPPXXXX"
    ),
}
"""Grids by name, rows from top to bottom."""


class LayoutRules(NamedTuple):
    """What a layout says beyond its grid, where the settings do not: soups and what they pay and take."""

    orders: tuple[str, ...] = ("OOO",)
    bonus_orders: tuple[str, ...] = ()
    ingredient_values: tuple[float, float] | None = None
    ingredient_times: tuple[int, int] | None = None


RULES = {"counter_circuit": LayoutRules(("OTT", "OOT", "OT"), ("OT",), (21.0, 13.0), (15, 7))}
"""Of the layouts that do not have the plain ones."""


class Floorplan(NamedTuple):
    """A kitchen with numbered floor cells, counters and pots.

    Attributes:
        kinds: (rows, columns) int64, kind of each cell.
        floor: (F, 2) row and column of each floor cell, row by row.
        starts: (n,) number of the floor cell on which each cook starts.
        areas: (F,) number of the connected floor that each cell belongs to.
        counters, pots: (C, 2), (P, 2) row and column of those that a cook can stand next to.
    """

    kinds: NDArray[np.int64]
    floor: NDArray[np.int64]
    starts: NDArray[np.int64]
    areas: NDArray[np.int64]
    counters: NDArray[np.int64]
    pots: NDArray[np.int64]


def rooms_in_a_row(cooks: int, width: int, height: int) -> str:
    """One room per cook, divided by counters: onions and dishes in the first, pots and the hatch in the last.

    With two cooks and rooms one cell wide this is forced coordination with another hatch; with more, items go from hand to hand.
    """
    last = 2 + cooks * (width + 1) - 2
    rows = [["X"] * (last + 1) for _ in range(height + 2)]
    for cook in range(cooks):
        left = 1 + cook * (width + 1)
        for row in range(1, height + 1):
            rows[row][left : left + width] = " " * width
        rows[1 + height // 2][left] = STARTS[cook]
    for row, character in ((1, "O"), (2, "O"), (height, "D")):
        rows[row][0] = character
    for row, character in ((1, "P"), (2, "P"), (height, "S")):
        rows[row][last] = character
    return "\n".join("".join(row) for row in rows)


def read_layout(text: str, cooks: int, where: str) -> Floorplan:
    """The kitchen that lines of characters draw.

    Args:
        text: rows on lines of their own, or divided by ``/``; blank lines before and after do not count.
        cooks: n; cook k starts on the digit k + 1.  Cooks for whom no digit is drawn start on the first free floor cells.
        where: names the layout in errors.

    Raises:
        EnvironmentMismatchError: one line with line and column of an unknown character, floor at the border, a start drawn twice or a
            pot that nobody can stand next to; or no start cells, more cooks than floor, or nothing with which to make a soup.
    """
    lines = text.replace("/", "\n").strip("\n").split("\n")
    columns = max(len(line) for line in lines)
    if len(lines) < 3 or not 3 <= columns <= LARGEST_SIDE or len(lines) > LARGEST_SIDE:
        raise EnvironmentMismatchError(
            f"a kitchen of {len(lines)} x {columns} cells", where=where, fix=f"draw 3 to {LARGEST_SIDE} cells per side, counters included"
        )
    kinds = np.full((len(lines), columns), COUNTER, dtype=np.int64)
    drawn: dict[int, tuple[int, int]] = {}
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            at = _at(where, row, column)
            if character in STARTS:
                cook = STARTS.index(character)
                if cook in drawn:
                    raise EnvironmentMismatchError(f"start {character} is drawn twice", where=at, fix="use each digit once")
                drawn[cook] = (row, column)
            elif character not in KINDS:
                raise EnvironmentMismatchError(f"unknown character '{character}'", where=at, fix=f"a kitchen has {CHARACTERS}")
            kinds[row, column] = KINDS.get(character, FLOOR)
    _check_border(lines, kinds, where)
    floor = np.argwhere(kinds == FLOOR)
    if not drawn:
        raise EnvironmentMismatchError("no start cells", where=where, fix="mark where cooks start with 1, 2, ...")
    if cooks > min(len(floor), MOST_COOKS):
        limit = f"on {len(floor)} cells of floor" if cooks > len(floor) else "at once"
        raise EnvironmentMismatchError(
            f"{cooks} cooks {limit}", where=where, fix=f"use at most {min(len(floor), MOST_COOKS)} agents, or a larger kitchen"
        )
    numbers = {(int(row), int(column)): number for number, (row, column) in enumerate(floor)}
    free = [number for cell, number in numbers.items() if cell not in drawn.values()]
    starts = [numbers[drawn[cook]] if cook in drawn else -1 for cook in range(cooks)]
    for cook in (cook for cook in range(cooks) if starts[cook] < 0):
        if not free:  # starts of cooks who do not take part
            free = [number for number in numbers.values() if number not in starts]
        starts[cook] = free.pop(0)
    areas = _areas(kinds)[floor[:, 0], floor[:, 1]]
    used = {int(areas[start]) for start in starts}
    beside = _areas_beside(kinds, floor, areas, used)
    for row, column in np.argwhere(kinds == POT).tolist():
        if not beside.get((row, column)):
            raise EnvironmentMismatchError(
                "no cook can reach this pot", where=_at(where, row, column), fix="put it next to floor that a cook can walk to"
            )
    _check_work(kinds, beside, used, where)
    reached = {
        kind: np.array([cell for cell in sorted(beside) if kinds[cell] == kind], dtype=np.int64).reshape(-1, 2) for kind in (COUNTER, POT)
    }
    return Floorplan(kinds, floor, np.array(starts, dtype=np.int64), areas, reached[COUNTER], reached[POT])


def _at(where: str, row: int, column: int) -> str:
    return f"{where}, line {row + 1}, column {column + 1}"


def _check_border(lines: list[str], kinds: NDArray[np.int64], where: str) -> None:
    """Floor has four neighbours that were drawn."""
    for row, column in np.argwhere(kinds == FLOOR).tolist():
        for down, right in ((-1, 0), (1, 0), (0, 1), (0, -1)):
            if not (0 <= row + down < len(lines) and 0 <= column + right < len(lines[row + down])):
                raise EnvironmentMismatchError(
                    "floor at the border", where=_at(where, row, column), fix="surround the floor, with X for example"
                )


def _areas(kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the connected floor of each cell; 0 elsewhere."""
    from scipy.ndimage import label

    areas: NDArray[np.int64] = label(kinds == FLOOR)[0].astype(np.int64)
    return areas


def _areas_beside(
    kinds: NDArray[np.int64], floor: NDArray[np.int64], areas: NDArray[np.int64], used: set[int]
) -> dict[tuple[int, int], set[int]]:
    """From each cell that is no floor and that a cook can stand next to, to the cooks' areas there."""
    beside: dict[tuple[int, int], set[int]] = {}
    for (row, column), area in zip(floor.tolist(), areas.tolist(), strict=True):
        for down, right in ((-1, 0), (1, 0), (0, 1), (0, -1)):
            cell = (row + down, column + right)
            if kinds[cell] != FLOOR and area in used:
                beside.setdefault(cell, set()).add(area)
    return beside


def _check_work(kinds: NDArray[np.int64], beside: dict[tuple[int, int], set[int]], used: set[int], where: str) -> None:
    """A soup can be made: cooks who can hand things to each other reach ingredients, dishes, a pot and the hatch."""
    groups = [{area} for area in used]
    for cell, areas in beside.items():
        if kinds[cell] == COUNTER:
            joined = set().union(*(group for group in groups if group & areas))
            groups = [group for group in groups if not group & areas] + [joined]
    requirements = {"ingredients (O or T)": (ONIONS, TOMATOES), "dishes (D)": (DISHES,), "a pot (P)": (POT,), "a hatch (S)": (HATCH,)}
    missing: list[str] = []
    for group in groups:
        reached = {int(kinds[cell]) for cell, areas in beside.items() if areas & group}
        lacks = [name for name, kinds_of in requirements.items() if not reached & set(kinds_of)]
        if not lacks:
            return
        missing = lacks if not missing or len(lacks) < len(missing) else missing
    raise EnvironmentMismatchError(
        f"no soup can be made: {' and '.join(missing)} cannot be reached", where=where, fix="let cooks reach all of O or T, D, P and S"
    )
