"""Process of one sink: reads frames from the monitor, writes them where they go, says one line when it fails, and ends with its parent."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from netagents.monitoring.sinks.sink import SinkRun, load_sink
from netagents.monitoring.sinks.sink_frames import read_frame, read_row

_LOOK_SECONDS = 0.3
_LAST_SECONDS = 1.0


def main(status: int) -> int:
    """Serve one sink until its parent closes the pipe.

    Args:
        status: descriptor to which lines go: ``{"opened": true}`` once the sink can write, then ``{"fault": ...}`` or ``{"done": true}``.
    """
    # Ctrl-C is for the run: the sink still gets what the run has to say at its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        first = read_frame(sys.stdin.buffer)
        if first is None:
            return 0
        facts = first["run"] | {"folder": Path(first["run"]["folder"]), "agents": tuple(first["run"]["agents"])}
        sink = load_sink(first["kind"])(SinkRun(**facts))
        os.write(status, b'{"opened": true}\n')
        while (values := read_frame(sys.stdin.buffer)) is not None:
            if "row" in values:
                sink.write(read_row(values["row"]))
            elif "artifact" in values:
                sink.artifact(Path(values["artifact"]))
            else:
                break
        sink.close()
        answer = {"done": True}
    except BaseException as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        answer = {"fault": words[:300]}  # type: ignore[dict-item]
    try:
        os.write(status, json.dumps(answer).encode() + b"\n")
    except OSError:
        return 1
    # Threads of a library are not waited for.
    os._exit(0)


def _end_with(parent: int) -> None:
    """End soon after the parent has gone, whatever the sink does."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    time.sleep(_LAST_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
