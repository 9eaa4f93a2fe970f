"""An append-only file of records, each with its length and checksum: what was written before a kill can be read after it.

A record is ``uint32`` bytes of payload, ``uint32`` CRC-32 of the payload, payload; little-endian.  The file begins with a magic
word.  A record that was cut off by the end of the file is passed over; anything else that does not fit is damage, and is named with its
place.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from netagents.errors import RunDirectoryError
from netagents.records.regular_files import open_descriptor, open_regular

Bytes = bytes | memoryview

_HEAD = struct.Struct("<II")


class FramedWriter:
    """Makes a file and appends records to it; nothing is kept back, so that a kill loses one record at most.

    Args:
        path: of the file, which must not exist.
        magic: its first bytes.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path, magic: bytes) -> None:
        self.path = path
        self.size = 0
        self._descriptor = open_descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        self._write(magic)

    def append(self, parts: Sequence[Bytes]) -> None:
        """Append one record.

        Raises:
            OSError: it cannot be written.
        """
        payload = b"".join(parts)
        self._write(_HEAD.pack(len(payload), zlib.crc32(payload)) + payload)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.size += len(data)

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_framed(path: Path, magic: bytes, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Every record of a file in order: where its payload begins, and the payload.

    Args:
        path: of the file.
        magic: that it must begin with.
        most_bytes: largest payload; checked before anything is read.

    Raises:
        RunDirectoryError: the file cannot be read, is none of these, or is damaged; says at which byte.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(len(magic)) != magic:
                if size < len(magic):
                    return
                raise RunDirectoryError("is no recording of this version", where=str(path), fix="use the version that wrote it")
            position = len(magic)
            while size - position >= _HEAD.size:
                length, checksum = _HEAD.unpack(file.read(_HEAD.size))
                if length > most_bytes:
                    raise _damaged(path, position, f"a record of {length} bytes")
                if size - position - _HEAD.size < length:
                    return
                payload = file.read(length)
                if len(payload) != length or zlib.crc32(payload) != checksum:
                    raise _damaged(path, position, "a checksum that does not fit")
                yield position + _HEAD.size, payload
                position += _HEAD.size + length
    except OSError as error:
        raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _damaged(path: Path, position: int, what: str) -> RunDirectoryError:
    return RunDirectoryError(f"is damaged at byte {position}: {what}", where=str(path), fix="remove this file; the others can be used")
