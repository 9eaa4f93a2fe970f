"""Page beside a run: the live page as a process of its own, which ends with the command that started it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_ENDING_SECONDS = 5.0


class PageBesideRun:
    """Starts ``netagents watch`` for a run, and ends it on leaving the block.

    Args:
        announce: called with a line that holds the page's address.

    Raises:
        MissingPackageError: the extra ``dashboard`` is not installed.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        from netagents.monitoring.page.page_server import check_dashboard

        check_dashboard()
        self._announce = announce
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> PageBesideRun:
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def show(self, path: Path) -> None:
        """Start the page of a run directory; the run does not wait for it.  A page that cannot be started is told in one line."""
        words = [sys.executable, "-m", "netagents", "watch", str(path), "--end-with-parent"]
        try:
            # A session of its own: Ctrl-C ends the run first, and the page shows that.
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
            )
        except OSError as error:
            self._announce(f"the page could not be started: {error.strerror}")
            return
        threading.Thread(target=self._print_address, args=(self._process,), daemon=True).start()

    def _print_address(self, process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            address = process.stdout.readline().strip() if process.stdout is not None else ""
            if address:
                self._announce(f"the page is at {address}")
            elif self._process is not None:  # not just ended with a short run
                self._announce("the page could not be started; netagents watch says why")
