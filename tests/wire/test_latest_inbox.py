"""Shelves: what is kept of each sender is the newest, bounded, and what somebody else says never lies there."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netagents.messages import Envelope, Kind, State, Trace
from netagents.wire.session.inbox import Drop
from netagents.wire.session.latest_inbox import LatestInbox

RUN = b"run-id-8"
DEPTH = 5


def make(depth: int = DEPTH) -> LatestInbox:
    allowed = {Kind.STATE: (1, 2), Kind.TRACE: (1,), Kind.STEP: (-1,)}
    return LatestInbox(RUN, allowed, iteration=3, steps=11, nodes=4, strict=False).keep_latest({Kind.STATE, Kind.TRACE}, depth)


def said(kind: Kind, sender: int, iteration: int, step: int, run: bytes = RUN, incarnation: int = 0) -> Envelope:
    message: Any = State(np.array([iteration, step], np.uint8))
    if kind is Kind.TRACE:
        message = Trace(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))
    return Envelope(run, incarnation, sender, kind, iteration, step, message)


places = st.tuples(st.integers(0, 4), st.integers(0, 10))


@given(st.lists(places, max_size=40), places)
def test_a_shelf_holds_the_newest_and_gives_the_newest_that_is_not_of_later(came: list[tuple[int, int]], at: tuple[int, int]) -> None:
    inbox = make()
    for place in came:
        inbox.put(said(Kind.STATE, 1, *place))
    stored = inbox.stored(Kind.STATE, 1)
    assert len(stored) == min(DEPTH, len(set(came)))
    assert sum(inbox.dropped.values()) + len(stored) <= len(came)
    # The very newest is never the one that had to go.
    if came:
        assert max(came) in stored
    found = inbox.newest(Kind.STATE, 1, at)
    kept = [place for place in stored if place <= at]
    assert (None if found is None else (found.iteration, found.step)) == max(kept, default=None)
    if found is not None:
        np.testing.assert_array_equal(found.message.values, [found.iteration, found.step])
    assert inbox.stored(Kind.STATE, 2) == {}


def test_the_door_is_the_same_as_that_of_any_inbox() -> None:
    inbox = make()
    assert inbox.put(said(Kind.STATE, 1, 3, 0))
    refused = {
        Drop.DUPLICATE: said(Kind.STATE, 1, 3, 0),
        Drop.FUTURE: said(Kind.STATE, 1, 5, 0),
        Drop.STEP: said(Kind.STATE, 1, 3, 11),
        Drop.OTHER_RUN: said(Kind.STATE, 1, 3, 1, run=b"another!"),
        Drop.OTHER_INCARNATION: said(Kind.STATE, 1, 3, 1, incarnation=1),
        Drop.OUTSIDE_RADIUS: said(Kind.STATE, 3, 3, 1),
        Drop.UNKNOWN_SENDER: said(Kind.STATE, 9, 3, 1),
    }
    for reason, envelope in refused.items():
        assert not inbox.put(envelope)
        assert inbox.dropped[reason] == 1, reason
    assert list(inbox.stored(Kind.STATE, 1)) == [(3, 0)]
    assert not inbox.put(said(Kind.TRACE, 2, 3, 0))


def test_traces_with_another_ordinal_have_a_shelf_of_their_own() -> None:
    inbox = make()
    for ordinal in (0, 1):
        inbox.put(said(Kind.TRACE, 1, 2, ordinal))
    assert [list(inbox.stored(Kind.TRACE, 1, ordinal)) for ordinal in (0, 1, 2)] == [[(2, 0)], [(2, 1)], []]


def test_a_new_incarnation_begins_with_empty_shelves() -> None:
    inbox = make()
    inbox.put(said(Kind.STATE, 1, 3, 0))
    inbox.restart(2, 1)
    assert inbox.stored(Kind.STATE, 1) == {}
    assert inbox.put(said(Kind.STATE, 1, 2, 0, incarnation=1))
