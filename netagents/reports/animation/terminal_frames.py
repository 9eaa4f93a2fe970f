"""Pictures as coloured characters: four by two to a cell, or two by one where that is too wide."""

from __future__ import annotations

import math
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from netagents.environments.picture import Marker, Picture, Tile

if TYPE_CHECKING:
    from rich.text import Text

LARGE, SMALL = 4, 2
"""Columns per cell; a cell has half as many lines, since a character is about twice as high as wide."""

ARROWS = ">v<^"
DARK, LIGHT = "#111111", "#ffffff"


def columns_per_cell(picture: Picture, columns: int, lines: int) -> int:
    """How many columns a cell may take in a terminal of this size."""
    fits = picture.width * LARGE <= columns and picture.height * LARGE / 2 <= lines
    return LARGE if fits else SMALL


def terminal_frame(picture: Picture, per_cell: int, halos: tuple[float, ...] | None = None, *, plain: bool = False) -> Text:
    """One picture.

    Args:
        picture: what to show.
        per_cell: columns per cell.
        halos: per agent, a share of the largest: agents with more than half of it are underlined.
        plain: there are no colours: dots fill tiles, and a plus says that an agent holds something.
    """
    from rich.style import Style
    from rich.text import Text

    canvas = _Canvas(picture, per_cell, plain)
    for tile in picture.tiles:
        canvas.tile(tile)
    for marker in picture.markers:
        strong = halos is not None and marker.agent is not None and halos[marker.agent] > 0.5
        canvas.marker(marker, strong)
    text = Text(no_wrap=True, end="")
    for row in canvas.cells:
        for (ink, ground, strong), cells in groupby(row, key=itemgetter(1, 2, 3)):
            text.append("".join(cell[0] for cell in cells), Style(color=ink, bgcolor=ground, bold=True, underline=strong))
        text.append("\n")
    return text


def readable_on(ground: str) -> str:
    """Black or white, whichever can be read on this colour."""
    red, green, blue = (int(ground[at : at + 2], 16) for at in (1, 3, 5))
    return DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else LIGHT


class _Canvas:
    def __init__(self, picture: Picture, per_cell: int, plain: bool) -> None:
        self.ground, self.held = (".", "+") if plain else (" ", " ")
        self.across, self.down = per_cell, per_cell // 2
        columns, lines = math.ceil(picture.width * self.across), math.ceil(picture.height * self.down)
        blank = (" ", readable_on(picture.background), picture.background, False)
        self.cells = [[blank] * columns for _ in range(lines)]

    def tile(self, tile: Tile) -> None:
        left, right = round(tile.x * self.across), round((tile.x + tile.width) * self.across)
        top, bottom = round(tile.y * self.down), round((tile.y + tile.height) * self.down)
        for line in range(top, max(bottom, top + 1)):
            self._write(left, line, self.ground * max(right - left, 1), tile.colour)
        if tile.text:
            self._write((left + right - len(tile.text)) // 2, (top + bottom - 1) // 2, tile.text, tile.colour)

    def marker(self, marker: Marker, strong: bool) -> None:
        label = marker.text if marker.agent is None else str(marker.agent)
        if marker.heading is not None:
            label += ARROWS[round(marker.heading / (math.pi / 2)) % 4]
        label = label.center(2)
        # Half the height of what is drawn: two lines of two columns in a large cell.
        lines = max(1, round(2 * marker.radius * self.down * 1.2))
        left = round(marker.x * self.across - len(label) / 2)
        top = round(marker.y * self.down - lines / 2)
        self._write(left, top, label, marker.colour, strong)
        for line in range(1, lines):
            self._write(left, top + line, (self.held if marker.badge else " ") * len(label), marker.badge or marker.colour, strong)
        if marker.badge and lines == 1:
            self._write(left + len(label), top, self.held, marker.badge)

    def _write(self, left: int, line: int, characters: str, ground: str, strong: bool = False) -> None:
        if not 0 <= line < len(self.cells):
            return
        for column, character in enumerate(characters, start=left):
            if 0 <= column < len(self.cells[line]):
                printable = character if character.isprintable() else "?"
                self.cells[line][column] = (printable, readable_on(ground), ground, strong)
