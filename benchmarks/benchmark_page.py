"""The page of all benchmarks: each section says when and at which commit it was measured, and is replaced alone."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.table import Section

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_MARK = re.compile(r"^<!-- section: ([a-z-]+) -->\n", re.MULTILINE)


def provenance(rounds: int) -> str:
    """Where numbers come from: day, commit, and how many pairs were taken."""
    commit = _git("rev-parse", "--short=7", "HEAD") or "unknown"
    changes = " with changes" if _git("status", "--porcelain", "--", "netagents", "benchmarks") else ""
    return f"Measured on {time.strftime('%Y-%m-%d')}, commit {commit}{changes}, {rounds} rounds."


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=PAGE.parent.parent, capture_output=True, text=True, check=False).stdout.strip()


def parts_of(page: str) -> dict[str, str]:
    """The text of each section by name."""
    pieces = _MARK.split(page)[1:]
    return dict(zip(pieces[::2], (text.strip() for text in pieces[1::2]), strict=True))


def updated(page: str, sections: Mapping[str, Section], order: Sequence[str], source: str) -> str:
    """The page with these sections measured anew; others stay as they are, and names that are no sections any more go.

    Args:
        page: as it stands, or nothing. sections: by name. order: of all names. source: as :func:`provenance` says.
    """
    parts = parts_of(page) | {name: f"{section.markdown().strip()}\n\n{source}" for name, section in sections.items()}
    return "\n".join([*_head(), *(f"<!-- section: {name} -->\n{parts[name]}\n" for name in order if name in parts)])


def write(sections: Mapping[str, Section], order: Iterable[str], rounds: int) -> None:
    """Put sections on the page."""
    page = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(updated(page, sections, list(order), provenance(rounds)))


def _head() -> list[str]:
    return [
        "# Benchmarks",
        "",
        "Written by `make bench`. Ratios are medians of alternating pairs from one run, with 95 % intervals of order statistics;",
        f"absolute times belong to the machine that measured them: {os.cpu_count()} cores, {platform.machine()}, Linux, Python "
        f"{platform.python_version()}.",
        "`python -m benchmarks step training --page` measures some sections anew. Each says of which day and commit it is.",
        "",
    ]
