"""How the two bulky records are written: the message ledger as changes, the power readings as packed columns.

In lockstep every iteration sends the same messages over the same links, so a ledger page that repeats the one before costs a
few bytes; under faults or free clocks only the links whose counts changed are written.  Nothing is rounded or summed away.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.measures.power import READING_COLUMNS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_FLOATS = np.dtype("<f8")
NUMBERS = READING_COLUMNS - 1
"""Of a pair in a row of power."""


class LedgerPages:
    """Turns ledger pages (r, 6) of sender, kind, receiver, hop, messages, bytes into rows of changes."""

    def __init__(self) -> None:
        self._page: IntArray | None = None

    def row(self, iteration: int, page: IntArray) -> dict[str, Any]:
        """What to write for one iteration: ``rows`` replace those of the same link, ``whole`` pages replace everything."""
        before, self._page = self._page, page
        if before is None or len(before) != len(page) or not np.array_equal(before[:, :4], page[:, :4]):
            return {"iteration": iteration, "whole": True, "rows": page.tolist()}
        changed = (before[:, 4:] != page[:, 4:]).any(axis=1)
        return {"iteration": iteration, "rows": page[changed].tolist()}


def ledger_changes(rows: Iterable[Mapping[str, Any]]) -> IntArray:
    """(c, 7) changes: iteration, sender, kind, receiver, hop, and the messages and bytes per iteration from there on.

    A link that falls silent appears with zeros.  Links and iterations ascend; no change repeats what held before.
    """
    current: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    changes: list[tuple[int, ...]] = []
    for row in rows:
        iteration = int(row["iteration"])
        listed = row["rows"].tolist() if isinstance(row["rows"], np.ndarray) else row["rows"]
        page = {(sender, kind, receiver, hop): (count, size) for sender, kind, receiver, hop, count, size in listed}
        if row.get("whole"):
            page |= {link: (0, 0) for link in current if link not in page}
        for link, counted in page.items():
            if current.get(link, (0, 0)) != counted:
                changes.append((iteration, *link, *counted))
                current[link] = counted
    table = np.array(changes, dtype=np.int64).reshape(-1, 7)
    return table[np.lexsort((table[:, 0], table[:, 4], table[:, 3], table[:, 2], table[:, 1]))]


class PowerPages:
    """Turns each iteration's power readings into a row: who over whom when that changes, and packed numbers."""

    def __init__(self) -> None:
        self._pairs: FloatArray | None = None

    def row(self, iteration: int, power: Sequence[FloatArray]) -> dict[str, Any]:
        """What to write for one iteration.

        Args:
            iteration: from 0.
            power: per agent i an (m, 6) array: j, power of j over i, its error, share of known visits, effective visits, age.
        """
        owners = np.repeat(np.arange(len(power)), [len(rows) for rows in power])
        stacked = np.concatenate(power) if power else np.zeros((0, 6))
        pairs = np.column_stack([stacked[:, 0], owners])
        columns = np.ascontiguousarray(stacked[:, 1:].T, dtype=_FLOATS)
        packed = base64.b64encode(zlib.compress(columns.tobytes(), 1)).decode()
        row: dict[str, Any] = {"iteration": iteration}
        if self._pairs is None or not np.array_equal(self._pairs, pairs):
            row["pairs"] = pairs.astype(np.int64).tolist()
            self._pairs = pairs
        row["values"] = packed
        return row


def each_reading(rows: Iterable[Mapping[str, Any]], file: Path, first: int = 0) -> Iterator[FloatArray]:
    """Per row an (r, 7) float64 array: j, i, power of j over i, its error, share of known visits, effective visits, age.

    Args:
        rows: as :meth:`PowerPages.row` made them, from the first iteration on.
        file: names the file in errors.
        first: rows before this one are passed over.

    Raises:
        RunDirectoryError: the numbers are damaged.
    """
    pairs = np.zeros((0, 2), dtype=np.int64)
    for position, row in enumerate(rows):
        if row.get("pairs") is not None:
            pairs = np.array(row["pairs"], dtype=np.int64).reshape(-1, 2)
        if position >= first:
            yield unpack_power(row, pairs, file)


def unpack_power(row: Mapping[str, Any], pairs: IntArray, file: Path) -> FloatArray:
    """(r, 7) float64 of one iteration, as :func:`each_reading` gives them.

    Args:
        row: as :meth:`PowerPages.row` made it.
        pairs: (r, 2) j, i, from this row or the last one that had them.
        file: names the file in errors.

    Raises:
        RunDirectoryError: the numbers are damaged.
    """
    size = NUMBERS * len(pairs) * _FLOATS.itemsize
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(row["values"], validate=True), size + 1)
        if len(data) != size:
            raise ValueError
    except (ValueError, KeyError, TypeError, binascii.Error, zlib.error) as error:
        raise RunDirectoryError(f"the numbers of iteration {row.get('iteration')} are damaged", where=str(file)) from error
    columns = np.frombuffer(data, dtype=_FLOATS).reshape(NUMBERS, len(pairs))
    return np.column_stack([pairs, columns.T]).astype(np.float64)
