"""The latest messages of each sender are stored, bounded, and nothing that any other inbox would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netagents.messages import Envelope, Kind, State, Trace
from netagents.wire.session.latest_inbox import LatestInbox
from netagents.wire.session.radius_admission import Drop

RUN = b"run-id-8"
DEPTH = 5


def make(depth: int = DEPTH) -> LatestInbox:
    allowed = {Kind.STATE: (1, 2), Kind.TRACE: (1,), Kind.STEP: (-1,)}
    return LatestInbox(RUN, allowed, iteration=3, steps=11, nodes=4, strict=False).keep_latest({Kind.STATE, Kind.TRACE}, depth)


def envelope(kind: Kind, sender: int, iteration: int, step: int, run: bytes = RUN, incarnation: int = 0) -> Envelope:
    message: Any = State(np.array([iteration, step], np.uint8))
    if kind is Kind.TRACE:
        message = Trace(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))
    return Envelope(run, incarnation, sender, kind, iteration, step, message)


times = st.tuples(st.integers(0, 4), st.integers(0, 10))


@given(st.lists(times, max_size=40), times)
def test_the_newest_messages_are_stored_and_the_newest_not_later_is_found(arrivals: list[tuple[int, int]], at: tuple[int, int]) -> None:
    inbox = make()
    for time in arrivals:
        inbox.put(envelope(Kind.STATE, 1, *time))
    stored = inbox.stored(Kind.STATE, 1)
    assert len(stored) == min(DEPTH, len(set(arrivals)))
    assert sum(inbox.dropped.values()) + len(stored) <= len(arrivals)
    # The very newest is never the one that had to go.
    if arrivals:
        assert max(arrivals) in stored
    newest = inbox.newest(Kind.STATE, 1, at)
    candidates = [time for time in stored if time <= at]
    assert (None if newest is None else (newest.iteration, newest.step)) == max(candidates, default=None)
    if newest is not None:
        np.testing.assert_array_equal(newest.message.values, [newest.iteration, newest.step])
    assert inbox.stored(Kind.STATE, 2) == {}


def test_the_rules_are_those_of_any_inbox() -> None:
    inbox = make()
    assert inbox.put(envelope(Kind.STATE, 1, 3, 0))
    refused = {
        Drop.DUPLICATE: envelope(Kind.STATE, 1, 3, 0),
        Drop.FUTURE: envelope(Kind.STATE, 1, 5, 0),
        Drop.STEP: envelope(Kind.STATE, 1, 3, 11),
        Drop.OTHER_RUN: envelope(Kind.STATE, 1, 3, 1, run=b"another!"),
        Drop.OTHER_INCARNATION: envelope(Kind.STATE, 1, 3, 1, incarnation=1),
        Drop.OUTSIDE_RADIUS: envelope(Kind.STATE, 3, 3, 1),
        Drop.UNKNOWN_SENDER: envelope(Kind.STATE, 9, 3, 1),
    }
    for reason, message in refused.items():
        assert not inbox.put(message)
        assert inbox.dropped[reason] == 1, reason
    assert list(inbox.stored(Kind.STATE, 1)) == [(3, 0)]
    assert not inbox.put(envelope(Kind.TRACE, 2, 3, 0))


def test_traces_with_another_ordinal_are_stored_separately() -> None:
    inbox = make()
    for ordinal in (0, 1):
        inbox.put(envelope(Kind.TRACE, 1, 2, ordinal))
    assert [list(inbox.stored(Kind.TRACE, 1, ordinal)) for ordinal in (0, 1, 2)] == [[(2, 0)], [(2, 1)], []]


def test_a_new_incarnation_begins_without_stored_messages() -> None:
    inbox = make()
    inbox.put(envelope(Kind.STATE, 1, 3, 0))
    inbox.restart(2, 1)
    assert inbox.stored(Kind.STATE, 1) == {}
    assert inbox.put(envelope(Kind.STATE, 1, 2, 0, incarnation=1))
