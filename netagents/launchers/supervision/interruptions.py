"""Interruptions of the launcher, by Ctrl-C, SIGTERM or a lost terminal (SIGHUP).

They become events of its one poller, and nothing else happens until it looks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class CtrlC:
    """A handler for SIGINT that raises KeyboardInterrupt as Python's own does, and remembers that it came.

    Python swallows what is raised in some callbacks, those of its import system among them, and with it a Ctrl-C while a command is
    still being imported.  :class:`Interruptions` that open over this handler take up what it remembers.
    """

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        signal.default_int_handler(number, frame)

    @contextlib.contextmanager
    def handling(self) -> Iterator[None]:
        """Handles SIGINT meanwhile, if this is the main thread and nobody else does."""
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class Interruptions:
    """Catches SIGINT, SIGTERM and SIGHUP while open, if this is the main thread; elsewhere it does nothing, as Python demands.

    A signal that is ignored stays ignored, so that a run under ``nohup`` outlives its terminal.

    Attributes:
        descriptor: readable while signals wait to be taken.
        first: the first signal that came, None before.
        urgent: a second Ctrl-C came: end everything at once.
    """

    def __init__(self) -> None:
        self.descriptor, self._sender = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._sender, False)
        self.first: int | None = None
        self.urgent = False
        self._previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._previous[number] = previous = signal.signal(number, self._note)
                if isinstance(previous, CtrlC) and previous.pressed:
                    self._note(number, None)

    def _note(self, number: int, _frame: object) -> None:
        if self.first is None:
            self.first = number
        elif number == signal.SIGINT:
            self.urgent = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._sender, bytes([number]))

    def take(self) -> list[int]:
        """The signals that came since the last call, oldest first."""
        try:
            return list(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Put the previous handlers back."""
        for number, handler in self._previous.items():
            # None stands for a handler that was not installed from Python; it cannot be named again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()
        if self._sender >= 0:
            os.close(self.descriptor)
            os.close(self._sender)
            self.descriptor = self._sender = -1
