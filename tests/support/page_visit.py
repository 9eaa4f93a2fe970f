"""A visit of the live page: everything that it shows of the runs and studies below a folder, as a browser gets it, without a server."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from netagents.errors import NetagentsError
from netagents.monitoring.feed.csv_tables import TABLES, chosen_rows, csv_lines
from netagents.monitoring.feed.run_catalog import RunCatalog
from netagents.monitoring.feed.run_feed import Cursor, RunFeed


def visit(folder: Path) -> None:
    """Ask for all that the page has.

    A record that cannot be read is told by the feed; whatever else is raised would be "an error" in the browser, a traceback in a log.
    """
    catalog = RunCatalog([folder])
    for row in _sent(catalog.listing())["runs"]:
        with contextlib.suppress(NetagentsError):
            _visit_run(catalog.feed(row["key"]))


def _visit_run(feed: RunFeed) -> None:
    cursor = Cursor(logs=True)
    for _ in range(2):
        with contextlib.suppress(NetagentsError):
            _, cursor = feed.messages([cursor])[cursor]
    for answer in (lambda: _sent(feed.facts()), lambda: feed.matrix(None), lambda: _sent(feed.series("team", 0, 1 << 30, 100))):
        with contextlib.suppress(NetagentsError):
            answer()
    for table in TABLES.values():
        with contextlib.suppress(NetagentsError):
            list(csv_lines(table(feed.run.as_of_now())))
    with contextlib.suppress(NetagentsError):
        list(csv_lines(chosen_rows(feed.history, "return")))


def _sent(answer: dict[str, Any]) -> dict[str, Any]:
    json.dumps(answer, allow_nan=False).encode()
    return answer
