"""JSON lines that survive kill -9: appended whole, repaired when torn, read while they grow, a bounded line at a time."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from netagents.errors import RunDirectoryError
from netagents.records.record_files import DAMAGED, plain_object
from netagents.records.regular_files import open_descriptor, open_regular

LONGEST_LINE = 1 << 30
"""Bytes of the longest line that is looked at for its iteration."""

_LONGEST_TORN = 1 << 30


def encode_row(row: Mapping[str, Any]) -> bytes:
    """One line of strict JSON; NaN and infinities must have gone through :func:`json_floats`."""
    return printable_json(json.dumps(row, separators=(",", ":"), allow_nan=False, ensure_ascii=False)).encode() + b"\n"


def printable_json(text: str) -> str:
    """JSON in which every character that does not print is written as JSON writes it, ``\\u001b`` or ``\\u202e``.

    A terminal that is shown the file obeys nothing in it.
    """
    if (text.isascii() and "\x7f" not in text) or text.isprintable():
        return text
    return "".join(each if each.isprintable() else "".join(f"\\u{unit:04x}" for unit in _units(each)) for each in text)


def _units(character: str) -> list[int]:
    """UTF-16 code units."""
    data = character.encode("utf-16-be", errors="surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


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
            self._descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
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
        if size - end > _LONGEST_TORN:
            raise OSError(errno.EFBIG, "its last line is too long to be one of a run")
        start = max(0, end - 65_536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


Parse = Callable[[bytes, str, int], dict[str, Any]]
"""From a line, its place for errors (``file:line``) and its number from 0 to a row; raises RunDirectoryError for one that is none."""


def _any_object(line: bytes, where: str, number: int) -> dict[str, Any]:  # noqa: ARG001 - a Parse
    return plain_object(line, where)


class JsonLinesReader:
    """Reads the complete lines of a file that may still grow; a torn last line is left for later.

    A file that is not there yet has no lines.

    Args:
        path: of the file.
        parse: from lines to rows (default: any JSON object).
        longest: bytes of the longest line.
        most: bytes of the largest file; None where every row is bounded and told apart by its number.
    """

    def __init__(self, path: Path, parse: Parse = _any_object, longest: int = 1 << 20, most: int | None = None) -> None:
        self.path = path
        self._parse, self._longest, self._most = parse, longest, most
        self._offset = 0
        self._lines = 0

    def new_rows(self) -> list[dict[str, Any]]:
        """The rows that were completed since the last call.

        Raises:
            RunDirectoryError: a complete line is no such row, is too long, or no regular file is there.
        """
        before = self._offset, self._lines
        try:
            return list(self.each_new_row())
        except RunDirectoryError:
            self._offset, self._lines = before
            raise

    def each_new_row(self) -> Iterator[dict[str, Any]]:
        """The same, one at a time."""
        try:
            with open_regular(self.path) as file:
                if self._most is not None and os.fstat(file.fileno()).st_size > self._most:
                    raise RunDirectoryError(f"is larger than {self._most} bytes", where=str(self.path), fix=DAMAGED)
                file.seek(self._offset)
                while (line := file.readline(self._longest + 1)).endswith(b"\n"):
                    row = self._parse(line, f"{self.path}:{self._lines + 1}", self._lines)
                    self._lines += 1
                    self._offset += len(line)
                    yield row
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(self.path)) from error
        if len(line) > self._longest:
            raise _too_long(self.path, self._lines + 1, self._longest)


class JsonLinesRows:
    """All complete rows of a file that may still grow, each parsed once.

    Args:
        reader: of the file.
    """

    def __init__(self, reader: JsonLinesReader) -> None:
        self._reader = reader
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
        if not self._held:
            self._rows.extend(self._reader.new_rows())
        return self._rows


def recorded_iterations(path: Path, longest: int = LONGEST_LINE) -> list[int]:
    """The key "iteration" of every complete row of at most ``longest`` bytes, in order; none where there is no file.

    Raises:
        RunDirectoryError: the file cannot be read, or a complete line is not a row with that key.
    """
    try:
        with open_regular(path) as file:
            return [iteration for _, iteration in _rows_by_iteration(file, path, longest)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(path)) from error


def keep_rows_before(path: Path, iteration: int, longest: int = LONGEST_LINE) -> None:
    """Cut a file of rows with an ascending key "iteration" so that only rows below ``iteration`` are left.

    Raises:
        RunDirectoryError: a complete line before them is not a row with that key.
    """
    if not path.exists():
        return
    size = 0
    with os.fdopen(open_descriptor(path, os.O_RDWR), "r+b") as file:
        for line, number in _rows_by_iteration(file, path, longest):
            if number >= iteration:
                break
            size += len(line)
        file.truncate(size)


def _rows_by_iteration(file: BinaryIO, path: Path, longest: int) -> Iterator[tuple[bytes, int]]:
    number = 0
    while (line := file.readline(longest + 1)).endswith(b"\n"):
        number += 1
        try:
            iteration = from_json(line, allow_inf_nan=False)["iteration"]
        except (ValueError, TypeError, KeyError):
            iteration = None
        if type(iteration) is not int:
            where = f"{path}:{number}"
            raise RunDirectoryError("this line is not a row of an iteration", where=where, fix=DAMAGED)
        yield line, iteration
    if len(line) > longest:
        raise _too_long(path, number + 1, longest)


def _too_long(path: Path, line: int, longest: int) -> RunDirectoryError:
    return RunDirectoryError(f"this line is longer than {longest} bytes", where=f"{path}:{line}", fix=DAMAGED)
