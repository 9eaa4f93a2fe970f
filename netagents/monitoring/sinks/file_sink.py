"""Sink of files: metrics, power and traffic as CSV, the settings as JSON, and artefacts, in a folder of the run's own."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any, TextIO

from netagents.monitoring.feed.csv_tables import csv_cell
from netagents.monitoring.sinks.sink import SinkRow, SinkRun


class FileSink:
    """Writes ``team.csv``, ``agents.csv``, ``traffic.csv`` and ``settings.json``.

    Args:
        run: whose folder is ``run.folder / run.name``.
    """

    def __init__(self, run: SinkRun) -> None:
        self._folder = run.folder / run.name
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "settings.json").write_text(json.dumps(run.settings, indent=2) + "\n", encoding="utf-8")
        self._files: dict[str, tuple[TextIO, Any]] = {}

    def write(self, row: SinkRow) -> None:
        """Append the rows of one iteration."""
        self._append("team", {"iteration": row.iteration, **row.team, **row.concentration})
        columns = {**row.metrics, "power_held": row.held, **dict(zip(("compute", "wait", "serialise"), row.timing, strict=True))}
        for agent in range(len(row.held)):
            values = {name: float(column[agent]) for name, column in columns.items()}
            self._append("agents", {"iteration": row.iteration, "agent": agent, **values})
        for kind, (messages, size) in row.traffic.items():
            self._append("traffic", {"iteration": row.iteration, "kind": kind, "messages": messages, "payload_bytes": size})
        for file, _ in self._files.values():
            file.flush()

    def _append(self, name: str, values: dict[str, Any]) -> None:
        if name not in self._files:
            path = self._folder / f"{name}.csv"
            fresh = not path.exists() or path.stat().st_size == 0
            file = path.open("a", encoding="utf-8", newline="")
            writer = csv.writer(file, lineterminator="\n")
            if fresh:
                writer.writerow(map(csv_cell, values))
            self._files[name] = file, writer
        self._files[name][1].writerow(map(csv_cell, values.values()))

    def artifact(self, path: Path) -> None:
        """Copy the file."""
        shutil.copyfile(path, self._folder / path.name)

    def close(self) -> None:
        """Close the files."""
        for file, _ in self._files.values():
            file.close()
