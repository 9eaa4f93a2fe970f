"""Connection of the launcher to a host of a Ray cluster: what ``ssh`` is for other hosts, a command whose standard streams lead there.

Called as a file, with the path of the bridge's socket and the id of a Ray node.  It imports nothing of netagents, so that many of them cost
little.
"""

from __future__ import annotations

import os
import select
import socket
import sys

END = b"\0"
"""What stands before the bridge's words about why a connection ends; lines of a runner never contain it."""

_READ_BYTES = 1 << 16


def connect(path: str, identity: str) -> int:
    """Pass bytes on until either side ends; the exit code is 1 if the bridge says why."""
    with socket.socket(socket.AF_UNIX) as bridge:
        bridge.connect(path)
        bridge.sendall(identity.encode() + b"\n")
        waiting = [0, bridge.fileno()]
        output, code = 1, 0
        while True:
            ready = select.select(waiting, [], [])[0]
            if 0 in ready:
                data = os.read(0, _READ_BYTES)
                if data:
                    bridge.sendall(data)
                else:
                    waiting.remove(0)
                    bridge.shutdown(socket.SHUT_WR)
            if bridge.fileno() in ready:
                data = bridge.recv(_READ_BYTES)
                if not data:
                    return code
                before, end, words = data.partition(END)
                _write(output, before)
                if end:
                    output, code = 2, 1
                    _write(output, words)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    try:
        sys.exit(connect(sys.argv[1], sys.argv[2]))
    except OSError as error:
        sys.exit(f"no connection to the bridge to Ray: {error.strerror}")
