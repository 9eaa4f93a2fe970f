"""Output streams of a command: standard output and error that may be closed, full, gone with their terminal, or in a narrow encoding.

A command must not fail inside because nobody can read what it prints.  What is lost on standard error is lost in silence, as there is
nowhere left to say so; what is lost on standard output is an error with a line and an exit code of its own.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from netagents.errors import OutputError


class ReaderGoneError(Exception):
    """Whoever read standard output has gone away.  No OSError, because libraries answer those of pipes in ways of their own."""


class _Stream:
    """A text stream that passes everything on, and knows what its writing may meet."""

    def __init__(self, stream: Any, descriptor: int) -> None:
        self._stream, self._descriptor = stream, descriptor

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            # Libraries that write bytes past this stream would meet what it is there to answer.
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def write(self, text: str) -> int:
        """As any text stream; the number of characters."""
        if text == "":
            # Libraries probe a stream like this, and swallow what the probe meets.
            return 0
        try:
            return int(self._stream.write(text))
        except OSError as error:
            self._lost(error)
            return len(text)

    def writelines(self, lines: Any) -> None:
        """As any text stream."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """As any text stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lost(error)

    def _lost(self, _: OSError) -> None:
        # What is still buffered has nowhere to go, and the interpreter must not complain about it at its end.
        abandon(self._descriptor)


class _Output(_Stream):
    def _lost(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from error
        super()._lost(error)
        raise OutputError(
            f"cannot be written: {error.strerror or error}", where="standard output", fix="send it to a file or a pipe that takes it"
        ) from error


def abandon(descriptor: int) -> None:
    """Let a descriptor lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """Standard streams that can be written, whatever the command was started with; as before afterwards.

    A descriptor of a stream that was closed leads nowhere from now on, so that no file or socket gets its number and with it what a library
    prints.  What the encoding of a stream cannot say is written as ``\\xNN`` and ``\\uNNNN``; a locale that
    knows ASCII only gets UTF-8, as nearly every terminal and file is.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            abandon(descriptor)
    before = sys.stdout, sys.stderr
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - stays open as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - the same
    for stream in (sys.stdout, sys.stderr):
        # The streams of tests and notebooks are of other kinds and look after themselves.
        if type(stream) is io.TextIOWrapper:
            narrow = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if narrow else stream.encoding, errors="backslashreplace")
    if type(sys.stdout) is io.TextIOWrapper:
        sys.stdout = _Output(sys.stdout, 1)
    if type(sys.stderr) is io.TextIOWrapper:
        sys.stderr = _Stream(sys.stderr, 2)
    try:
        yield
    finally:
        if before[0] is not None:
            sys.stdout = before[0]
        if before[1] is not None:
            sys.stderr = before[1]


@contextlib.contextmanager
def printing_results() -> Iterator[None]:
    """What is printed about work that is done and recorded: that it cannot be printed is said, and fails nothing."""
    try:
        yield
        sys.stdout.flush()
    except OutputError as error:
        print(f"netagents: warning: {error.where}: {error.what}; the records are complete", file=sys.stderr)
