"""JSON lines that survive kill -9: appended whole, mended when torn, read while they grow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError


def encode_row(row: Mapping[str, Any]) -> bytes:
    """One line of strict JSON; NaN and infinities must have gone through :func:`json_floats`."""
    return json.dumps(row, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def json_floats(values: NDArray[np.float64]) -> list[Any]:
    """Nested lists that strict JSON can hold: NaN as null, infinities as "inf" and "-inf", everything else to the last bit."""
    listed: list[Any] = values.tolist()
    if np.isfinite(values).all():
        return listed
    return [_special(value) for value in listed]


def _special(value: Any) -> Any:
    if isinstance(value, list):
        return [_special(inner) for inner in value]
    if value != value:
        return None
    return value if abs(value) != float("inf") else ("inf" if value > 0 else "-inf")


def floats_from_json(values: Any) -> NDArray[np.float64]:
    """What :func:`json_floats` was given."""
    return np.array(values, dtype=np.float64)


class JsonLinesWriter:
    """Appends rows to a file, each with one ``write``; a torn last line of an earlier writer is cut off first.

    Raises:
        RunDirectoryError: the file cannot be opened or written (no space, no permission).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            _cut_torn_line(self._descriptor)
        except OSError as error:
            raise RunDirectoryError(f"cannot be written: {error.strerror}", where=str(path)) from error

    def fileno(self) -> int:
        """The descriptor, for locks."""
        return self._descriptor

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; once this returns, the row outlives the process."""
        line = memoryview(encode_row(row))
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            raise RunDirectoryError(f"cannot be written: {error.strerror}", where=str(self.path)) from error

    def close(self) -> None:
        """Close the file; writing afterwards is an error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _cut_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - 65_536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


class JsonLinesReader:
    """Reads the complete lines of a file that may still grow; a torn last line is left for later.

    A file that is not there yet has no lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._lines = 0

    def new_rows(self) -> list[dict[str, Any]]:
        """The rows that were completed since the last call.

        Raises:
            RunDirectoryError: a complete line is not JSON, or not an object.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(self.path)) from error
        complete = data.rfind(b"\n") + 1
        self._offset += complete
        rows = []
        for line in data[:complete].splitlines():
            self._lines += 1
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise RunDirectoryError(
                    "this line is not a JSON object", where=f"{self.path}:{self._lines}", fix="the file was damaged after it was written"
                )
            rows.append(row)
        return rows


class JsonLinesRows:
    """All complete rows of a file that may still grow, each parsed once.

    Args:
        path: of the file.
        convert: how rows are kept (default: as they are).
    """

    def __init__(self, path: Path, convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> None:
        self._reader = JsonLinesReader(path)
        self._convert = convert
        self._rows: list[dict[str, Any]] = []
        self._held = False

    def hold(self) -> None:
        """Read what is complete by now, and nothing that is added later."""
        self.all()
        self._held = True

    def all(self) -> list[dict[str, Any]]:
        """The rows that are complete by now; after :meth:`hold`, those that were complete then.

        Raises:
            RunDirectoryError: as :meth:`JsonLinesReader.new_rows`.
        """
        fresh = [] if self._held else self._reader.new_rows()
        self._rows.extend(fresh if self._convert is None else map(self._convert, fresh))
        return self._rows


def recorded_iterations(path: Path) -> list[int]:
    """The key "iteration" of every complete row, in order; none where there is no file.

    Raises:
        RunDirectoryError: the file cannot be read, or a complete line is not a row with that key.
    """
    try:
        with path.open("rb") as file:
            return [iteration for _, iteration in _rows_by_iteration(file, path)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(path)) from error


def keep_rows_before(path: Path, iteration: int) -> None:
    """Cut a file of rows with an ascending key "iteration" so that only rows below ``iteration`` are left.

    Raises:
        RunDirectoryError: a complete line before them is not a row with that key.
    """
    if not path.exists():
        return
    kept = 0
    with path.open("r+b") as file:
        for line, its in _rows_by_iteration(file, path):
            if its >= iteration:
                break
            kept += len(line)
        file.truncate(kept)


def _rows_by_iteration(file: BinaryIO, path: Path) -> Iterator[tuple[bytes, int]]:
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            return
        try:
            its = json.loads(line)["iteration"]
        except (ValueError, TypeError, KeyError):
            its = None
        if type(its) is not int:
            where = f"{path}:{number}"
            raise RunDirectoryError("this line is not a row of an iteration", where=where, fix="the file was damaged after it was written")
        yield line, its
