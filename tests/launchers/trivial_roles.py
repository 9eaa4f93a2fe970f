"""Roles that do one simple thing each; nodes import them by path."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netagents.errors import DeadlineError, NumericalError
from netagents.nodes.process.node_process import ProcessContext, wait_for_end


def idle(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """Waits until it is told to end or its launcher is gone; holds a socket meanwhile."""
    assert context.sockets is not None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(context.own(context.sockets.path / f"{context.role}.ipc")))
        listener.listen()
        context.log.logger.info("idle")
        wait_for_end(context, float(arguments.get("seconds", 60.0)))


def finish(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """Ends well after a moment."""
    wait_for_end(context, float(arguments.get("seconds", 0.0)))


def deaf(context: ProcessContext, _arguments: Mapping[str, Any]) -> None:
    """Ignores every request to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    context.log.logger.info("deaf")
    while True:
        time.sleep(0.05)


def raises(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """Fails after a moment, in one of several ways."""
    wait_for_end(context, float(arguments.get("seconds", 0.0)))
    kind = arguments.get("kind", "unexpected")
    if kind == "ours":
        raise NumericalError("reward is nan", where=f"{context.role}, step 7")
    raise ValueError("this was not to be")


def fails_and_dawdles(_context: ProcessContext, _arguments: Mapping[str, Any]) -> None:
    """Fails first and takes its time to leave, so that others leave before it."""
    import multiprocessing.util

    multiprocessing.util.Finalize(None, time.sleep, args=(30.0,), exitpriority=1)
    raise ValueError("I was first")


def falls_over_another(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """Fails as soon as another one has failed, as a peer does that waits in vain."""
    log = Path(arguments["log"])
    while not (log.exists() and '"failure"' in log.read_text()):
        if wait_for_end(context, 0.01):
            return
    raise DeadlineError("waiting for 1 of 20: agent_3", where="sample")
