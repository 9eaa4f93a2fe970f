"""Whatever arrives, decoding gives a message that could have been sent, or the documented error, in bounded time and memory."""

from __future__ import annotations

import resource
import struct
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutator import NASTY, mutants, seeds

from netagents.errors import DecodeError
from netagents.messages import Kind
from netagents.wire.codec import Codec

CODEC = Codec()
"""One for all examples, as in a node: what it remembers of right messages must not help wrong ones."""

SEEDS = seeds()


def check(frames: list[bytes]) -> str:
    """What became of a message; raises whatever is not the documented error."""
    try:
        envelope = CODEC.decode(frames)
    except DecodeError as error:
        line = str(error)
        assert "\n" not in line
        assert len(line) < 400
        return "refused"
    CODEC.encode(envelope)
    return "accepted"


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.binary(max_size=9) | st.text("ab.", max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=10,
)
packed = plain.map(msgpack.packb) | st.sampled_from(NASTY) | st.binary(max_size=30)
starts = st.tuples(
    st.just(1), st.sampled_from([int(kind) for kind in Kind]), st.binary(min_size=8, max_size=8), st.integers(0, 3), st.integers(-3, 9)
)
"""Version, kind, run, incarnation and sender, as they should be."""

headers = st.tuples(starts, st.lists(plain, max_size=5)).map(lambda parts: msgpack.packb([*parts[0], *parts[1]]))


@st.composite
def messages(draw: Any) -> list[bytes]:
    """Bytes at every depth: noise; a right frame around noise; right words before wrong ones; a right message, changed."""
    depth = draw(st.integers(0, 3))
    if depth == 0:
        return draw(st.lists(st.binary(max_size=60), max_size=3))
    if depth < 3:
        header, rest = draw(headers if depth == 2 else packed), draw(st.binary(max_size=40))
        step, iteration = draw(st.integers(0, 9)), draw(st.integers(0, 9))
        return [struct.pack("<IIq", len(header), step, iteration) + header + rest, *draw(more)]
    frames = [bytearray(frame) for frame in draw(st.sampled_from(SEEDS))]
    for _ in range(draw(st.integers(1, 3))):
        frame = draw(st.sampled_from(frames))
        at = draw(st.integers(0, min(len(frame), 100)))
        frame[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=6))
    return [bytes(frame) for frame in frames]


more = st.just([]) | st.lists(st.binary(max_size=16), max_size=3)


@pytest.mark.timeout(600)
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages())
def test_ten_thousand_examples_raise_nothing_but_decode_errors(frames: list[bytes]) -> None:
    check(frames)


def play(batches: Iterable[list[bytes]]) -> tuple[Counter[str], float]:
    """What became of many messages, and the longest time that one took."""
    counted: Counter[str] = Counter()
    longest = 0.0
    for frames in batches:
        start = time.process_time()
        counted[check(frames)] += 1
        longest = max(longest, time.process_time() - start)
    return counted, longest


def test_mutants_reach_both_ends() -> None:
    counted, _ = play(mutants(1, 5_000))
    assert counted["refused"] > 3_000
    assert counted["accepted"] > 50


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_million_mutants_raise_nothing_but_decode_errors_in_bounded_time_and_memory() -> None:
    play(mutants(0, 10_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted, longest = play(mutants(20_251_120, 1_000_000))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"\n1,000,000 mutants: {dict(counted)}, longest {1e3 * longest:.1f} ms, memory grew by {grown} KiB")
    assert counted.total() == 1_000_000
    assert longest < 1.0
    assert grown < 64 * 1024
