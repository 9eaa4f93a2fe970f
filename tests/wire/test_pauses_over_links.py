"""Pauses of a node with modelled links: they count once, and a message is not given up for the time in which its sender was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any

import pytest

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts
from netagents.experiment.link_fault_settings import LinkFault
from netagents.messages import Kind
from netagents.wire import Exchange, Inbox, open_transport, pauses
from netagents.wire.links.link_layer import LinkLayer
from netagents.wire.links.reliable_delivery import Outbox, Subject
from netagents.wire.session import receiver
from netagents.wire.transport.transport import Listener, ReceivedFrames, Transport, WaitResult

RUN = b"run-id-8"
STOPPED = 40.0


class Clock:
    """The clock of the machine, which jumps when this process is stopped."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return perf_counter() + self.ahead


class Suspended(Listener):
    """A listener in whose first sleep this process is stopped."""

    def __init__(self, inner: Listener, clock: Clock) -> None:
        self.endpoint, self._inner, self._clock, self._stopped = inner.endpoint, inner, clock, False

    def take(self, timeout_seconds: float) -> Any:
        return self._inner.take(timeout_seconds)

    def receive(self, timeout_seconds: float) -> ReceivedFrames | None:
        return self._inner.receive(timeout_seconds)

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        if timeout_seconds > 0.0 and not self._stopped:
            self._stopped, self._clock.ahead = True, STOPPED
        return self._inner.wait(descriptors, timeout_seconds)

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pauses, "perf_counter", clock)
    monkeypatch.setattr(receiver, "perf_counter", clock)
    monkeypatch.setattr(pauses, "_PAUSES", type(pauses._PAUSES)())
    return clock


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = open_transport("memory://x")
    yield transport
    transport.close()


def test_a_pause_over_modelled_links_counts_once(clock: Clock, transport: Transport) -> None:
    layer = LinkLayer(0, Suspended(transport.listen("memory://*"), clock), [LinkFault(loss=0.1)], seed=1, run=RUN, deadline=3.0)
    inbox = Inbox(RUN, {Kind.STATE: (1,)}, nodes=2)
    exchange = Exchange(0, layer.listener, inbox, timeouts=Timeouts(exchange=3.0), links=layer)
    exchange.link(1, transport.connect(transport.listen("memory://*").endpoint))
    before = pauses.waiting_clock()
    with pytest.raises(DeadlineError):
        exchange.receive(0, Kind.STATE, 0, (1,), 0.5)
    # It has waited half a second, as long as it was to wait; the clock neither runs ahead nor goes back.
    assert pauses.paused_seconds() == pytest.approx(STOPPED, abs=1.5)
    assert pauses.waiting_clock() - before >= 0.5


def test_a_message_is_not_given_up_for_time_in_which_its_sender_looked_at_no_timer() -> None:
    outbox = Outbox()
    item = outbox.add([b"x"], Subject(Kind.STATE, 0, 0), 10.0)
    outbox.mark_sent(item, 10.0, 0.0)
    outbox.excuse(40.0)
    assert outbox.due(40.0) == [item]
    assert outbox.give_up(40.0 - 3.0) == 0
    # From here on its timers are looked at, and its deadline passes as usual.
    now = 40.0
    while outbox.pending and now < 60.0:
        for due in outbox.due(now):
            outbox.mark_sent(due, now, 0.0)
        now += 0.05
        outbox.excuse(now)
        outbox.give_up(now - 3.0)
    assert 42.5 < now < 43.5
