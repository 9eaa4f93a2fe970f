"""Tables at marked places of a page: ``<!-- table NAME -->`` ... ``<!-- end -->``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def fill(page: str, tables: Mapping[str, Sequence[Sequence[str]]], where: Path) -> str:
    """The page with every table at its place.

    Args:
        page: its text. tables: by name, the heads of the columns first. where: the page's file, for the error.

    Raises:
        SystemExit: the page has no place for one of them.
    """
    for name, lines in tables.items():
        ruled = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
        table = "\n".join("| " + " | ".join(line) + " |" for line in ruled)
        before, opening, rest = page.partition(f"<!-- table {name} -->\n")
        _, closing, after = rest.partition("<!-- end -->")
        if not opening or not closing:
            raise SystemExit(f"{where} has no place <!-- table {name} --> ... <!-- end -->")
        page = f"{before}{opening}\n{table}\n\n{closing}{after}"
    return page
