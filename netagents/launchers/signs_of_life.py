"""Signs of life from a command that computes for long before it prints: what it is at, and since when."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

QUIET_SECONDS = 2.0
"""Seconds of silence before the first sign, and between signs."""


class Stage:
    """What a command is at."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __call__(self, what: str) -> None:
        """It is at something else now."""
        self.what = what


@contextlib.contextmanager
def signs_of_life(command: str, what: str, report: Callable[[str], None] | None = None) -> Iterator[Stage]:
    """Say every two seconds what the command is at; nothing where it is done sooner.

    Args:
        command: begins each line.
        what: what it is at first; call what this gives when that changes.
        report: takes the lines (default: standard error).
    """
    stage, finish, start = Stage(what), threading.Event(), time.monotonic()

    def speak() -> None:
        while not finish.wait(QUIET_SECONDS):
            # Whoever reads may be gone; the command goes on.
            with contextlib.suppress(OSError, ValueError):
                (_print if report is None else report)(f"{command}: {stage.what}, {time.monotonic() - start:.0f} s so far")

    speaker = threading.Thread(target=speak, name="signs-of-life", daemon=True)
    speaker.start()
    try:
        yield stage
    finally:
        finish.set()
        speaker.join(QUIET_SECONDS)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
