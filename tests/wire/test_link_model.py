"""Models of links: seeded, statistically what they say, and bounded by their windows; retransmission as RFC 6298 has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import DeadlineError, DecodeError
from netagents.experiment.link_fault_settings import FaultSettings, LinkFault, PartitionFault
from netagents.messages import ENVIRONMENT, LINK_COSTS, MONITOR, Kind, State
from netagents.wire.links.in_process_link_costs import InProcessLinkCosts
from netagents.wire.links.link_cost_counter import CostCounter, CostTotals
from netagents.wire.links.link_header import BEST_EFFORT, LINK_HEADER_BYTES, LinkHeader, is_link_header, read_link_header
from netagents.wire.links.link_model import LinkModel, TokenBucket, Transmission, separates
from netagents.wire.links.reliable_delivery import LEAST_TIMEOUT, LONGEST_TIMEOUT, WINDOW, Intake, Outbox, RoundTrip, Subject


def model(*faults: FaultSettings, sender: int = 0, receiver: int = 1, seed: int = 3) -> LinkModel:
    return LinkModel(dict(enumerate(faults)), sender, receiver, seed)


def passages(link: LinkModel, count: int = 1000, iteration: int = 0) -> list[Transmission]:
    return [link.transmit(100, iteration, 0.0) for _ in range(count)]


def test_the_kth_transmission_of_a_link_is_decided_by_seed_link_and_k_alone() -> None:
    fault = LinkFault(loss=0.3, delay=0.01, jitter=0.01, duplicate=0.1, reorder=0.1)
    first = passages(model(fault))
    assert first == [model(fault).transmit(100, 0, 0.0), *first[1:]]
    # Sizes, times and iterations do not move the draws; another seed or link does, the way back included.
    link = model(fault)
    assert [link.transmit(7 * k, k % 5, 0.1 * k).arrivals for k in range(1000)] == [passage.arrivals for passage in first]
    others = [model(fault, seed=4), model(fault, sender=1, receiver=0), model(fault, sender=2), model(fault, receiver=ENVIRONMENT)]
    assert all(passages(other) != first for other in others)


def test_what_happens_is_as_likely_as_it_says() -> None:
    n = 20_000
    drawn = passages(model(LinkFault(loss=0.2, delay=0.01, jitter=0.004, duplicate=0.1, reorder=0.3)), n)
    arrived = [passage.arrivals for passage in drawn if passage.arrivals]
    tolerance = 4 * np.sqrt(0.25 / n)
    assert abs(1 - len(arrived) / n - 0.2) < tolerance
    assert abs(np.mean([len(arrivals) == 2 for arrivals in arrived]) - 0.1) < tolerance
    first = np.array([arrivals[0] for arrivals in arrived])
    assert abs((first == 0.0).mean() - 0.3) < tolerance
    delays = first[first > 0.0]
    assert 0.006 <= delays.min() < 0.0062
    assert 0.0138 < delays.max() <= 0.014
    assert abs(delays.mean() - 0.01) < 1e-4


def test_models_of_one_link_add_up_and_act_in_their_windows() -> None:
    link = model(LinkFault(delay=0.01), LinkFault(delay=0.5, start=2, until=4), LinkFault(loss=1.0, agents=(7,)))
    assert [link.transmit(1, iteration, 0.0).arrivals for iteration in range(5)] == [(0.01,), (0.01,), (0.51,), (0.51,), (0.01,)]


@pytest.mark.parametrize(
    ("fault", "concerned"),
    [
        (LinkFault(loss=0.5), {(0, 1), (1, 0), (0, 2), (0, -1), (-1, 0)}),
        (LinkFault(loss=0.5, edges="server"), {(0, -1), (-1, 0)}),
        (LinkFault(loss=0.5, edges="between_agents"), {(0, 1), (1, 0), (0, 2)}),
        (LinkFault(loss=0.5, agents=(2,)), {(0, 2)}),
        (LinkFault(loss=0.5, edges="server", agents=(2,)), set()),
        (LinkFault(loss=0.5, edges=((0, 1),)), {(0, 1), (1, 0)}),
        (LinkFault(loss=0.5, edges=((0, 1),), one_way=True), {(0, 1)}),
        (LinkFault(loss=0.5, edges=((-1, 0),), one_way=True), {(-1, 0)}),
        (PartitionFault(groups=((0, 1),)), {(0, 2)}),
        (PartitionFault(groups=((0,), (1, 2))), {(0, 1), (1, 0), (0, 2)}),
        (PartitionFault(groups=((1,),), server="none"), {(0, 1), (1, 0), (0, -1), (-1, 0)}),
        (PartitionFault(groups=((1,),), server=0), {(0, 1), (1, 0), (0, -1), (-1, 0)}),
        (PartitionFault(groups=((0,),), server=0), {(0, 1), (1, 0), (0, 2)}),
    ],
)
def test_a_fault_concerns_the_links_it_names(fault: FaultSettings, concerned: set[tuple[int, int]]) -> None:
    links = [(0, 1), (1, 0), (0, 2), (0, ENVIRONMENT), (ENVIRONMENT, 0)]
    assert {link for link in links if not model(fault, sender=link[0], receiver=link[1]).ideal} == concerned
    assert model(fault, sender=ENVIRONMENT, receiver=MONITOR).ideal


def test_a_partition_cuts_both_ways_and_heals_by_iteration_or_by_time() -> None:
    fault = PartitionFault(groups=((0,),), start=3, until=6, seconds=2.0)
    assert separates(fault, 0, 1)
    assert separates(fault, 1, 0)
    link = model(fault)
    assert [link.cut_by(iteration, 10.0) for iteration in (0, 2, 6, 9)] == [None] * 4
    assert link.transmit(1, 3, 10.0) == Transmission(0.0, (), cut=True)
    assert [link.cut_by(4, moment) for moment in (11.9, 12.0)] == [0, None]
    assert model(fault).cut_by(6, 0.0) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0.0, 0.5)), min_size=1, max_size=50))
def test_a_token_bucket_never_lets_more_pass_than_burst_and_rate_allow(sizes: list[tuple[int, float]]) -> None:
    rate, burst = 10_000.0, 4_000.0
    bucket, now, left = TokenBucket(rate, burst), 0.0, []
    for size, gap in sizes:
        now += gap
        left.append((now + bucket.take(size, now), size))
    for first in range(len(left)):
        for last in range(first, len(left)):
            passed = sum(size for _, size in left[first : last + 1])
            # What leaves at a moment may have begun a message before it.
            assert passed <= burst + rate * (left[last][0] - left[first][0]) + left[first][1] + 1e-6


def test_the_timeout_follows_rfc_6298() -> None:
    trip = RoundTrip()
    trip.add_sample(0.1)
    assert trip.timeout == pytest.approx(0.1 + 4 * 0.05)
    trip.add_sample(0.2)
    assert trip.timeout == pytest.approx((0.1 + 0.1 / 8) + 4 * (0.05 + (0.1 - 0.05) / 4))
    assert trip.after(1) == trip.timeout
    assert trip.after(2) == pytest.approx(min(LONGEST_TIMEOUT, 2 * trip.timeout))
    assert trip.after(50) == LONGEST_TIMEOUT
    for _ in range(100):
        trip.add_sample(1e-5)
    assert trip.timeout == LEAST_TIMEOUT


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 300), st.data())
def test_two_ends_deliver_everything_once_and_in_order_over_any_link(count: int, data: st.DataObject) -> None:
    """The link is hypothesis itself: it loses, doubles and reorders as it likes, but not forever."""
    outbox, intake, now, given_out, on_way = Outbox(), Intake[int](0), 0.0, [], []
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    bad = data.draw(st.floats(0.0, 0.7))
    sent = 0
    for _ in range(100_000):
        now += 0.01
        while sent < count and not outbox.full and chance.random() < 0.8:
            item = outbox.add([b"x"], Subject(Kind.TRACE, 0, sent), now)
            outbox.mark_sent(item, now, 0.0)
            on_way += [item.sequence] * chance.choice([0, 1, 2], p=[bad, 0.9 * (1 - bad), 0.1 * (1 - bad)])
            sent += 1
        for item in outbox.due(now):
            outbox.mark_sent(item, now, 0.0)
            on_way += [item.sequence] * int(chance.random() >= bad)
        chance.shuffle(on_way)
        for sequence in on_way[: len(on_way) // 2 + 1]:
            on_way.remove(sequence)
            given_out += intake.take(sequence, sequence) or []
            if chance.random() >= bad:
                outbox.mark_acknowledged(*intake.acknowledgement())
        assert len(outbox.pending) <= WINDOW
        if sent == count and not outbox.pending:
            break
    assert given_out == list(range(count))
    assert outbox.next_due() is None


def test_best_effort_messages_come_at_most_once() -> None:
    intake = Intake[int](0)
    chance = np.random.default_rng(0)
    order = np.repeat(np.arange(5000), 3) + chance.integers(0, 400, 15_000)
    numbers = np.repeat(np.arange(5000), 3)[np.argsort(order, kind="stable")].tolist()
    taken = [number for number in numbers if intake.take_any(number)]
    assert len(taken) == len(set(taken))
    assert len(taken) == 5000


def test_link_headers_travel_and_nonsense_is_refused() -> None:
    header = LinkHeader(b"run-id-8", 3, 1, BEST_EFFORT, 0.25, 1 << 40, 1 << 39, 5.5, 2, 77, (1 << 64) - 1, 4.5, 0.125)
    packed = header.pack()
    assert len(packed) == LINK_HEADER_BYTES
    assert is_link_header(packed)
    assert not is_link_header(packed[:-1])
    assert not is_link_header(bytes(LINK_HEADER_BYTES))
    assert read_link_header(packed) == header
    for wrong in ({"content": 3}, {"hold": -1.0}, {"hold": float("inf")}, {"hold": float("nan")}, {"sender": -2}):
        with pytest.raises(DecodeError):
            read_link_header(header._replace(**wrong).pack())  # type: ignore[arg-type]


def test_costs_of_both_ends_and_of_earlier_lives_add_up() -> None:
    ends = [CostCounter(), CostCounter()]
    ends[0].add(0, 1, 100, messages=1, transmissions=1, lost=1)
    ends[0].add(0, 1, 100, transmissions=1, resent=1)
    ends[1].add(0, 1, 90, duplicates=2)
    book = CostTotals()
    for _ in range(3):  # counters grow, so that the newest account says it all
        for node, end in enumerate(ends):
            book.update(node, end.rows())
    reborn = CostCounter()
    reborn.add(0, 1, 100, messages=1, transmissions=1)
    book.update(0, reborn.rows())
    (row,) = book.total().tolist()
    counts = dict(zip(LINK_COSTS, row[2:], strict=True))
    assert row[:2] == [0, 1]
    assert {name: count for name, count in counts.items() if count} == {
        "messages": 2,
        "transmissions": 3,
        "resent": 1,
        "lost": 1,
        "duplicates": 2,
        "transmissions_bytes": 300,
        "resent_bytes": 100,
        "lost_bytes": 100,
        "duplicates_bytes": 180,
    }


def simulated(*faults: FaultSettings, count: int = 400, deadline: float = 30.0) -> dict[str, int]:
    links = InProcessLinkCosts(faults, 3, deadline)
    for number in range(count):
        links.carry(0, [1, 2], Kind.STATE, number // 10, number % 10, State(np.zeros(8, np.uint8)))
    table = links.costs()
    return dict(zip(LINK_COSTS, table[:, 2:].sum(axis=0).tolist(), strict=True))


def test_simulated_links_cost_nothing_extra_when_they_are_good_and_as_much_as_theory_says_when_they_are_bad() -> None:
    good = simulated(LinkFault(delay=0.001))
    assert (good["messages"], good["transmissions"], good["acknowledgements"]) == (800, 1600, 800)
    assert good["resent"] == good["lost"] == good["duplicates"] == 0
    bad = simulated(LinkFault(loss=0.2))
    # A try succeeds when neither it nor its acknowledgement is lost.
    tries = (bad["messages"] + bad["resent"]) / bad["messages"]
    assert tries == pytest.approx(1 / 0.8**2, rel=0.06)
    assert bad["lost"] / bad["transmissions"] == pytest.approx(0.2, rel=0.1)
    assert bad["duplicates"] == pytest.approx(bad["messages"] * (1 / 0.8 - 1), rel=0.15)
    assert simulated(LinkFault(loss=0.2)) == bad
    assert simulated(LinkFault(loss=0.2, edges=((0, 3),)))["messages"] == 0


def test_a_simulated_partition_heals_or_is_named_as_between_processes() -> None:
    healed = simulated(PartitionFault(groups=((0, 1),), start=5, until=30, seconds=1.0))
    assert healed["lost"] > 2
    with pytest.raises(
        DeadlineError, match=r"^agent 0 -> agent 2: state of iteration 5, step 0 was sent \d+ times in 2 s .*faults\.0 cuts it$"
    ):
        simulated(PartitionFault(groups=((0, 1),), start=5), deadline=2.0)
