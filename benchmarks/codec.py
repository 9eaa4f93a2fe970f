"""Encode and decode of the hot messages."""

from __future__ import annotations

import timeit

import numpy as np

from benchmarks.table import Section
from netagents.messages import Envelope, Kind, Message, State, Step
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes

LOOPS = 20_000


def measure(rounds: int) -> Section:
    """Microseconds per message, best of several loops."""
    section = Section(
        "Codec",
        "Encode plus decode of one message, best of several loops of 20 000; the aim is 10 microseconds for 256 bytes.",
        ("message", "bytes on the wire", "encode µs", "decode µs", "both µs"),
    )
    step = Step(np.zeros(64, np.uint8), np.zeros(64), np.zeros(64, np.uint8))
    cases: list[tuple[str, Kind, Message]] = [
        ("State, 256 copies", Kind.STATE, State(np.zeros(256, np.uint8))),
        ("Step, 64 copies", Kind.STEP, step),
    ]
    for name, kind, message in cases:
        codec = Codec()
        envelope = Envelope(b"12345678", 0, 3, kind, 40, 77, message)
        frames = codec.encode(envelope)
        encode = _best(lambda codec=codec, envelope=envelope: codec.encode(envelope), rounds)
        decode = _best(lambda codec=codec, frames=frames: codec.decode(frames), rounds)
        section.add(name, frame_bytes(frames), f"{encode:.1f}", f"{decode:.1f}", f"{encode + decode:.1f}")
    return section


def _best(call: object, rounds: int) -> float:
    return min(timeit.repeat(call, number=LOOPS, repeat=rounds)) / LOOPS * 1e6  # type: ignore[arg-type]
