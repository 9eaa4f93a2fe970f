"""Irregularities: what nodes refuse and which actions are late stands in the records while the run goes on, in few rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from netagents.errors import NetagentsError
from netagents.monitoring.feed.life_events import shown_event
from netagents.nodes.server.irregularities import Irregularities
from netagents.records.event_models import EVENTS


class Recorder:
    """Keeps events instead of writing them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def event(self, event: str, **facts: Any) -> None:
        EVENTS[event].model_validate({"event": event, **facts}, context={"n": 4})
        self.events.append({"event": event, **facts})


def test_what_is_new_is_recorded_at_once_and_then_less_and_less_often() -> None:
    now, recorder = [0.0], Recorder()
    irregularities = Irregularities(recorder, lambda: now[0])  # type: ignore[arg-type]
    refused: dict[int, dict[str, int]] = {-1: {}, 2: {"forged sender": 1}}
    late = Counter({3: 2})
    irregularities.record(0, lambda: refused, late)
    assert recorder.events == [
        {"event": "refused", "iteration": 0, "refused": {"agent 2": {"forged sender": 1}}},
        {"event": "late", "iteration": 0, "late": {"agent 3": 2}},
    ]
    # Five hours in which something is refused and late in every iteration.
    for at in range(1, 30_000):
        now[0] += 0.6
        refused[2]["forged sender"] += 1
        refused[-1]["malformed"] = at
        late[3] += 1
        irregularities.record(at, lambda: refused, late)
    assert len(recorder.events) < 2 * 320
    sums = Counter[str]()
    for event in recorder.events:
        sums["late"] += event.get("late", {}).get("agent 3", 0)
        sums["forged"] += event.get("refused", {}).get("agent 2", {}).get("forged sender", 0)
    assert late[3] - sums["late"] < 700
    assert refused[2]["forged sender"] - sums["forged"] < 700


def test_agents_that_are_awaited_are_named() -> None:
    recorder = Recorder()
    Irregularities(recorder).overdue([1, 2], 15.0)  # type: ignore[arg-type]
    assert recorder.events == [{"event": "overdue", "agents": [1, 2], "line": "awaited for 15 s: agents 1, 2"}]


def test_a_node_that_was_started_again_counts_from_zero_and_nothing_new_is_no_event() -> None:
    now, recorder = [0.0], Recorder()
    irregularities = Irregularities(recorder, lambda: now[0])  # type: ignore[arg-type]
    for refused in ({1: {"duplicate": 5}}, {1: {"duplicate": 5}}, {1: {"duplicate": 2, "malformed": 1}}):
        irregularities.record(7, lambda refused=refused: refused, {})  # type: ignore[misc]
        now[0] += 100.0
    assert [event["refused"] for event in recorder.events] == [
        {"agent 1": {"duplicate": 5}},
        {"agent 1": {"duplicate": 2, "malformed": 1}},
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"event": "refused", "iteration": 3, "refused": {"agent 1": {"malformed": 2, "forged sender": 1}, "environment": {"late": 1}}},
         "agent 1: forged sender 1, malformed 2; environment: late 1, up to iteration 3"),
        ({"event": "late", "iteration": 3, "late": {"agent 0": 4}}, "agent 0: 4, up to iteration 3"),
        ({"event": "overdue", "agents": [1, 2], "line": "awaited for 15 s: agents 1, 2"}, "awaited for 15 s: agents 1, 2"),
    ],
)  # fmt: skip
def test_the_page_shows_them_in_words(event: dict[str, Any], line: str) -> None:
    output = shown_event(event)
    assert (output["event"], output["line"], output["tone"]) == (event["event"], line, "odd")


@pytest.mark.parametrize("bad", [{"event": "overdue", "agents": [9]}, {"event": "late", "iteration": 1, "late": {"a": -1}}])
def test_damaged_ones_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises((ValueError, NetagentsError)):
        EVENTS[str(bad["event"])].model_validate(bad, context={"n": 4})
