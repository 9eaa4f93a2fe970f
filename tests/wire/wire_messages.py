"""Messages for the tests of the codec: any envelope at all, one small one, and frames written by hand."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
from hypothesis import strategies as st

from netagents.messages import (
    LINK_COSTS,
    Action,
    BranchAction,
    BranchState,
    BranchStep,
    Bundle,
    Digest,
    DropCounts,
    Envelope,
    Failed,
    Heartbeat,
    Hello,
    Kind,
    PolicyParameters,
    Ready,
    RelayStats,
    Report,
    Reward,
    ShadowReward,
    Snapshot,
    Start,
    State,
    Step,
    Stop,
    TargetAction,
    Trace,
    TruncatedQ,
    Welcome,
    WorstAction,
)

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
    elif kind is Kind.DROP_COUNTS:
        links = array(draw, (draw(st.integers(0, 4)), 2 + len(LINK_COSTS)), ("<i8",)) if draw(st.booleans()) else None
        message = DropCounts(array(draw, (b,), ("<i8",)), links)
    elif kind is Kind.HEARTBEAT:
        message = Heartbeat(array(draw, (h, b), ("<i8",)))
    elif kind is Kind.STEP:
        message = Step(array(draw, (b, *rest), INDEX), array(draw, (b,)), array(draw, (b,), ("u1",)))
        if draw(st.booleans()):
            message = message._replace(hops=array(draw, (b, t), ("u1",)))
            if draw(st.booleans()):
                message = message._replace(mask=array(draw, (b, h), ("?",)))
                if draw(st.booleans()):
                    message = message._replace(executed=array(draw, (b, *rest), INDEX))
    elif kind is Kind.BUNDLE:
        message = Bundle(array(draw, (t,), ("<i4",)), array(draw, (1,), ("<i8",)), array(draw, (h,), ("u1",)))
    elif kind is Kind.RELAY_STATS:
        message = RelayStats(array(draw, (b, 3), ("<i8",)), array(draw, (4,), ("<i8",)))
    elif kind is Kind.ACTION:
        message = Action(array(draw, (b, *rest), INDEX))
    elif kind is Kind.STATE:
        message = State(array(draw, (b, *rest), INDEX))
    elif kind is Kind.TRACE:
        message = Trace(array(draw, (t, b, *rest), INDEX), array(draw, (t, b), INDEX))
    elif kind is Kind.SHADOW_REWARD:
        message = ShadowReward(array(draw, (t, h)), array(draw, (h, b)), array(draw, (h, b), ("?",)) if draw(st.booleans()) else None)
    elif kind is Kind.TRUNCATED_Q:
        message = TruncatedQ(array(draw, (8 * h, 8 * b)))
    elif kind is Kind.REPORT:
        message = Report(array(draw, (t,)), array(draw, (h, 6)), array(draw, (b, 5), ("<i8",)), array(draw, (3,)))
    elif kind is Kind.DIGEST:
        ledger = array(draw, (t, 6), ("<i8",))
        message = Digest(array(draw, (3,)), array(draw, (h, b)), array(draw, (t, 7)), ledger, array(draw, (h, 3)))
    elif kind is Kind.REWARD:
        message = Reward(array(draw, (t, b)))
    elif kind is Kind.WORST_ACTION:
        message = WorstAction(array(draw, (t,), ("u1",)))
    elif kind is Kind.TARGET_ACTION:
        message = TargetAction(array(draw, (t, *rest), INDEX))
    elif kind is Kind.BRANCH_STEP:
        message = BranchStep(array(draw, (b, *rest), INDEX), array(draw, (h,), ("<i4",)))
        if draw(st.booleans()):
            message = message._replace(hops=array(draw, (b, t), ("u1",)))
            if draw(st.booleans()):
                message = message._replace(mask=array(draw, (b, h), ("?",)))
    elif kind is Kind.BRANCH_STATE:
        message = BranchState(array(draw, (b, *rest), INDEX))
    elif kind is Kind.BRANCH_ACTION:
        message = BranchAction(array(draw, (b, *rest), INDEX))
    elif kind is Kind.POLICY_PARAMETERS:
        message = PolicyParameters(array(draw, (t,), ("<f4", "<f8")), array(draw, (h,)))
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


def state(values: np.ndarray | None = None, **changes: Any) -> Envelope:
    message = State(np.arange(64, dtype=np.uint8) if values is None else values)
    return Envelope(RUN, 0, 3, Kind.STATE, 5, 7, message)._replace(**changes)


def framed(header: Any, payload: bytes = b"") -> bytes:
    """Frame 0 of ``[version, kind, run, incarnation, sender, iteration, step, fields...]``, or of raw bytes in place of the header."""
    iteration, step = 0, 0
    if isinstance(header, list) and len(header) >= 7:
        iteration, step = header[5:7]
        header = [*header[:5], *header[7:]]
    head = header if isinstance(header, bytes) else msgpack.packb(header)
    return struct.pack("<IIq", len(head), step, iteration) + head + payload


def aligned(header: Any, sizes: list[int]) -> bytes:
    frame = framed(header)
    for size in sizes:
        frame += bytes(-len(frame) & 7) + bytes(size)
    return frame
