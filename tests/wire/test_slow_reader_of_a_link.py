"""A reader that does not read: its senders notice, memory stays bounded, and what was accepted arrives once and in order."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from netagents.errors import DeadlineError
from netagents.wire.transport.transport import LinkSettings, open_transport

QUEUE, BYTES, TRIES = 8, 1 << 18, 4000
KERNEL = 16 << 20
"""What the sockets of the kernel may hold on the way, both ends together."""


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("scheme", ["unix", "ipc", "tcp"])
def test_a_sender_keeps_its_queue_and_no_more(scheme: str, tmp_path: Path) -> None:
    address = "tcp://127.0.0.1:0" if scheme == "tcp" else f"{scheme}://{tmp_path}/slow"
    receiving, sending = (open_transport(address, LinkSettings(insecure=True, queue=QUEUE, linger_seconds=0.0)) for _ in range(2))
    try:
        listener = receiving.listen(address)
        sender, own = sending.connect(listener.endpoint), sending.listen(address.replace("slow", "sender"))
        sender.send([b"first"], 5.0)
        first = listener.receive(5.0)
        assert first is not None
        before = resident()
        accepted = []
        for number in range(TRIES):
            # A gigabyte in all, were it kept.
            if sender.try_send([number.to_bytes(4, "big") + bytes(BYTES)]):
                accepted.append(number)
            if number % 100 == 0:
                time.sleep(0.001)
        # What the kernel still takes over a busy moment later: until nothing is accepted for a fifth of a second.
        quiet, number = 0, TRIES
        while quiet < 20:
            taken = sender.try_send([number.to_bytes(4, "big") + bytes(BYTES)])
            accepted += [number] if taken else []
            quiet, number = 0 if taken else quiet + 1, number + 1
            time.sleep(0.01)
        bound = 2 * QUEUE * BYTES + KERNEL
        assert len(accepted) <= bound // BYTES
        assert resident() - before <= 2 * bound
        with pytest.raises(DeadlineError, match=r"waited 0.1 s to send: the peer is gone or does not read"):
            sender.send([b"more"], 0.1)
        # It reads again: everything that was accepted is there, once and in order, and the link goes on.
        arrived = []
        while len(arrived) < len(accepted):
            assert own.receive(0.0) is None  # its sender waits for messages meanwhile, as nodes do
            message = listener.receive(5.0)
            assert message is not None
            arrived.append(int.from_bytes(bytes(message.frames[0][:4]), "big"))
        assert arrived == accepted
        sender.send([b"last"], 5.0)
        last = listener.receive(5.0)
        assert last is not None
        assert bytes(last.frames[0]) == b"last"
    finally:
        sending.close()
        receiving.close()
