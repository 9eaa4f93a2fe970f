"""The judge of histories finds every planted violation, and nothing where all promises were kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import UsageError
from netagents.testing import check_history, read_histories
from netagents.wire.transport.message_history import LinkEvent

RELIABLE = {"trace", "action"}
Histories = dict[int, list[LinkEvent]]


@st.composite
def faithful(draw: st.DrawFn) -> Histories:
    """Random sends between up to four nodes under up to two incarnations; reliable kinds arrive in order, states get lost or overtake."""
    nodes = draw(st.integers(2, 4))
    histories: Histories = {node: [] for node in range(nodes)}
    on_way: dict[tuple[int, int], list[LinkEvent]] = {}
    for number in range(draw(st.integers(1, 40))):
        sender, receiver = draw(st.permutations(range(nodes)))[:2]
        kind = draw(st.sampled_from(["trace", "action", "state"]))
        # A few bytes are equal on purpose: the same message may be sent twice.
        digest = draw(st.sampled_from(["aa", "bb", f"{number:02x}"]))
        event = LinkEvent("sent", receiver, number // 25, kind, draw(st.integers(0, 2)), 0, digest)
        histories[sender].append(event)
        on_way.setdefault((sender, receiver), []).append(event)
        if draw(st.booleans()):
            _arrive(histories, on_way, *draw(st.sampled_from(sorted(on_way))), draw(st.booleans()))
    for link in list(on_way):
        while on_way.get(link):
            _arrive(histories, on_way, *link, draw(st.booleans()))
    return histories


def _arrive(histories: Histories, on_way: dict[tuple[int, int], list[LinkEvent]], sender: int, receiver: int, is_delivered: bool) -> None:
    queue = on_way[sender, receiver]
    event = queue.pop(0)
    if not queue:
        del on_way[sender, receiver]
    if event.kind in RELIABLE or is_delivered:
        histories[receiver].append(event._replace(what="delivered", peer=sender))


def delivered(histories: Histories) -> list[tuple[int, int]]:
    """(node, place) of every delivery of a reliable message whose like was not sent twice on its link."""
    results = []
    for node, history in histories.items():
        for place, event in enumerate(history):
            twins = [other for other in history if other == event]
            if event.what == "delivered" and event.kind in RELIABLE and len(twins) == 1:
                results.append((node, place))
    return results


def promises(histories: Histories, *, complete: bool = True) -> list[str]:
    return sorted({violation.promise for violation in check_history(histories, RELIABLE, complete=complete)})


@settings(max_examples=200, deadline=None)
@given(faithful())
def test_kept_promises_are_not_complained_about(histories: Histories) -> None:
    assert check_history(histories, RELIABLE) == []


@settings(max_examples=150, deadline=None)
@given(faithful(), st.data())
def test_a_repeat_is_found(histories: Histories, data: st.DataObject) -> None:
    places = delivered(histories)
    if places:
        node, place = data.draw(st.sampled_from(places))
        again = data.draw(st.integers(place + 1, len(histories[node])))
        histories[node].insert(again, histories[node][place])
        (violation,) = check_history(histories, RELIABLE)
        assert violation.promise == "at most once"
        assert violation.receiver == node
        assert violation.message == histories[node][place].message


@settings(max_examples=150, deadline=None)
@given(faithful(), st.data())
def test_a_phantom_and_an_altered_message_are_found(histories: Histories, data: st.DataObject) -> None:
    places = delivered(histories)
    if places:
        node, place = data.draw(st.sampled_from(places))
        event = histories[node][place]
        changed = data.draw(st.sampled_from([{"digest": "ffff"}, {"iteration": 99}, {"kind": "step"}, {"incarnation": 7}]))
        histories[node].insert(place, event._replace(**changed))
        assert promises(histories) == ["no phantom"]
        # The true one swapped for the false one is lost as well.
        del histories[node][place + 1]
        assert promises(histories)[-1] == "no phantom"


@settings(max_examples=150, deadline=None)
@given(faithful(), st.data())
def test_a_loss_is_found_at_once_inside_and_at_the_end_when_the_histories_are_complete(histories: Histories, data: st.DataObject) -> None:
    places = delivered(histories)
    if places:
        node, place = data.draw(st.sampled_from(places))
        lost_event = histories[node].pop(place)
        sender = lost_event.peer
        sent = [event for event in histories[sender] if event.what == "sent" and event.peer == node and event.kind in RELIABLE]
        newest = max(event.incarnation for event in histories[sender] if event.what == "sent" and event.peer == node)
        messages = [event.message for event in sent if event.incarnation == lost_event.incarnation]
        last = messages[-1] == lost_event.message
        inside = [] if last else ["no loss"]
        assert promises(histories, complete=False) == inside
        assert promises(histories) == (["no loss"] if lost_event.incarnation == newest else inside)


@settings(max_examples=150, deadline=None)
@given(faithful(), st.data())
def test_an_overtaking_is_found(histories: Histories, data: st.DataObject) -> None:
    places = delivered(histories)
    pairs = [
        (node, first, second)
        for node, first in places
        for other, second in places
        if other == node
        and first < second
        and histories[node][first].peer == histories[node][second].peer
        and histories[node][first].incarnation == histories[node][second].incarnation
    ]
    if pairs:
        node, first, second = data.draw(st.sampled_from(pairs))
        history = histories[node]
        history[first], history[second] = history[second], history[first]
        (violation,) = check_history(histories, RELIABLE)
        assert violation.promise == "in order"
        assert violation.receiver == node


def test_a_violation_is_told_in_one_line() -> None:
    sent = [LinkEvent("sent", 1, 0, "trace", 3, 0, "ab"), LinkEvent("sent", 1, 0, "trace", 4, 0, "cd")]
    (violation,) = check_history({0: sent, 1: []}, RELIABLE)
    assert str(violation) == "no loss: agent 0 -> agent 1: trace of iteration 3, step 0 (incarnation 0, digest ab) and 1 more"
    # Of a node that left no history nothing is claimed.
    assert check_history({0: sent}, RELIABLE) == []


def test_histories_are_read_back_without_a_torn_last_line(tmp_path: Path) -> None:
    event = LinkEvent("sent", -1, 0, "action", 3, 0, "ab")
    line = json.dumps({"event": list(event)}) + "\n"
    (tmp_path / "agent_3.jsonl").write_text(line + line[:20])
    (tmp_path / "environment.jsonl").write_text("")
    assert read_histories(tmp_path) == {3: [event], -1: []}
    (tmp_path / "agent_x.jsonl").write_text(line)
    with pytest.raises(UsageError, match="is no history of a node"):
        read_histories(tmp_path)
    with pytest.raises(UsageError, match="holds no histories"):
        read_histories(tmp_path / "nowhere")
