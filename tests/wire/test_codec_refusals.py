"""What is no message is refused: nothing but a DecodeError of one line comes of it, and no memory is reserved for it."""

from __future__ import annotations

import contextlib
import random
import struct
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_messages import RUN, aligned, canonical, framed, state

from netagents.errors import DecodeError, ProtocolError
from netagents.messages import ENVIRONMENT, Envelope, Failed, Hello, Kind, Ready, Report, Snapshot, State, Step, Trace, TruncatedQ, Welcome
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import HEAD, PREFIX, PROTOCOL_VERSION


def seeds() -> list[Envelope]:
    rng = np.random.default_rng(0)
    float_array = rng.random
    big = rng.random((64, 64))
    return [
        state(),
        state(np.arange(64, dtype="<u2").reshape(8, 8)),
        Envelope(RUN, 0, -1, Kind.STEP, 1, 2, Step(np.zeros(9, "<u2"), float_array(9), np.zeros(9, "u1"))),
        Envelope(RUN, 0, 1, Kind.TRACE, 1, 2, Trace(np.zeros((5, 4), "u1"), np.zeros((5, 4), "u1"))),
        Envelope(RUN, 0, 1, Kind.TRUNCATED_Q, 1, 0, TruncatedQ(big)),
        Envelope(RUN, 0, 1, Kind.REPORT, 1, 0, Report(float_array(6), float_array((3, 6)), np.zeros((2, 5), "<i8"), float_array(3))),
        Envelope(RUN, 0, 1, Kind.SNAPSHOT, 1, 0, Snapshot({"policy.logits": big, "visits": np.zeros(3, "<i8"), "known": np.ones(3, "?")})),
        Envelope(RUN, 0, -1, Kind.WELCOME, 0, 0, Welcome("{}", "{}", "{}", {0: "tcp://127.0.0.1:1", -1: "ipc:///x"})),
        Envelope(RUN, 0, 4, Kind.HELLO, 0, 0, Hello("agent", "ipc:///tmp/x", "0.1.0", 12)),
        Envelope(RUN, 0, 4, Kind.FAILED, 0, 0, Failed("it broke", 1)),
    ]


def mutate(frames: list[bytes], rng: random.Random) -> list[bytes]:
    frames = list(frames)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(frames))
        frame = bytearray(frames[place])
        action = rng.randrange(8)
        at = rng.randrange(min(len(frame), 60)) if frame else 0
        if action == 0 and frame:
            frame[at] = rng.randrange(256)
        elif action == 1 and frame:
            frame[at] ^= 1 << rng.randrange(8)
        elif action == 2:
            frame[at:at] = rng.randbytes(rng.randint(1, 9))
        elif action == 3:
            del frame[at : at + rng.randint(1, 9)]
        elif action == 4 and frame:
            del frame[rng.randrange(len(frame)) :]
        elif action == 5:
            frames.insert(place, rng.randbytes(rng.randint(0, 30)))
            continue
        elif action == 6 and len(frames) > 1:
            del frames[place]
            continue
        elif action == 7:
            frame[at:at] = rng.choice(
                [b"\xdd\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xcf" + b"\xff" * 8, b"\x91" * 40]
            )
        frames[place] = bytes(frame)
    return frames


def test_ten_thousand_mutated_messages_raise_nothing_but_decode_errors() -> None:
    codec, rng = Codec(), random.Random(7)
    messages = [[bytes(frame) for frame in codec.encode(envelope)] for envelope in seeds()]
    lines = []
    tracemalloc.start()
    for trial in range(10_000):
        try:
            decoded = codec.decode(mutate(messages[trial % len(messages)], rng))
        except DecodeError as error:
            lines.append(str(error))
        else:
            codec.encode(decoded)  # whatever was let through is a message that may be sent
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(lines) > 5_000
    assert all("\n" not in line and len(line) < 400 for line in lines)
    assert peak < 4_000_000


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=3))
def test_arbitrary_bytes_raise_nothing_but_decode_errors(frames: list[bytes]) -> None:
    with pytest.raises(DecodeError):
        Codec().decode(frames)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.binary(max_size=9) | st.text("ab", max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=1_000, deadline=None)
@given(st.sampled_from([int(kind) for kind in Kind]), st.lists(json_like, max_size=5), st.binary(max_size=40))
def test_well_formed_headers_with_wrong_fields_raise_nothing_but_decode_errors(kind: int, fields: list[Any], payload: bytes) -> None:
    with contextlib.suppress(DecodeError):
        Codec().decode([framed([PROTOCOL_VERSION, kind, RUN, 0, 0, 0, 0, *fields], payload)])


def state_header(*description: Any, **changes: Any) -> list[Any]:
    values = {"version": PROTOCOL_VERSION, "kind": 12, "run": RUN, "incarnation": 0, "sender": 3, "iteration": 5, "step": 7} | changes
    return [*values.values(), list(description)]


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (state_header(1, 0, version=PROTOCOL_VERSION + 1), "version"),
        (state_header(1, 0, version=True), "version"),
        (state_header(1, 0, kind=99), "kind"),
        (state_header(1, 0, kind=True), "kind"),
        (state_header(1, 0, run=b"short"), "run id"),
        (state_header(1, 0, run="run-id-8"), "run id"),
        (state_header(1, 0, sender=-3), "out of bounds"),
        (state_header(1, 0, sender=1 << 40), "out of bounds"),
        (state_header(1, 0, sender=True), "out of bounds"),
        (state_header(1, 0, iteration=-1), "out of bounds"),
        (state_header(1, 0, step=1 << 31), "out of bounds"),
        (state_header(1, 0, incarnation=None), "out of bounds"),
        (state_header(5, 0), "dtype code"),
        (state_header(99, 0), "dtype code"),
        (state_header("f8", 0), "not described"),
        (state_header(), "not described"),
        (state_header(1), "rank"),
        (state_header(1, *[1] * 9), "rank"),
        (state_header(1, -1), "a size"),
        (state_header(1, True), "a size"),
        (state_header(1, 1 << 63), "a size"),
        (state_header(4, 1 << 20, 1 << 20), "too large"),
        (state_header(1, 0, 1 << 20, 1 << 20), "too large"),
        (state_header(1, 1), "not there"),
        ([*state_header(1, 0), []], "2 arrays"),
        (state_header(1, 0)[:7], "0 arrays"),
        ([PROTOCOL_VERSION, 12, RUN], "at least 5"),
        ({"version": 1}, "at least 5"),
    ],
)
def test_each_wrong_header_is_refused_for_its_own_reason(header: Any, word: str) -> None:
    with pytest.raises(DecodeError, match=word):
        Codec().decode([framed(header)])


def test_bytes_that_belong_to_nothing_are_refused() -> None:
    codec = Codec()
    (frame,) = codec.encode(state())
    with pytest.raises(DecodeError, match="too many"):
        codec.decode([bytes(frame) + b"x"])
    with pytest.raises(DecodeError, match="3 frames announces only one"):
        codec.decode([frame, b"", b""])
    (ready,) = codec.encode(Envelope(RUN, 0, 3, Kind.READY, 0, 0, Ready()))
    with pytest.raises(DecodeError, match="behind its header"):
        codec.decode([bytes(ready) + b"x"])


def test_arrays_of_one_step_agree_on_the_number_of_copies() -> None:
    header = [PROTOCOL_VERSION, 10, RUN, 0, -1, 0, 0, [1, 8], [4, 1], [1, 8]]
    with pytest.raises(DecodeError, match="axis 0"):
        Codec().decode([aligned(header, [8, 8, 8])])
    with pytest.raises(ProtocolError, match="axis 0"):
        Codec().encode(Envelope(RUN, 0, -1, Kind.STEP, 0, 0, Step(np.zeros(8, "u1"), np.zeros(1), np.zeros(8, "u1"))))


def test_declared_sizes_reserve_no_memory() -> None:
    codec = Codec()
    bombs = [
        framed(state_header(4, 1 << 25)),
        framed(b"\xdd\xff\xff\xff\xff"),
        framed(b"\xdf\xff\xff\xff\xff"),
        framed(b"\xdc\x00\x40" * 500 + b"\x01"),
        framed(b"\x98" + b"\xdb\xff\xff\xff\xff"),
        framed(b"\xc9\xff\xff\xff\xff\x01"),
        struct.pack("<IIq", 0xFFFFFFFF, 0, 0) + b"\x90" * 9,
        struct.pack("<IIq", 1, 0xFFFFFFFF, 0) + b"\x90" * 9,
        struct.pack("<IIq", 1, 0, -1) + b"\x90" * 9,
    ]
    tracemalloc.start()
    for bomb in bombs:
        with pytest.raises(DecodeError):
            codec.decode([bomb])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_fields_that_are_bombs_are_refused_like_headers() -> None:
    head = b"\x96" + b"".join(msgpack.packb(entry) for entry in (1, 12, RUN, 0, 3))
    for field in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x91" * 600, b"\x91" * 100_000, b"", b"\x01", b"\xc1"):
        with pytest.raises(DecodeError):
            Codec().decode([framed(head + field)])


def test_a_remembered_header_does_not_bypass_the_checks() -> None:
    codec = Codec()
    (frame,) = codec.encode(state())
    assert canonical(codec.decode([frame])) == canonical(codec.decode([frame])) == canonical(state())
    for wrong in (bytes(frame) + b"x", bytes(frame)[:-1], bytes(frame)[:-64]):
        with pytest.raises(DecodeError):
            codec.decode([wrong])
    with pytest.raises(DecodeError):
        codec.decode([frame, b""])
    length, _, _ = PREFIX.unpack_from(frame)
    for step, iteration in ((0, -1), (0, -(1 << 63)), (codec.limits.steps, 0), ((1 << 32) - 1, 0)):
        with pytest.raises(DecodeError, match="out of bounds"):
            codec.decode([PREFIX.pack(length, step, iteration) + frame[HEAD:]])
    later = state(iteration=1 << 40, step=1 << 20, message=State(np.arange(64, dtype=np.uint8)[::-1]))
    assert canonical(codec.decode(codec.encode(later))) == canonical(later)
    for size in range(1, 4_200):  # more templates than are remembered
        assert canonical(codec.decode(codec.encode(state(np.zeros(size, "u1"))))) == canonical(state(np.zeros(size, "u1")))
    assert len(codec.templates) <= 4_096
    assert len(codec._header_templates) <= 4_096


@pytest.mark.parametrize("depth", [10, 500, 600, 2_000, 100_000])
@pytest.mark.parametrize("opener", [b"\x91", b"\x81\x01", b"\x81\xa1x"])
def test_deep_nesting_is_refused(depth: int, opener: bytes) -> None:
    with pytest.raises(DecodeError):
        Codec().decode([framed(opener * depth + b"\x01")])


def test_truth_values_other_than_zero_and_one_are_refused() -> None:
    header = [PROTOCOL_VERSION, 17, RUN, 0, 1, 0, 0, {"known": [11, 2]}]
    with pytest.raises(DecodeError, match="truth values"):
        Codec().decode([aligned(header, [0]) + b"\x01\x02"])


def test_a_welcome_whose_peers_do_not_match_its_endpoints_is_refused() -> None:
    def welcome(indices: list[int], endpoints: bytes) -> bytes:
        parts = [b"{}", b"{}", b"{}", np.array(indices, "<i8").tobytes(), endpoints]
        sizes = [2, 2, 2, len(indices), len(endpoints)]
        frame = framed([PROTOCOL_VERSION, int(Kind.WELCOME), RUN, 0, ENVIRONMENT, 0, 0, sizes])
        for part in parts:
            frame += bytes(-len(frame) & 7) + part
        return frame

    decoded = Codec().decode([welcome([0, 1], b"a\nb")]).message
    assert isinstance(decoded, Welcome)
    assert decoded.peers == {0: "a", 1: "b"}
    for indices, endpoints in (([0, 0], b"a\nb"), ([0], b"a\nb"), ([0, 1], b"a"), ([-3], b"a"), ([], b"a"), ([0], b""), ([0], b"\xff")):
        with pytest.raises(DecodeError, match=r"peers|UTF-8"):
            Codec().decode([welcome(indices, endpoints)])
