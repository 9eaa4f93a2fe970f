"""The codec gives back what went in, copies no large array, and sends nothing that a receiver would refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_messages import RUN, arrays_of, canonical, envelopes, state

from netagents.errors import CapacityError, DecodeError, ProtocolError
from netagents.messages import ENVIRONMENT, Action, Envelope, Failed, Hello, Kind, Ready, Snapshot, State, Step, TruncatedQ, Welcome
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes
from netagents.wire.codec.limits import Limits


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


@given(st.integers(1, 5), st.integers(1, 9), st.sampled_from([(), (3,), (2, 2)]), st.booleans(), st.integers(0, 1 << 30))
def test_messages_of_one_form_may_be_read_all_at_once(count: int, copies: int, shape: tuple[int, ...], moving: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codec = Codec()
    frames, steps = [], []
    for step in range(count):
        hops = rng.integers(0, 9, (copies, 2), np.uint8) if moving else None
        steps.append(Step(rng.random((copies, *shape)), rng.random(copies), rng.integers(0, 4, copies, np.uint8), hops))
        (frame,) = codec.encode(Envelope(RUN, 0, ENVIRONMENT, Kind.STEP, 3, step, steps[-1]))
        frames.append(bytes(frame))
    codec.decode(frames[:1])
    known = codec.recognise(frames[-1])
    assert known is not None
    layout, iteration, step = known
    assert (iteration, step) == (3, count - 1)
    assert frames[-1][layout.lead] == steps[-1].observation.tobytes()
    together = layout.read_all(frames)
    assert isinstance(together, Step)
    for name in Step._fields:
        parts = [getattr(each, name) for each in steps]
        whole = getattr(together, name)
        assert whole is None if parts[0] is None else np.array_equal(whole, np.concatenate(parts))
