"""The logs of all processes of a run as one stream, ordered by time, also while they grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netagents.errors import RunDirectoryError, printable
from netagents.records.process_log import read_entry, whole_lines
from netagents.records.run_creation import LOGS
from netagents.records.run_directory import RunDirectory

LEVELS = ("debug", "info", "warning", "error")
"""From the least to the most urgent."""

_RANKS = {level: rank for rank, level in enumerate(LEVELS)} | {"critical": len(LEVELS)}


class LogStream:
    """Reads the logs of a run.

    Args:
        directory: the run.
        roles: whose logs; empty for everybody's.
        level: the lowest level that counts; what is no log entry (a library that printed, a stack) always counts.

    Raises:
        RunDirectoryError: a role has no log, and the run has ended, so that it never will.
    """

    def __init__(self, directory: RunDirectory, roles: Sequence[str] = (), level: str = "debug") -> None:
        self._folder = directory.path / LOGS
        self._roles = tuple(dict.fromkeys(roles))
        self._level = level
        self._offsets: dict[Path, int] = {}
        self._times: dict[Path, float] = {}
        there = [path.stem for path in self._files()]
        missing = [role for role in self._roles if role not in there]
        if missing and not directory.has_writer():
            have = sorted({printable(path.stem) for path in self._folder.glob("*.jsonl")}, key=_natural)
            names = f"{', '.join(have[:6])}{', ...' if len(have) > 6 else ''}" if have else "none; one process keeps no logs"
            raise RunDirectoryError(f"no log of {missing[0]}", where=str(directory.path), fix=f"there are: {names}")
        self.width = max((len(name) for name in (*there, *self._roles)), default=7)

    def new(self) -> list[dict[str, Any]]:
        """What was written since the last call, ordered by time; each entry names its ``role``."""
        entries: list[tuple[float, int, dict[str, Any]]] = []
        for path in self._files():
            for entry in self._read(path):
                # A line without a time of its own belongs to the entry before it.
                moment = entry.get("time")
                self._times[path] = self._times.get(path, 0.0) if moment is None else float(moment)
                entries.append((self._times[path], len(entries), entry))
        return [entry for _, _, entry in sorted(entries, key=lambda item: item[:2])]

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        files = sorted(self._folder.glob("*.jsonl"), key=lambda path: _natural(path.stem))
        return [path for path in files if not self._roles or path.stem in self._roles]

    def _read(self, path: Path) -> list[dict[str, Any]]:
        lines, self._offsets[path] = whole_lines(path, self._offsets.get(path, 0))
        entries = []
        for line in lines:
            entry = read_entry(line)
            entry["role"] = entry.get("role") or path.stem
            rank = _RANKS.get(str(entry.get("level")))
            if rank is None or rank >= _RANKS[self._level]:
                entries.append(entry)
        return entries


def _natural(name: str) -> tuple[str, int]:
    """agent_2 before agent_10."""
    head, _, number = name.rpartition("_")
    return (head, int(number)) if number.isdecimal() else (name, -1)
