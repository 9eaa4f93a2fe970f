"""The codec gives back what went in, and nothing but DecodeError for anything else."""

from __future__ import annotations

import contextlib
import random
import struct
import tracemalloc
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import CapacityError, DecodeError, ProtocolError
from netagents.messages import (
    ENVIRONMENT,
    LINK_COSTS,
    Action,
    Bundle,
    Carried,
    Digest,
    Envelope,
    Failed,
    Hello,
    Kind,
    Ready,
    Report,
    ShadowReward,
    Sign,
    Snapshot,
    Start,
    State,
    Step,
    Stop,
    Tally,
    Trace,
    TruncatedQ,
    Welcome,
)
from netagents.wire.codec import Codec
from netagents.wire.frames import frame_bytes
from netagents.wire.limits import Limits
from netagents.wire.schema import PROTOCOL_VERSION

RUN = b"run-id-8"
INDEX = ("u1", "<u2", "<u4", "<f8")
ANY = (*INDEX, "<i8", "<u8", "<i4", "<f4", "i1", "<i2", "?")


def array(draw: st.DrawFn, shape: tuple[int, ...], dtypes: tuple[str, ...] = ("<f8",)) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    size = int(np.prod(shape, dtype=np.int64))
    data = np.random.default_rng(draw(st.integers(0, 1 << 30))).bytes(size * dtype.itemsize)
    raw = np.frombuffer(data, np.uint8)
    if dtype == np.bool_:
        return (raw & 1).astype(bool).reshape(shape)
    return (raw.view(dtype) if size else np.empty(0, dtype)).reshape(shape)


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    kind = draw(st.sampled_from(list(Kind)))
    b, h, t = (draw(st.integers(0, 40)) for _ in range(3))
    rest = tuple(draw(st.lists(st.integers(0, 5), max_size=3)))
    text = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
    number = st.integers(0, (1 << 63) - 1)
    message: Any
    if kind is Kind.HELLO:
        message = Hello(draw(text), draw(text), draw(text), draw(number))
    elif kind is Kind.WELCOME:
        endpoints = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n"), min_size=1, max_size=40)
        peers = draw(st.dictionaries(st.integers(-2, 1000), endpoints, max_size=30))
        message = Welcome(draw(text), draw(text) * draw(st.sampled_from([1, 500])), draw(text), peers)
    elif kind is Kind.READY:
        message = Ready()
    elif kind is Kind.START:
        message = Start(draw(number))
    elif kind is Kind.STOP:
        message = Stop(draw(text))
    elif kind is Kind.FAILED:
        message = Failed(draw(text), draw(st.integers(0, 255)))
    elif kind is Kind.TALLY:
        links = array(draw, (draw(st.integers(0, 4)), 2 + len(LINK_COSTS)), ("<i8",)) if draw(st.booleans()) else None
        message = Tally(array(draw, (b,), ("<i8",)), links)
    elif kind is Kind.SIGN:
        message = Sign(array(draw, (h, b), ("<i8",)))
    elif kind is Kind.STEP:
        message = Step(array(draw, (b, *rest), INDEX), array(draw, (b,)), array(draw, (b,), ("u1",)))
        if draw(st.booleans()):
            message = message._replace(hops=array(draw, (b, t), ("u1",)))
            if draw(st.booleans()):
                message = message._replace(mask=array(draw, (b, h), ("?",)))
    elif kind is Kind.BUNDLE:
        message = Bundle(array(draw, (t,), ("<i4",)), array(draw, (1,), ("<i8",)), array(draw, (h,), ("u1",)))
    elif kind is Kind.CARRIED:
        message = Carried(array(draw, (b, 3), ("<i8",)), array(draw, (4,), ("<i8",)))
    elif kind is Kind.ACTION:
        message = Action(array(draw, (b, *rest), INDEX))
    elif kind is Kind.STATE:
        message = State(array(draw, (b, *rest), INDEX))
    elif kind is Kind.TRACE:
        message = Trace(array(draw, (t, b, *rest), INDEX), array(draw, (t, b), INDEX))
    elif kind is Kind.SHADOW_REWARD:
        message = ShadowReward(array(draw, (t, h)), array(draw, (h, b)))
    elif kind is Kind.TRUNCATED_Q:
        message = TruncatedQ(array(draw, (8 * h, 8 * b)))
    elif kind is Kind.REPORT:
        message = Report(array(draw, (t,)), array(draw, (h, 4)), array(draw, (b, 5), ("<i8",)), array(draw, (3,)))
    elif kind is Kind.DIGEST:
        ledger = array(draw, (t, 6), ("<i8",))
        message = Digest(array(draw, (3,)), array(draw, (h, b)), array(draw, (t, 5)), ledger, array(draw, (h, 3)))
    else:
        names = st.text("abcXYZ019_.-", min_size=1, max_size=128)
        shapes = st.lists(st.integers(0, 9), max_size=4)
        message = Snapshot({name: array(draw, tuple(draw(shapes)), ANY) for name in draw(st.lists(names, max_size=6, unique=True))})
    sender = draw(st.integers(-2, 5000))
    return Envelope(
        draw(st.binary(min_size=8, max_size=8)),
        draw(st.integers(0, 99)),
        sender,
        kind,
        draw(number),
        draw(st.integers(0, (1 << 31) - 1)),
        message,
    )


def canonical(value: Any) -> Any:
    """Something to compare in which NaN equals NaN and dtypes and shapes count."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return type(value).__name__, [canonical(item) for item in value]
    return value


def arrays_of(message: Any) -> list[np.ndarray]:
    values = message.arrays.values() if isinstance(message, Snapshot) else message
    return [value for value in values if isinstance(value, np.ndarray)]


@settings(max_examples=400, deadline=None)
@given(envelopes())
def test_decode_inverts_encode_for_every_kind(envelope: Envelope) -> None:
    codec = Codec()
    frames = [bytes(frame) for frame in codec.encode(envelope)]
    decoded = codec.decode(frames)
    assert canonical(decoded) == canonical(envelope)
    assert type(decoded.kind) is Kind
    assert all(not value.flags.writeable and value.flags.c_contiguous for value in arrays_of(decoded.message))
    assert canonical(codec.decode([memoryview(bytearray(frame)) for frame in frames])) == canonical(envelope)


def state(values: np.ndarray | None = None, **changes: Any) -> Envelope:
    message = State(np.arange(64, dtype=np.uint8) if values is None else values)
    return Envelope(RUN, 0, 3, Kind.STATE, 5, 7, message)._replace(**changes)


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
        Envelope(RUN, 0, 1, Kind.REPORT, 1, 0, Report(float_array(6), float_array((3, 4)), np.zeros((2, 5), "<i8"), float_array(3))),
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


def framed(header: Any, payload: bytes = b"") -> bytes:
    """Frame 0 of ``[version, kind, run, incarnation, sender, iteration, step, fields...]``, or of raw bytes in place of the header."""
    iteration, step = 0, 0
    if isinstance(header, list) and len(header) >= 7:
        iteration, step = header[5:7]
        header = [*header[:5], *header[7:]]
    head = header if isinstance(header, bytes) else msgpack.packb(header)
    return struct.pack("<IIq", len(head), step, iteration) + head + payload


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


def aligned(header: Any, sizes: list[int]) -> bytes:
    frame = framed(header)
    for size in sizes:
        frame += bytes(-len(frame) & 7) + bytes(size)
    return frame


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


def test_a_remembered_layout_is_no_way_around_the_checks() -> None:
    codec = Codec()
    (frame,) = codec.encode(state())
    assert canonical(codec.decode([frame])) == canonical(codec.decode([frame])) == canonical(state())
    for wrong in (bytes(frame) + b"x", bytes(frame)[:-1], bytes(frame)[:-64]):
        with pytest.raises(DecodeError):
            codec.decode([wrong])
    with pytest.raises(DecodeError):
        codec.decode([frame, b""])
    later = state(iteration=1 << 40, step=1 << 20, message=State(np.arange(64, dtype=np.uint8)[::-1]))
    assert canonical(codec.decode(codec.encode(later))) == canonical(later)
    for size in range(1, 4_200):  # more layouts than are remembered
        assert canonical(codec.decode(codec.encode(state(np.zeros(size, "u1"))))) == canonical(state(np.zeros(size, "u1")))
    assert len(codec._layouts) <= 4_096
    assert len(codec._outlines) <= 4_096


@pytest.mark.parametrize("depth", [10, 500, 600, 2_000, 100_000])
@pytest.mark.parametrize("opener", [b"\x91", b"\x81\x01", b"\x81\xa1x"])
def test_deep_nesting_is_refused(depth: int, opener: bytes) -> None:
    with pytest.raises(DecodeError):
        Codec().decode([framed(opener * depth + b"\x01")])


def test_small_arrays_share_the_header_frame_and_large_ones_are_not_copied() -> None:
    codec = Codec()
    assert len(codec.encode(state(np.zeros(16 * 1024 - 1, "u1")))) == 1
    values = np.zeros(16 * 1024, "u1")
    frames = codec.encode(state(values))
    assert len(frames) == 2
    assert np.shares_memory(np.asarray(frames[1]), values)
    received = [bytes(frame) for frame in frames]
    decoded = codec.decode(received).message
    assert isinstance(decoded, State)
    assert np.shares_memory(decoded.values, np.frombuffer(received[1], np.uint8))
    assert frame_bytes(frames) == sum(map(len, received))


def test_inline_arrays_are_aligned_for_their_dtype() -> None:
    step = Step(np.zeros(3, "u1"), np.arange(3.0), np.zeros(3, "u1"))
    (frame,) = Codec().encode(Envelope(RUN, 0, -1, Kind.STEP, 0, 0, step))
    decoded = Codec().decode([frame]).message
    assert isinstance(decoded, Step)
    assert decoded.reward.flags.aligned
    assert (decoded.reward == step.reward).all()


def test_views_that_are_not_contiguous_travel_by_value() -> None:
    values = np.arange(200_000.0).reshape(400, 500).T[::2]
    decoded = Codec().decode(Codec().encode(Envelope(RUN, 0, 1, Kind.TRUNCATED_Q, 0, 0, TruncatedQ(values)))).message
    assert isinstance(decoded, TruncatedQ)
    assert (decoded.values == values).all()


@pytest.mark.parametrize(
    "wrong",
    [
        state(np.zeros(3, "<i8")),
        state(np.zeros(3, ">f8")),
        state(np.zeros(())),
        state(np.array([object()])),
        state(sender=1 << 80),
        state(message=Action(np.zeros(3, "u1"))),
        Envelope(RUN, 0, -1, Kind.STEP, 0, 0, Step(np.zeros(3, "u1"), np.zeros(3), np.zeros(3, "u1"), np.zeros(3, "u1"))),
        Envelope(RUN, 0, -1, Kind.STEP, 0, 0, Step(np.zeros(3, "u1"), np.zeros(3), np.zeros(3, "u1"), mask=np.zeros((3, 2), "?"))),
        Envelope(RUN, 0, 1, Kind.SNAPSHOT, 0, 0, Snapshot({"a/b": np.zeros(1)})),
        Envelope(RUN, 0, 1, Kind.SNAPSHOT, 0, 0, Snapshot({"": np.zeros(1)})),
        Envelope(RUN, 0, 1, Kind.SNAPSHOT, 0, 0, Snapshot({"x" * 129: np.zeros(1)})),
        Envelope(RUN, 0, 1, Kind.SNAPSHOT, 0, 0, Snapshot({"x": np.array(["text"])})),
        Envelope(RUN, 0, 1, Kind.HELLO, 0, 0, Hello("agent", "x" * 5000, "", 1)),
        Envelope(RUN, 0, 1, Kind.HELLO, 0, 0, Hello("agent", "\ud800", "", 1)),
        Envelope(RUN, 0, 1, Kind.HELLO, 0, 0, Ready()),
        Envelope(RUN, 0, -1, Kind.WELCOME, 0, 0, Welcome("", "", "", {1: "two\nlines"})),
        Envelope(RUN, 0, -1, Kind.WELCOME, 0, 0, Welcome("\ud800", "", "", {})),
    ],
)
def test_a_sender_cannot_send_what_a_receiver_would_refuse(wrong: Envelope) -> None:
    codec = Codec()
    with pytest.raises(ProtocolError):
        codec.encode(wrong)
    assert canonical(codec.decode(codec.encode(state()))) == canonical(state())  # the re-used packer is not left half-filled


def test_messages_beyond_the_limits_are_refused_on_both_sides() -> None:
    small = Codec(Limits(message_bytes=1000))
    with pytest.raises(CapacityError, match="1000 bytes"):
        small.encode(state(np.zeros(1001, "u1")))
    frames = Codec().encode(state(np.zeros(1001, "u1")))
    with pytest.raises(DecodeError):
        small.decode(frames)
    many = Envelope(RUN, 0, 1, Kind.SNAPSHOT, 0, 0, Snapshot({f"a{i}": np.zeros(1) for i in range(1025)}))
    with pytest.raises(CapacityError, match="1024 arrays"):
        Codec().encode(many)


def test_last_words_are_shortened_rather_than_lost() -> None:
    decoded = Codec().decode(Codec().encode(Envelope(RUN, 0, 1, Kind.FAILED, 0, 0, Failed("x" * 9000, 1)))).message
    assert isinstance(decoded, Failed)
    assert len(decoded.line) == 4096
    assert decoded.line.endswith("…")


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
