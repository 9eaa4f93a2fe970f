"""Progress of making copies of somebody else's environment, which may take longer than all the rest of a start."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from netagents.errors import NodeFailedError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.display import Display
from netagents.launchers.supervision.supervisor import Supervisor

NOTE_SECONDS = 5.0
_LOOK_SECONDS = 0.1


class CopyProgress:
    """Says now and then how many copies there are.

    Args:
        note: what to say it to.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._next = time.monotonic() + NOTE_SECONDS

    def __call__(self, made: int, total: int) -> None:
        """There are ``made`` of ``total`` copies."""
        if made < total and time.monotonic() >= self._next:
            self._note(f"{made} of {total} copies of the environment are made")
            self._next = time.monotonic() + NOTE_SECONDS


def await_copies(supervisor: Supervisor, display: Display, file: Path, timeouts: Timeouts) -> None:
    """Wait until the server has made its copies, before anybody is started who would wait for it.

    Args:
        supervisor: of the server, which has been started.
        display: is told the progress.
        file: in which the server says ``made wanted``.
        timeouts: ``make`` bounds the time without a further copy.

    Raises:
        NodeFailedError: the server failed, or made no further copy in time.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    limit, progress = timeouts.seconds("make"), CopyProgress(display.note)
    before, moved = (-1, 0), time.monotonic()
    while True:
        supervisor.check(supervisor.poll(_LOOK_SECONDS), ("environment",))
        now = _read(file)
        if now[0] >= now[1] > 0:
            return
        if now != before:
            before, moved = now, time.monotonic()
        progress(max(0, now[0]), max(1, now[1]))
        if time.monotonic() - moved > limit:
            made = f"{max(0, now[0])} of {now[1]} copies of its environment" if now[1] else "no copy of its environment"
            supervisor.stop("its environment is not made", ask=("environment",))
            raise NodeFailedError(
                f"has made {made}, and no further one within {limit:g} s", where="environment", fix="raise timeouts.make if it is just slow"
            )


def _read(file: Path) -> tuple[int, int]:
    try:
        made, total = file.read_text().split()
        return int(made), int(total)
    except (OSError, ValueError):
        return -1, 0
