"""A table of results, for the screen and for the page."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Section:
    """A heading, what was measured, a table, and what it says."""

    title: str
    what: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    verdict: str = ""

    def add(self, *cells: object) -> None:
        """One more row."""
        self.rows.append(tuple(str(cell) for cell in cells))

    def text(self) -> str:
        """For the screen."""
        table = [self.columns, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.columns))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
        return "\n".join([self.title, *lines, self.verdict]).rstrip()

    def markdown(self) -> str:
        """For the page."""
        rule = "|" + "---|" * len(self.columns)
        lines = ["| " + " | ".join(row) + " |" for row in (self.columns, *self.rows)]
        parts = [f"## {self.title}", "", self.what, "", lines[0], rule, *lines[1:], ""]
        return "\n".join([*parts, self.verdict, ""] if self.verdict else parts)
