"""A worker process: one job as a line of JSON on standard input, which stays open as long as the process lives that wants it done.

When that process is killed, the worker ends too, at once and with nothing half-written that counts.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any


def run_job(work: Callable[[dict[str, Any]], None]) -> int:
    """Carry out the job on standard input; the last line of standard error says why it failed.

    Args:
        work: does it.

    Returns:
        The exit code.
    """
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from netagents.errors import NetagentsError, exit_code_of

    try:
        work(job)
    except NetagentsError as error:
        print(error, file=sys.stderr)
        return exit_code_of(error)
    return 0


def _end_with_parent() -> None:
    # The parent writes nothing more; the end of the stream is the parent's end.
    while os.read(0, 4096):
        pass
    os._exit(143)
