"""Warnings about a price of power: written down in the iteration in which they begin, shown in views, and said once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netagents.launchers.display.plain_display import PlainDisplay
from netagents.learning.price_watch import PriceWatch
from netagents.measures.power.price_warnings import SHORTEST
from netagents.nodes.monitor.progress_view import PowerMonitor, ProgressView, from_digest, make_view, to_digest
from netagents.records import Recorder
from netagents.reports.price_section import warnings_of

PRICED = {"signals": [{"kind": "power", "lambda": 0.5}]}


def warned(run: object) -> list[dict]:
    return [event for event in run.events if event["event"] == "power_warning"]  # type: ignore[attr-defined]


@pytest.fixture
def priced(record: Callable) -> object:
    recorded = record(iterations=9, **PRICED)
    assert warned(recorded.run), "so small a run knows little of power"
    return recorded


def test_a_warning_is_written_when_it_begins_and_holds_in_the_report(priced: object) -> None:
    events = warned(priced.run)
    # Nothing can be said of fewer iterations than a window has.
    assert min(event["iteration"] for event in events) >= 0
    assert "unknown" not in {event["name"] for event in events if event["iteration"] < SHORTEST - 1}
    names = [(event["term"], event["name"]) for event in events]
    assert len(names) == len(set(names))
    standing = {("power", warning.name) for warning in warnings_of(priced.run)}
    assert standing
    assert standing <= set(names)


def test_monitor_and_records_say_the_same_and_the_terminal_shows_it(priced: object, capsys: pytest.CaptureFixture[str]) -> None:
    setup = priced.network.setup
    monitor, display, lines = PowerMonitor(setup), PlainDisplay(), []
    for each in priced.records:
        copy = from_digest(each.iteration, setup.metric_names, to_digest(each))
        view = ProgressView.from_json(make_view(monitor, copy, 9, 0).to_json())
        display.show(view)
        lines += view.notices
    expected = [
        f"price of power, iteration {event['iteration'] + 1}: {event['name']}: {event['what']}; {event['advice']}"
        for event in warned(priced.run)
    ]
    assert lines == expected == [event["line"] for event in warned(priced.run)]
    output = capsys.readouterr().err.splitlines()
    assert [line for line in output if line.startswith("price of power")] == expected


def test_a_resumed_run_says_nothing_twice_and_goes_on_where_it_was(priced: object) -> None:
    setup, records, run = priced.network.setup, priced.records, priced.run
    whole, resumed = PriceWatch(setup), PriceWatch(setup)
    notices = [whole.add(each) for each in records]
    first = min(event["iteration"] for event in warned(run)) + 1
    reported = {("power", notice.warning.name) for each in notices[:first] for notice in each}
    resumed.recall(run.discounted_returns[:first], {name: run.agent_metric(name)[:first] for name in resumed.metrics}, reported)
    assert reported
    assert [resumed.add(each) for each in records[first:]] == notices[first:]


def test_the_recorder_goes_on_from_what_was_recorded(priced: object) -> None:
    before = warned(priced.run)
    with Recorder(priced.run.directory, priced.network.setup, resume_from=8) as recorder:
        recorder.iteration(priced.records[8])
    repeated = [event for event in before if event["iteration"] == 8]
    again = warned(priced.run)[len(before) :]
    assert [(event["name"], event["what"]) for event in again] == [(event["name"], event["what"]) for event in repeated]


def test_a_run_without_a_price_watches_nothing(record: Callable) -> None:
    recorded = record(iterations=2)
    assert warned(recorded.run) == []
    assert PriceWatch(recorded.network.setup).metrics == ()
