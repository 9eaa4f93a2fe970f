"""The inbox keeps what belongs, in order, and counts why it dropped the rest."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import ProtocolError
from netagents.messages import ENVIRONMENT, MONITOR, Action, Envelope, Hello, Kind, Ready, State, Stop, Welcome
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.radius_admission import UNKNOWN_RUN, Drop

RUN, OTHER = b"run-id-8", b"other-id"
ALLOWED = {Kind.STATE: {1, 2}, Kind.TRACE: {1, 2, 3}, Kind.STEP: {ENVIRONMENT}}


def message(sender: int = 1, kind: Kind = Kind.STATE, iteration: int = 0, step: int = 0, **changes: Any) -> Envelope:
    return Envelope(RUN, 0, sender, kind, iteration, step, State(np.array([sender % 256], np.uint8)))._replace(**changes)


def inbox(**options: Any) -> Inbox:
    return Inbox(RUN, ALLOWED, **({"nodes": 10, "steps": 100} | options))


def test_a_phase_comes_out_in_the_order_asked_for_whatever_the_order_of_arrival() -> None:
    box = inbox()
    for sender in (3, 1, 2):
        assert box.collect(0, Kind.TRACE, 0, (1, 2, 3)) is None
        assert box.put(message(sender, Kind.TRACE))
    assert box.missing(0, Kind.TRACE, 0, (1, 2, 3)) == []
    collected = box.collect(0, Kind.TRACE, 0, (2, 3, 1))
    assert collected is not None
    assert [int(item.values[0]) for item in collected if isinstance(item, State)] == [2, 3, 1]
    assert len(box) == 0
    assert box.collect(0, Kind.TRACE, 0, ()) == []


def test_missing_names_who_has_not_spoken() -> None:
    box = inbox()
    box.put(message(2))
    assert box.missing(0, Kind.STATE, 0, (1, 2)) == [1]
    assert box.missing(0, Kind.STATE, 1, (1, 2)) == [1, 2]


@settings(max_examples=200, deadline=None)
@given(
    st.permutations(
        [
            (kind, iteration, step, sender)
            for kind in (Kind.STATE, Kind.TRACE)
            for iteration in (0, 1)
            for step in (0, 1)
            for sender in (1, 2)
        ]
    )
)
def test_any_order_of_arrival_gives_the_same_phases(arrivals: list[tuple[Kind, int, int, int]]) -> None:
    box = inbox()
    for kind, iteration, step, sender in arrivals:
        marked = State(np.array([kind, iteration, step, sender], np.uint8))
        assert box.put(message(sender, kind, iteration, step, message=marked))
    for iteration in (0, 1):
        box.advance(iteration)
        for step in (0, 1):
            for kind in (Kind.STATE, Kind.TRACE):
                received = box.collect(iteration, kind, step, (1, 2))
                assert received is not None
                assert [item.values.tolist() for item in received if isinstance(item, State)] == [
                    [kind, iteration, step, 1],
                    [kind, iteration, step, 2],
                ]
    assert len(box) == 0
    assert not box.dropped


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (message(run=OTHER), Drop.OTHER_RUN),
        (message(incarnation=1), Drop.OTHER_INCARNATION),
        (message(3), Drop.OUTSIDE_RADIUS),
        (message(7), Drop.OUTSIDE_RADIUS),
        (message(1, Kind.STEP), Drop.WRONG_KIND),
        (message(7, Kind.STEP), Drop.WRONG_KIND),
        (message(ENVIRONMENT), Drop.WRONG_KIND),
        (message(10), Drop.UNKNOWN_SENDER),
        (message(MONITOR), Drop.UNKNOWN_SENDER),
        (message(iteration=2), Drop.FUTURE),
        (message(step=100), Drop.STEP),
    ],
)
def test_what_does_not_belong_is_dropped_and_counted_by_reason(envelope: Envelope, reason: Drop, caplog: pytest.LogCaptureFixture) -> None:
    box = inbox()
    with caplog.at_level(logging.WARNING):
        assert not box.put(envelope)
        assert not box.put(envelope)
    assert box.dropped == {reason: 2}
    assert len(caplog.records) == 1
    assert str(reason) in caplog.text
    assert len(box) == 0


def test_past_iterations_are_dropped_but_reports_may_come_one_late() -> None:
    box = Inbox(RUN, {Kind.STATE: {1}, Kind.REPORT: {1}}, iteration=5, nodes=3)
    assert not box.put(message(iteration=4))
    assert box.dropped == {Drop.PAST: 1}
    assert box.put(message(kind=Kind.REPORT, iteration=4))
    assert not box.put(message(kind=Kind.REPORT, iteration=3))
    assert box.collect(4, Kind.REPORT, 0, (1,)) is not None


def test_advancing_forgets_what_was_never_asked_for() -> None:
    box = inbox(most_waiting=2)
    box.put(message(step=1))
    box.put(message(iteration=1))
    box.advance(1)
    assert len(box) == 1
    assert box.dropped == {Drop.PAST: 1}
    assert box.put(message(iteration=1, step=1))  # the place in the bounded box was given back
    assert box.collect(1, Kind.STATE, 0, (1,)) is not None


def test_a_duplicate_is_an_error_while_the_first_waits_and_after_it_was_taken() -> None:
    box = inbox()
    box.put(message())
    with pytest.raises(ProtocolError, match="agent 1: state of iteration 0, step 0 arrived twice"):
        box.put(message())
    assert box.collect(0, Kind.STATE, 0, (1,)) is not None
    with pytest.raises(ProtocolError, match="arrived twice"):
        box.put(message())
    assert box.dropped == {Drop.DUPLICATE: 2}


def test_a_tolerant_inbox_counts_duplicates_and_keeps_the_first() -> None:
    box = inbox(strict=False)
    box.put(message())
    assert not box.put(message(message=State(np.array([99], np.uint8))))
    (stored,) = box.collect(0, Kind.STATE, 0, (1,)) or ()
    assert isinstance(stored, State)
    assert stored.values.tolist() == [1]
    assert not box.put(message())
    assert box.dropped == {Drop.DUPLICATE: 2}


def test_one_sender_cannot_fill_the_inbox_of_others() -> None:
    box = inbox(most_waiting=5)
    assert [box.put(message(1, step=step)) for step in range(8)] == [True] * 5 + [False] * 3
    assert box.put(message(2))
    assert len(box) == 6
    assert box.dropped == {Drop.FULL: 3}


def test_a_new_incarnation_replaces_the_old_one_and_what_it_left() -> None:
    box = inbox()
    box.put(message())
    box.set_incarnation(1, 2)
    assert box.missing(0, Kind.STATE, 0, (1,)) == [1]
    assert not box.put(message(incarnation=1))
    assert box.put(message(incarnation=2))
    box.allow(ALLOWED)
    assert box.put(message(incarnation=2, step=1))


def test_the_authenticated_user_outranks_what_a_message_says_about_itself() -> None:
    box = inbox()
    box.identify({1: "agent_1", 2: "agent_2"})
    assert not box.put(message(1), "agent_2")
    assert not box.put(message(1), "")
    assert not box.put(message(1))
    assert box.put(message(1), "agent_1")
    assert box.dropped == {Drop.FORGED: 3}
    assert not inbox().put(message(1), "agent_1")  # authenticated, but nobody said who agent 1 must be: closed by default


@pytest.mark.parametrize(
    ("own", "envelope", "user", "admitted"),
    [
        (RUN, message(1, Kind.HELLO, message=Hello("agent", "", "", 1)), None, True),
        (RUN, message(1, Kind.HELLO, run=UNKNOWN_RUN), None, True),
        (RUN, message(1, Kind.HELLO, run=OTHER), None, False),
        (RUN, message(1, Kind.READY, run=UNKNOWN_RUN, message=Ready()), None, False),
        (RUN, message(ENVIRONMENT, Kind.STOP, message=Stop("finished")), None, True),
        (RUN, message(ENVIRONMENT, Kind.STOP, run=OTHER, message=Stop("finished")), None, False),
        (RUN, message(2, Kind.STOP, message=Stop("finished")), None, False),
        (UNKNOWN_RUN, message(ENVIRONMENT, Kind.WELCOME, message=Welcome("", "", "", {})), None, True),
        (UNKNOWN_RUN, message(2, Kind.WELCOME), None, False),
        (UNKNOWN_RUN, message(2, Kind.HELLO), None, True),
        (RUN, message(1, Kind.HELLO), "agent_2", False),
    ],
)
def test_control_messages_are_heard_from_this_run_and_from_whom_they_must_come(
    own: bytes, envelope: Envelope, user: str | None, admitted: bool
) -> None:
    box = Inbox(own, ALLOWED, nodes=10)
    assert box.accepts_control(envelope, user) is admitted
    assert sum(box.dropped.values()) == (not admitted)


def test_a_phase_that_is_closed_early_counts_what_comes_afterwards_as_late() -> None:
    box = Inbox(RUN, {Kind.ACTION: (0, 1, 2)}, iteration=4, steps=11, nodes=3, strict=False)

    def action(sender: int, iteration: int, step: int) -> bool:
        return box.put(Envelope(RUN, 0, sender, Kind.ACTION, iteration, step, Action(np.zeros(2, np.uint8))))

    assert action(0, 4, 3)
    assert action(2, 4, 3)
    present = box.collect_present(4, Kind.ACTION, 3, (0, 1, 2))
    assert [message is not None for message in present] == [True, False, True]
    assert not action(1, 4, 3)
    assert not action(1, 4, 3)
    assert dict(box.dropped) == {Drop.LATE: 1, Drop.DUPLICATE: 1}
    # Also when it comes in the next iteration, and not for ever.
    box.collect_present(4, Kind.ACTION, 5, (0, 1, 2))
    box.advance(5)
    assert not action(0, 4, 5)
    assert box.dropped[Drop.LATE] == 2
    box.advance(6)
    assert not action(1, 4, 5)
    assert box.dropped[Drop.PAST] == 1
    assert len(box) == 0
