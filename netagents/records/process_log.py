"""One log per process: JSON lines with time, level, role, phase, message and, where something failed, the whole traceback."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from netagents.errors import NetagentsError, RunDirectoryError, exit_code_of, printable
from netagents.records.jsonl import printable_json
from netagents.records.record_files import LOG_LINE_BYTES
from netagents.records.record_models import LogEntry
from netagents.records.regular_files import open_regular

LOGGER = "netagents"
"""Name of the logger that everything below netagents inherits from."""

_TAIL_BYTES = 262_144

_LONGEST_TEXT = 10_000

MOST_BYTES = 1 << 24
"""Of what is new in a log; what comes before is left out."""


class JsonFormatter(logging.Formatter):
    """Formats records as one JSON object per line.

    Args:
        role: who writes: ``agent_3``, ``environment``, ``monitor``, ``launcher``.
    """

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role
        self.phase = ""

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, Any] = {
            "time": record.created,
            "level": record.levelname.lower(),
            "role": self.role,
            "phase": getattr(record, "phase", self.phase),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            row["traceback"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        for key in ("failure", "wait"):
            if getattr(record, key, None) is not None:
                row[key] = getattr(record, key)
        return printable_json(json.dumps(row, ensure_ascii=False, default=str))


class LineFormatter(JsonFormatter):
    """Formats records as one line for people; only what is a fault of netagents shows its traceback, or all with NETAGENTS_DEBUG=1."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        message = printable(" ".join(record.getMessage().split()))
        if error is None:
            phase = f" [{self.phase}]" if self.phase else ""
            return f"netagents: {self.role}{phase}: {message}"
        line = f"netagents: error: {message}"
        if isinstance(error, NetagentsError) and os.environ.get("NETAGENTS_DEBUG") != "1":
            return line
        return "".join([*traceback.format_exception(error), line])


class Log:
    """The open log of this process.

    ``logger`` takes messages; :meth:`phase` says where the process is, for every message until the next call.
    """

    def __init__(self, handler: logging.Handler, formatter: JsonFormatter) -> None:
        self.logger = logging.getLogger(LOGGER)
        self._handler = handler
        self._formatter = formatter

    def phase(self, phase: str) -> None:
        """Say what the process does now, such as ``iteration 12, step 40, waiting for state``."""
        self._formatter.phase = phase

    def failure(self, error: BaseException) -> None:
        """Write down why the process ends: error class, its one line, exit code and traceback."""
        line = str(error) if isinstance(error, NetagentsError) else f"{type(error).__name__}: {error}"
        facts = {"error": type(error).__name__, "line": " ".join(line.split()), "exit_code": exit_code_of(error)}
        extra = {"failure": facts, "wait": _wait(error)}
        self.logger.error(facts["line"], exc_info=(type(error), error, error.__traceback__), extra=extra)

    def leaving(self, reason: NetagentsError) -> None:
        """Write down that the process was sent home, and what it was waiting for."""
        self.logger.info("leaving: %s", reason, extra={"wait": _wait(reason)})

    def close(self) -> None:
        """Flush and detach; later messages go nowhere."""
        self.logger.removeHandler(self._handler)
        self._handler.close()


def _wait(error: BaseException) -> list[Any] | None:
    wait = error.wait if isinstance(error, NetagentsError) else None
    return None if wait is None else [list(wait.place), wait.what]


def open_log(path: Path | None, role: str, level: int = logging.INFO) -> Log:
    """Send everything that this process logs below ``netagents`` to one JSON-lines file.

    Args:
        path: the file, appended to; None writes lines for people to standard error.
        role: who writes.
        level: the lowest level that is written.

    Raises:
        RunDirectoryError: the file cannot be opened.
    """
    formatter = LineFormatter(role) if path is None else JsonFormatter(role)
    try:
        handler = (
            logging.StreamHandler(sys.stderr) if path is None else logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        )
    except OSError as error:
        raise RunDirectoryError(f"the log cannot be written: {error.strerror}", where=str(path)) from error
    handler.setFormatter(formatter)
    logger = logging.getLogger(LOGGER)
    for old in list(logger.handlers):
        # A forked process inherits its parent's log; two roles never write to one file.
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    return Log(handler, formatter)


def read_log(path: Path, last: int | None = None) -> list[dict[str, Any]]:
    """The entries of a log, oldest first; lines that are no JSON (a library that printed, a torn end) become messages.

    Args:
        path: the log; a missing one is empty.
        last: only so many of the last entries, read from the file's end.
    """
    lines: Iterable[bytes]
    if last is None:
        lines, end = whole_lines(path)
        torn, _ = _lines(path, end)
        lines = [*lines, *torn]
    else:
        lines = deque(_lines(path, None, _TAIL_BYTES)[0], maxlen=last)
    return [read_entry(line) for line in lines]


def whole_lines(path: Path, start: int = 0) -> tuple[list[bytes], int]:
    """The lines of a log that are complete, from a byte on, and the byte behind them.

    A line is cut after :data:`netagents.records.record_files.LOG_LINE_BYTES`, and of much that is new only the last
    :data:`MOST_BYTES` are read: a log may be of any size, and may come from anybody.  A log that is missing or no file has no lines.
    """
    lines, end = _lines(path, start)
    if lines and not lines[-1].endswith(b"\n") and len(lines[-1]) < LOG_LINE_BYTES:
        end -= len(lines.pop())  # being written
    return lines, end


def _lines(path: Path, start: int | None, most: int = MOST_BYTES) -> tuple[list[bytes], int]:
    """Lines from a byte on (None: as far as ``most`` reaches back from the end) and the byte behind them."""
    lines: list[bytes] = []
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            begin = max(0, size - most)
            if start is not None and start >= begin:
                file.seek(start)
            else:
                file.seek(begin)
                if begin:
                    cut = file.readline(LOG_LINE_BYTES)
                    if start is not None:
                        lines.append(f"({begin + len(cut) - start} bytes are left out here)\n".encode())
            while file.tell() < size and (line := file.readline(LOG_LINE_BYTES)):
                lines.append(line)
            return lines, file.tell()
    except (OSError, RunDirectoryError):
        return [], start or 0


def tail(path: Path, lines: int = 20) -> list[str]:
    """The last entries of a log as plain text lines, tracebacks included, at most ``lines`` of them."""
    text: list[str] = []
    for entry in read_log(path, last=lines):
        text.extend(plain(entry))
    return text[-lines:]


def failure_of(path: Path) -> dict[str, Any] | None:
    """The first failure that a process wrote down (error, line, exit_code), with its ``traceback``; None if there is none."""
    for entry in read_log(path):
        if isinstance(entry.get("failure"), dict):
            return {**entry["failure"], "traceback": entry.get("traceback", ""), "phase": entry.get("phase", "")}
    return None


def plain(entry: dict[str, Any]) -> list[str]:
    """One log entry as printable text: time, level, phase and message, then the traceback."""
    moment = entry.get("time")
    clock = time.strftime("%H:%M:%S", time.localtime(moment)) if isinstance(moment, int | float) else "--:--:--"
    phase = f" [{entry['phase']}]" if entry.get("phase") else ""
    head = f"{clock} {entry.get('level', ''):<7}{phase} {entry.get('message', '')}"
    lines = [*head.splitlines(), *(f"    {line}" for line in str(entry.get("traceback", "")).splitlines())]
    return [printable(line, keep="\t") for line in lines]


def read_entry(line: bytes) -> dict[str, Any]:
    """A line of a log as an entry; one that is none, such as what a library printed, becomes the message of an entry ``output``."""
    try:
        return LogEntry.model_validate_json(line, strict=True).model_dump(mode="json", exclude_unset=True)
    except ValueError:
        text = line.decode(errors="replace").rstrip("\n")
        remaining = len(text) - _LONGEST_TEXT
        return {"level": "output", "message": f"{text[:_LONGEST_TEXT]}... ({remaining} more characters)" if remaining > 0 else text}
