"""Messages to mutate, and a seeded mutator that knows where headers hurt."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from netagents.messages import (
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
    Message,
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
from netagents.wire.codec import Codec

NASTY = (
    b"\xdd\xff\xff\xff\xff",  # array of 2^32 - 1
    b"\xdf\x7f\xff\xff\xff",  # map of 2^31 - 1
    b"\xc6\xff\xff\xff\xff",  # 4 GiB of bytes
    b"\xdb\xff\xff\xff\xff",  # 4 GiB of text
    b"\xc9\xff\xff\xff\xff\x05",  # an extension type
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + bytes(7),
    b"\xcb\x7f\xf8" + bytes(6),
    b"\x91" * 1100,
    b"\x81\xa1a" * 300,
    b"\xff" * 8,
    bytes(16),
    b"\xa4\xed\xa0\x80\x00",  # text that is no UTF-8
)


def seeds() -> list[list[bytes]]:
    """One well-formed message of every kind at least, small and with raw frames."""
    big, small = np.linspace(0.0, 1.0, 4096).reshape(64, 64), np.arange(6, dtype="u1")
    messages: list[tuple[int, Kind, Message]] = [
        (4, Kind.HELLO, Hello("agent", "tcp://host:4711", "0.1.0", 12)),
        (-1, Kind.WELCOME, Welcome('{"name": "x"}', "{}", "{}", {0: "tcp://127.0.0.1:1", -1: "tcp://127.0.0.1:2"})),
        (1, Kind.READY, Ready()),
        (-1, Kind.START, Start(3)),
        (-1, Kind.STOP, Stop("finished")),
        (4, Kind.FAILED, Failed("it broke", 1)),
        (4, Kind.DROP_COUNTS, DropCounts(np.array([1, 0, 3]))),
        (4, Kind.DROP_COUNTS, DropCounts(np.array([1, 0, 3]), np.arange(26).reshape(2, 13))),
        (4, Kind.RELAY_STATS, RelayStats(np.arange(6).reshape(2, 3), np.arange(4))),
        (4, Kind.BUNDLE, Bundle(np.array([4, 2], "<i4"), np.array([5]), small)),
        (4, Kind.HEARTBEAT, Heartbeat(np.array([[4, 0], [3, 1]]))),
        (-1, Kind.STEP, Step(np.zeros(9, "<u2"), np.zeros(9), np.zeros(9, "u1"))),
        (1, Kind.ACTION, Action(small)),
        (1, Kind.STATE, State(small)),
        (1, Kind.STATE, State(np.zeros((3, 4), "<u4"))),
        (1, Kind.TRACE, Trace(np.zeros((5, 4), "u1"), np.zeros((5, 4), "u1"))),
        (1, Kind.SHADOW_REWARD, ShadowReward(np.zeros((2, 3)), np.zeros((0, 0)))),
        (1, Kind.TRUNCATED_Q, TruncatedQ(big)),
        (1, Kind.REWARD, Reward(np.zeros((3, 4)))),
        (1, Kind.WORST_ACTION, WorstAction(np.zeros(3, "u1"))),
        (1, Kind.TARGET_ACTION, TargetAction(np.zeros(5, "u1"))),
        (-1, Kind.BRANCH_STEP, BranchStep(np.zeros(6, "u1"), np.arange(3, dtype="<i4"), np.zeros((6, 2), "u1"), np.ones((6, 2), np.bool_))),
        (1, Kind.BRANCH_STATE, BranchState(np.zeros(6, "u1"))),
        (1, Kind.BRANCH_ACTION, BranchAction(np.zeros(6, "u1"))),
        (1, Kind.POLICY_PARAMETERS, PolicyParameters(np.zeros(7, "<f4"), np.zeros(2))),
        (1, Kind.REPORT, Report(np.zeros(6), np.zeros((3, 6)), np.zeros((2, 5), np.int64), np.zeros(3))),
        (1, Kind.SNAPSHOT, Snapshot({"policy.logits": big, "visits": np.zeros(3, np.int64), "known": np.ones(3, np.bool_)})),
        (1, Kind.SNAPSHOT, Snapshot({"a": np.zeros((0, 3)), "b": np.array(1.0)})),
        (-1, Kind.DIGEST, Digest(np.zeros(3), np.zeros((2, 6)), np.zeros((1, 7)), np.zeros((4, 6), np.int64), np.zeros((2, 3)))),
    ]
    codec = Codec()
    return [
        [bytes(frame) for frame in codec.encode(Envelope(b"run-id-8", 0, sender, kind, 5, 2, message))]
        for sender, kind, message in messages
    ]


def mutate(frames: list[bytes], rng: random.Random) -> list[bytes]:
    """One to five changes: flipped bits, inserted, deleted, cut, repeated and spliced bytes, wrong lengths, frames more and less."""
    frames = list(frames)
    for _ in range(rng.randint(1, 5)):
        if not frames:
            return [rng.randbytes(rng.randint(0, 40))]
        place = rng.randrange(len(frames))
        frame = bytearray(frames[place])
        at = rng.randrange(min(len(frame), 120)) if frame else 0
        match rng.randrange(11):
            case 0 if frame:
                frame[at] = rng.randrange(256)
            case 1 if frame:
                frame[at] ^= 1 << rng.randrange(8)
            case 2:
                frame[at:at] = rng.randbytes(rng.randint(1, 9))
            case 3:
                del frame[at : at + rng.randint(1, 9)]
            case 4 if frame:
                del frame[rng.randrange(len(frame)) :]
            case 5:
                frame[at:at] = rng.choice(NASTY)
            case 6 if len(frame) >= 8:
                start = rng.choice((0, 4, 8, 12))
                frame[start : start + 4] = rng.choice((0, 1, len(frame), 1 << 18, 1 << 31, rng.randrange(1 << 32))).to_bytes(4, "little")
            case 7:
                frame[at : at + rng.randint(1, 20)] = frame[: rng.randint(0, 20)]
            case 8:
                frames.insert(place, rng.randbytes(rng.randint(0, 30)))
                continue
            case 9 if len(frames) > 1:
                del frames[place]
                continue
            case _:
                # A length that fits what was changed, so that the inside is looked at as well.
                if len(frame) >= 16:
                    grown = len(frame) - 16 if rng.randrange(2) else int.from_bytes(frame[0:4], "little") + rng.randint(-3, 9)
                    frame[0:4] = min(max(0, grown), (1 << 32) - 1).to_bytes(4, "little")
        frames[place] = bytes(frame)
    return frames


def mutants(seed: int, count: int) -> Iterator[list[bytes]]:
    """``count`` mutated messages, always the same for a seed."""
    rng, messages = random.Random(seed), seeds()
    for _ in range(count):
        yield mutate(rng.choice(messages), rng)
