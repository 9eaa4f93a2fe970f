"""Injected faults are seeded, keep the order of each link, and touch exactly what they name."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netagents.experiment.link_fault_settings import DelayFault, DropFault, SwapFault
from netagents.messages import ENVIRONMENT, MONITOR, Envelope, Kind, State
from netagents.wire.session.delivery_faults import FaultyFeed


def envelope(sender: int, step: int, kind: Kind = Kind.STATE) -> Envelope:
    return Envelope(b"run-id-8", 0, sender, kind, 2, step, State(np.array([sender % 256, step], np.uint8)))


def deliveries(feed: FaultyFeed, arrivals: list[tuple[float, Envelope]]) -> list[tuple[float, int, int]]:
    """(time, sender, step) of each delivery, read in steps of 0.1 ms."""
    received = []
    for now in np.arange(0.0, 2.0, 1e-4):
        while arrivals and arrivals[0][0] <= now:
            feed.push((arrivals.pop(0)[1], None), now)
        received += [(float(now), item.sender, item.step) for item, _ in feed.due(now)]
    assert feed.next_due() is None
    return received


def test_delays_lie_in_their_range_and_keep_each_links_order() -> None:
    arrivals = [(0.001 * step, envelope(sender, step)) for step in range(200) for sender in (1, 2, ENVIRONMENT)]
    received = deliveries(FaultyFeed((DelayFault(low=0.01, high=0.05),), 0, 9), list(arrivals))
    assert len(received) == 600
    for sender in (1, 2, ENVIRONMENT):
        assert [step for _, origin, step in received if origin == sender] == list(range(200))
    waits = np.array([now - 0.001 * step for now, _, step in received])
    assert waits.min() >= 0.01 - 1e-9
    assert waits.max() <= 0.05 + 3e-4
    assert [sender for _, sender, _ in received] != [message.sender for _, message in arrivals]  # across links the order does change


def test_delays_are_a_function_of_seed_and_link_whatever_the_interleaving() -> None:
    def waits(seed: int, receiver: int, senders: list[int]) -> list[float]:
        feed = FaultyFeed((DelayFault(low=0.0, high=1.0),), receiver, seed)
        moments = []
        for sender in senders:
            feed.push((envelope(sender, 0), None), 0.0)
            if sender == 1:
                moments.append(feed._latest[1])
        return moments

    assert waits(1, 0, [1, 2, 1, 1]) == waits(1, 0, [2, 2, 1, 1, 1])
    assert waits(1, 0, [1]) != waits(2, 0, [1])
    assert waits(1, 0, [1]) != waits(1, 2, [1])
    assert len(waits(1, MONITOR, [1])) == 1


def test_only_the_named_message_is_dropped_and_only_at_its_receiver() -> None:
    drop = DropFault(message="state", sender=1, receiver=0, iteration=2, step=3)
    arrivals = [(0.0, envelope(sender, step, kind)) for step in range(5) for sender in (1, 2) for kind in (Kind.STATE, Kind.TRACE)]
    feed, elsewhere = FaultyFeed((drop,), 0, 9), FaultyFeed((drop,), 5, 9)
    for _, item in arrivals:
        feed.push((item, None), 0.0)
        elsewhere.push((item, None), 0.0)
    delivered = [(item.kind, item.sender, item.step) for item, _ in feed.due(0.0)]
    assert delivered == [
        (item.kind, item.sender, item.step) for _, item in arrivals if (item.kind, item.sender, item.step) != (Kind.STATE, 1, 3)
    ]
    assert len(elsewhere.due(0.0)) == len(arrivals)


def test_a_swap_exchanges_contents_and_nothing_else() -> None:
    feed = FaultyFeed((SwapFault(message="state", senders=(1, 2), receiver=0, iteration=2, step=3),), 0, 9)
    for step in (3, 4):
        for sender in (2, 3, 1):
            feed.push((envelope(sender, step), f"agent_{sender}"), 0.0)
    received = {
        (item.sender, item.step, user): item.message.values.tolist() for item, user in feed.due(0.0) if isinstance(item.message, State)
    }
    assert received == {(s, t, f"agent_{s}"): [{1: 2, 2: 1}.get(s, s) if t == 3 else s, t] for t in (3, 4) for s in (1, 2, 3)}


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (DelayFault, {"low": 2.0, "high": 1.0}),
        (SwapFault, {"message": "state", "senders": (1, 1), "receiver": 0, "iteration": 0}),
        (DropFault, {"message": "no_such_kind", "sender": 1, "receiver": 0, "iteration": 0}),
    ],
)
def test_faults_that_cannot_be_are_refused_when_loaded(settings: type[DelayFault], fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**fields)
