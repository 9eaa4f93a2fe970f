"""The documentation site: every page of docs/ has its place in the table of contents."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def contents(page: Path) -> list[str]:
    """What the toctrees of a page list."""
    blocks = re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]


def test_every_page_is_in_the_table_of_contents_once() -> None:
    listed = contents(DOCS / "index.md")
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"} | {"reference/index", "tutorials/index"}
    assert sorted(listed) == sorted(pages)


def test_every_page_of_the_reference_is_listed_once() -> None:
    listed = contents(DOCS / "reference" / "index.md")
    assert sorted(listed) == sorted(page.stem for page in (DOCS / "reference").glob("*.md") if page.stem != "index")


def test_every_tutorial_is_listed_once() -> None:
    listed = contents(DOCS / "tutorials" / "index.md")
    assert sorted(listed) == sorted(page.stem for page in (DOCS / "tutorials").glob("*.ipynb"))
