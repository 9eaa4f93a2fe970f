"""Catalogue of what a page shows: runs and studies below the paths that were named, found anew as they appear."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from netagents.errors import NetagentsError, RunDirectoryError
from netagents.monitoring.feed.json_numbers import rounded
from netagents.monitoring.feed.run_feed import RunFeed
from netagents.monitoring.feed.run_overview import clipped
from netagents.records import Run
from netagents.records.manifest import created_time
from netagents.records.record_files import read_record
from netagents.records.regular_files import open_regular
from netagents.records.run_creation import COMPARISON
from netagents.records.run_directory import MANIFEST

STUDY = "study.json"
_RUNS = "runs"
_MOST_RUNS = 2000
_MOST_FEEDS = 12
"""Runs whose records are held in memory at once; the one that nobody asked for the longest is forgotten first."""

_LOOK_SECONDS = 1.0
_ENDED = ("finished", "interrupted", "failed", "killed")


class RunCatalog:
    """Finds runs and studies, and holds the feeds of those that somebody looks at.

    Args:
        paths: run directories, study directories, or folders of either.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._runs: dict[str, Path] = {}
        self._studies: list[Path] = []
        self._feeds: OrderedDict[str, RunFeed] = OrderedDict()
        self._rows: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
        self._looked = -math.inf

    def look(self) -> None:
        """Find what is there now, unless that was just done."""
        with self._lock:
            if time.monotonic() - self._looked < _LOOK_SECONDS:
                return
            runs: list[Path] = []
            studies: list[Path] = []
            for path in self._paths:
                for each in [path] if _is_one(path) else _folders(path):
                    if (each / STUDY).is_file():
                        studies.append(each)
                        runs += [run for run in _folders(each / _RUNS) if (run / MANIFEST).is_file()]
                    elif (each / MANIFEST).is_file():
                        runs.append(each)
                        runs += [run for run in _folders(each / COMPARISON) if (run / MANIFEST).is_file()]
            self._runs = {run_key(run): run for run in runs[:_MOST_RUNS]}
            self._studies = studies
            self._looked = time.monotonic()

    def feed(self, key: str) -> RunFeed:
        """The feed of a run.

        Raises:
            RunDirectoryError: there is no such run, or it cannot be read.
        """
        self.look()
        with self._lock:
            feed = self._feeds.get(key)
            if feed is None:
                if key not in self._runs:
                    raise RunDirectoryError("no such run is shown here")
                feed = self._feeds[key] = RunFeed(self._runs[key])
                if len(self._feeds) > _MOST_FEEDS:
                    self._feeds.popitem(last=False)
            self._feeds.move_to_end(key)
            return feed

    def warm_up(self) -> None:
        """Read the newest run before anybody asks for it; whatever is wrong with it, the visitor is told."""
        with contextlib.suppress(NetagentsError):
            rows = self.listing()["runs"]
            feed = self.feed(rows[0]["key"]) if rows else None
            while feed is not None:
                feed.refresh()
                if not feed.history.behind:
                    break

    def listing(self) -> dict[str, Any]:
        """All runs, newest first and those last that others were only compared with, and all studies with their grids."""
        self.look()
        with self._lock:
            runs, studies = dict(self._runs), list(self._studies)
        rows = [self._row(key, path) for key, path in runs.items()]
        rows.sort(key=lambda row: (runs[row["key"]].parent.name == COMPARISON, -row["created"]))
        by_path = {str(runs[row["key"]]): row for row in rows}
        return {"runs": rows, "studies": [grid for path in studies if (grid := study_grid(path, by_path)) is not None]}

    def _row(self, key: str, path: Path) -> dict[str, Any]:
        sizes = (_size(path / "metrics.jsonl"), _size(path / "events.jsonl"))
        known = self._rows.get(key)
        if known is not None and known[0] == sizes and known[1]["state"] in (*_ENDED, "unreadable"):
            return known[1]
        try:
            run = Run.open(path)
            last = last_row(path / "metrics.jsonl")
            row = {
                "key": key,
                "name": clipped(path.name, 120),
                "state": run.state,
                "created": created_time(run.manifest),
                "seed": run.manifest["seed"],
                "n": run.n,
                "iterations": 0 if last is None else last["iteration"] + 1,
                "return": None if last is None else rounded(last["team_return"]),
                "line": "",
            }
        except (NetagentsError, TypeError, ValueError, KeyError) as error:
            row = {"key": key, "name": clipped(path.name, 120), "state": "unreadable", "created": 0.0, "seed": None, "n": 0}
            row |= {"iterations": 0, "return": None, "line": clipped(str(error))}
        self._rows[key] = (sizes, row)
        return row


def run_key(path: Path) -> str:
    """The name of a run in addresses: it tells nothing, and is the same for the same path."""
    return hashlib.sha256(os.path.realpath(path).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def study_grid(path: Path, runs: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """A study as a grid of settings and seeds, each cell with the state and return of its run; None where it cannot be read."""
    try:
        facts = read_record(path / STUDY, STUDY)
        cells = {}
        for planned in facts["runs"]:
            row = runs.get(str(path / _RUNS / planned["name"]))
            cell = {"state": "waiting"} if row is None else {key: row[key] for key in ("key", "state", "iterations", "return")}
            cells[f"{planned['setting']}\n{planned['seed']}"] = cell
        labels, seeds = [str(setting["label"]) for setting in facts["settings"]], [int(seed) for seed in facts["seeds"]]
        planned_iterations = facts["experiment"]["learning"]["iterations"]
        grid = [[cells.get(f"{label}\n{seed}", {"state": "waiting"}) for seed in seeds] for label in labels]
        return {
            "name": clipped(path.name, 120),
            "question": clipped(str(facts["question"]), 120),
            "planned": int(planned_iterations),
            "settings": [clipped(label, 120) for label in labels],
            "seeds": seeds,
            "cells": grid,
            "done": sum(cell["state"] == "finished" for line in grid for cell in line),
            "total": len(labels) * len(seeds),
        }
    except (NetagentsError, KeyError, TypeError, ValueError):
        return None


def last_row(path: Path) -> dict[str, Any] | None:
    """Iteration and return of the last complete row of metrics, without reading those before it; None where there is none.

    Raises:
        RunDirectoryError: something else than a file stands there.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            reach = 1 << 16
            while True:
                file.seek(max(0, size - reach))
                data = file.read(min(reach, size))
                end = data.rfind(b"\n")
                start = data.rfind(b"\n", 0, max(end, 0))
                if end > 0 and (start >= 0 or reach >= size):
                    row = json.loads(data[start + 1 : end])
                    return {"iteration": int(row["iteration"]), "team_return": _float(row["team_return"])}
                if reach >= min(size, 1 << 26):
                    return None
                reach *= 8
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _is_one(path: Path) -> bool:
    return (path / MANIFEST).is_file() or (path / STUDY).is_file()


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(each for each in path.iterdir() if not each.name.startswith(".") and each.is_dir())
    except OSError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
