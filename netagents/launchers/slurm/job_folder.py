"""Folder of a Slurm job in its run directory: the script, the keys while it runs, and what the job tells whoever waits for it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netagents.errors import (
    DecodeError,
    EngineError,
    InterruptedRunError,
    NetagentsError,
    NodeFailedError,
    RunDirectoryError,
    exit_code_of,
    printable,
)
from netagents.launchers.display import Display
from netagents.nodes.monitor.progress_view import LARGEST_VIEW, ProgressView
from netagents.records.atomic_files import write_atomically
from netagents.records.regular_files import check_real_folder, check_regular, open_regular

FOLDER = "slurm"
"""Name of the folder."""

SCRIPT, OUTPUT, KEYS = "job.sbatch", "job.out", "keys"

_NOTES, _VIEW, _OUTCOME = "notes.jsonl", "view.json", "outcome.json"
_LARGEST_OUTCOME = 1 << 20
_LAST_BYTES = 1 << 16


class JobDisplay:
    """The display of a job: it writes what a display elsewhere will show.

    Args:
        folder: of the job.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        """Note the title; process numbers mean nothing elsewhere."""
        self._add({"started": title, "processes": len(processes)})

    def show(self, view: ProgressView) -> None:
        """Write the newest view."""
        try:
            write_atomically(self._folder / _VIEW, view.to_json())
        except OSError:
            return  # no display may disturb the run

    def note(self, line: str) -> None:
        """Add a line."""
        self._add({"note": line})

    def _add(self, row: Mapping[str, Any]) -> None:
        try:
            with (self._folder / _NOTES).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError:
            return

    def close(self) -> None:
        """Nothing is open."""


class JobFollower:
    """Shows on a display what a job writes.

    Args:
        folder: of the job. display: shows it.
    """

    def __init__(self, folder: Path, display: Display) -> None:
        self._folder, self._display = folder, display
        self._read = 0
        self._last = b""

    def look(self) -> None:
        """Show what is new."""
        try:
            with open_regular(self._folder / _NOTES) as file:
                file.seek(self._read)
                data = file.read(1 << 20)
        except (OSError, RunDirectoryError):
            data = b""
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            try:
                row = json.loads(line)
                if "note" in row:
                    self._display.note(str(row["note"]))
                elif "started" in row:
                    self._display.started(str(row["started"]), {})
            except (ValueError, TypeError, RecursionError):
                continue
        try:
            with open_regular(self._folder / _VIEW) as file:
                view = file.read(LARGEST_VIEW + 1)
        except (OSError, RunDirectoryError):
            return
        if view and view != self._last:
            self._last = view
            try:
                self._display.show(ProgressView.from_json(view))
            except DecodeError as error:
                self._display.note(str(error))


def clean_job_folder(folder: Path) -> None:
    """Make the folder of a job that is to be submitted, or remove what an earlier job of the run left there.

    Raises:
        RunDirectoryError: something else than a folder stands there, or something else than the file of a job in it.
    """
    check_real_folder(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    check_real_folder(folder / KEYS)
    # Slurm itself writes here, and would follow a link.
    check_regular(folder / name for name in (SCRIPT, OUTPUT, _NOTES, _VIEW, _OUTCOME))
    for name in (_NOTES, _VIEW, _OUTCOME):
        (folder / name).unlink(missing_ok=True)


def last_words(output: Path) -> list[str]:
    """The last line of what a job printed, if there is one."""
    try:
        with open_regular(output) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES))
            return file.read(_LAST_BYTES).decode(errors="replace").strip().splitlines()[-1:]
    except (OSError, RunDirectoryError):
        return []


def write_outcome(folder: Path, error: BaseException | None) -> None:
    """Write how the job ended."""
    facts: dict[str, Any] = {"code": 0}
    if error is not None:
        facts = {"code": exit_code_of(error), "what": f"{type(error).__name__}: {error}"}
        if isinstance(error, NetagentsError):
            facts |= {"what": error.what, "where": error.where, "fix": error.fix, "details": getattr(error, "details", "")}
            facts["kind"] = "node" if isinstance(error, NodeFailedError) else "other"
        if isinstance(error, InterruptedRunError):
            facts |= {"kind": "interrupted", "signal": error.signal_number}
    write_atomically(folder / _OUTCOME, json.dumps(facts).encode())


def clear_outcome(folder: Path) -> None:
    """Forget how an earlier attempt of the job ended."""
    (folder / _OUTCOME).unlink(missing_ok=True)


def read_outcome(folder: Path) -> tuple[bool, NetagentsError | None]:
    """Whether the job has said how it ended, and the error if it failed."""
    try:
        with open_regular(folder / _OUTCOME) as file:
            facts = json.loads(file.read(_LARGEST_OUTCOME))
        code = int(facts["code"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, RunDirectoryError):
        return False, None
    if code == 0:
        return True, None
    what, where, fix = (str(facts[key])[:2000] if facts.get(key) else None for key in ("what", "where", "fix"))
    error: NetagentsError
    if facts.get("kind") == "interrupted":
        error = InterruptedRunError(what or "", signal_number=code - 128, where=where, fix=fix)
    else:
        error = (NodeFailedError if facts.get("kind") == "node" else EngineError)(what or "", where=where, fix=fix)
        error.exit_code = code  # type: ignore[misc]  # that of the job, whatever its error was
    # Read by whoever shows the error.
    error.__dict__["details"] = printable(str(facts.get("details") or ""), keep="\n\t")
    return True, error
