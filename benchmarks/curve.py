"""What encryption and authentication cost on tcp."""

from __future__ import annotations

import threading
from functools import partial
from time import perf_counter

from benchmarks.pairs import alternate
from benchmarks.table import Section
from benchmarks.workloads import line_msg, over, train
from netagents.wire.security.key_bundles import CurveCredentials, make_bundles
from netagents.wire.transport.transport import LinkSettings, open_transport

SIZES = {100: 2_000, 8_192: 1_000, 262_144: 200}
"""Bytes of a message -> round trips per measurement: a step of few copies, a step of many, a large trace."""

ADDRESS = "tcp://127.0.0.1:0"
ITERATIONS = 8


def measure(rounds: int) -> Section:
    """Round trips over tcp with and without CURVE, the first message of a link, and a whole run."""
    section = Section(
        "Encryption on tcp",
        "tcp links with CURVE and the ZAP authenticator divided by plain tcp links on loopback: time per round trip of a message, and "
        "until the first message of a fresh link has arrived. Last row: training LineMsg, n = 10, B = 64, over encrypted tcp divided by "
        "ipc, which is not encrypted.",
        ("what", "with keys us", "without us", "with / without"),
    )
    for size, trips in SIZES.items():
        result = alternate(partial(_round_trip, size, trips, keys=True), partial(_round_trip, size, trips, keys=False), rounds)
        section.add(f"round trip of {size:,} bytes", f"{result.first * 1e6:.0f}", f"{result.second * 1e6:.0f}", result.text())
    result = alternate(lambda: _first_message(keys=True), lambda: _first_message(keys=False), rounds)
    section.add("first message of a link", f"{result.first * 1e6:.0f}", f"{result.second * 1e6:.0f}", result.text())
    plain, secured = (over(line_msg(10, 64, ITERATIONS), transport) for transport in ("ipc", "tcp"))
    result = alternate(lambda: train(secured, "local").training, lambda: train(plain, "local").training, rounds)
    section.add("a training run (against ipc)", f"{result.first * 1e6:,.0f}", f"{result.second * 1e6:,.0f}", result.text())
    return section


def _settings(keys: bool) -> tuple[LinkSettings, LinkSettings]:
    if not keys:
        return LinkSettings(insecure=True), LinkSettings(insecure=True)
    bundles = make_bundles({0: {1}, 1: {0}})
    return LinkSettings(credentials=CurveCredentials(bundles[0])), LinkSettings(credentials=CurveCredentials(bundles[1]))


def _round_trip(size: int, trips: int, *, keys: bool) -> float:
    """Seconds per round trip between two threads, each with a transport of its own."""
    here, there = (open_transport(ADDRESS, settings) for settings in _settings(keys))
    own, other = here.listen(ADDRESS), there.listen(ADDRESS)

    def echo() -> None:
        back = there.connect(own.endpoint, "agent-0")
        while (message := other.receive(10.0)) is not None and len(message.frames[0]) > 1:
            back.send([message.frames[0]], 10.0)
        there.close()

    thread = threading.Thread(target=echo)
    thread.start()
    sender = here.connect(other.endpoint, "agent-1")
    payload = bytes(size)
    for warm in (True, False):
        start = perf_counter()
        for _ in range(10 if warm else trips):
            sender.send([payload], 10.0)
            own.receive(10.0)
    seconds = (perf_counter() - start) / trips
    sender.send([b"!"], 10.0)
    thread.join()
    here.close()
    return seconds


def _first_message(*, keys: bool) -> float:
    """Seconds from making a sender until its first message has arrived."""
    here, there = (open_transport(ADDRESS, settings) for settings in _settings(keys))
    try:
        listener = there.listen(ADDRESS)
        start = perf_counter()
        here.connect(listener.endpoint, "agent-1").send([b"hello"], 10.0)
        listener.receive(10.0)
        return perf_counter() - start
    finally:
        here.close()
        there.close()
