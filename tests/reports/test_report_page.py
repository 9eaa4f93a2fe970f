"""The report says what the records say, needs nothing besides itself, and copes with every state a run can be in."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

from netagents.experiment import load_experiment
from netagents.measures.power import concentration
from netagents.records import Run
from netagents.reports.power_history import power_history
from netagents.reports.power_picture import percent
from netagents.reports.run_report import report, write_report
from netagents.reports.settings_table import settings_rows

VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Checks that tags are balanced and collects what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.fetched += [value or "" for name, value in attributes if name in ("src", "href", "action", "data")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag
        self.fetched += [value or "" for name, value in attributes if name in ("src", "href", "action", "data")]


def words(page: str) -> str:
    body = re.sub(r"<(style|script)[^>]*>.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_page_needs_nothing_besides_itself(recorded_run: Callable[..., Run]) -> None:
    page = report(recorded_run())
    fetched = Page(page).fetched
    assert all(target.startswith("#") or target == "data:," for target in fetched)
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_says_return_power_and_bytes_as_the_records_do(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run(iterations=6, much=True)
    text = words(report(run))
    result = run.concentration(last=6)
    assert result.leaders == (result.top_holder,)
    assert f"Agent {result.top_holder} holds most power: {percent(result.top_share)} of all power (± {percent(result.top_error)})" in text
    assert f"agent {result.top_holder}: {percent(result.top_share)}" in text
    assert f"Herfindahl {result.herfindahl:.3f}" in text
    assert f"{run.ledger.total.messages:,}" in text
    for (kind, hop), traffic in run.ledger.by_kind_and_hop().items():
        way = "environment" if hop == 0 else f"{hop} hop{'s' if hop > 1 else ''}"
        assert f"{kind} {way} {traffic.messages:,}" in text


def test_changed_settings_are_told_from_defaults(recorded_run: Callable[..., Run]) -> None:
    page = report(recorded_run())
    for key in ("kappa_policy", "learning.batch", "learning.horizon", "power.min_visits", "topology.n"):
        assert f'<tr class="changed"><td>{key}</td>' in page
    for key in ("learning.learning_rate", "learning.critic.sweeps", "timeouts.join", "seed"):
        assert f'<tr class=""><td>{key}</td>' in page


def test_shares_over_time_are_those_of_each_iteration(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run(iterations=9, much=True)
    history = power_history(run, last=4)
    for position in range(9):
        result = run.concentration(position)
        expected_shares = result.held / result.held.sum() if result.top_holder >= 0 else np.full(run.n, np.nan)
        assert history.shares[position] == pytest.approx(expected_shares, nan_ok=True)
    assert np.isfinite(history.shares[-1]).all()
    expected = run.power_matrix(last=4)
    newest = history.windows[-1].matrix
    assert np.array_equal(newest.values, expected.values, equal_nan=True) or newest.values == pytest.approx(expected.values, nan_ok=True)
    assert np.array_equal(newest.reliable, expected.reliable)
    assert concentration(newest).top_holder == run.concentration(last=4).top_holder
    assert [(window.first, window.last) for window in history.windows] == [(0, 0), (1, 2), (3, 3), (4, 5), (6, 6), (7, 8), (5, 8)]


def test_each_entry_of_the_map_can_be_read_and_unreliable_ones_are_hatched(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run(iterations=4, much=True)
    page = report(run)
    match = re.search(r'id="power-data">(.*?)</script>', page)
    assert match is not None
    data = json.loads(match[1])
    matrix = run.power_matrix(last=4)
    distances = run.distances
    numbers = zip(data["frames"][-1], data["errors"][-1], data["reliable"][-1], strict=True)
    for (j, i, kind), (value, error, reliable) in zip(data["pairs"], numbers, strict=True):
        assert value == pytest.approx(matrix.values[j, i], rel=1e-3)
        assert error == pytest.approx(matrix.error[j, i], rel=1e-3)
        assert bool(reliable) == matrix.reliable[j, i]
        assert kind == (2 if matrix.impossible[j, i] else 1 if distances[j, i] > 1 else 0)
    unreliable = int((np.isfinite(matrix.values) & ~matrix.reliable & ~(matrix.near & matrix.impossible)).sum())
    newest = page.split(f'id="map-{len(data["frames"]) - 1}"')[1].split("</symbol>")[0]
    strokes = re.search(r'class="hatch" [^>]*d="([^"]*)"', newest)
    assert strokes is not None
    assert strokes[1].count("l1 -1") == unreliable > 0
    assert "hatched: not reliable, too far or its error too large" in words(page)


def test_without_reliable_power_the_page_says_what_to_change(recorded_run: Callable[..., Run]) -> None:
    text = words(report(recorded_run(kappa=1)))
    assert "Use kappa_critic = 2 or more." in text
    assert "Top power not known" in text


def test_a_general_utility_is_shown_per_agent(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run(
        utility={"kind": "entropy", "over": "state"}, learning={"iterations": 3, "batch": 8, "horizon": 10, "task_weight": 0.0}
    )
    text = words(report(run))
    assert "Each agent's utility" in text
    assert "Objective per agent" in text


@pytest.mark.parametrize(("close", "state_text"), [("failed", "agent_3 agent 3 is gone"), ("interrupted", "interrupted"), (None, "killed")])
def test_a_run_that_did_not_finish_says_how_it_ended(recorded_run: Callable[..., Run], close: str | None, state_text: str) -> None:
    run = recorded_run(close=close)
    if close is None:
        # The recorder of this process still holds the lock: the run goes on.
        assert run.state == "running"
        state_text = "The run still goes on"
    text = words(report(run))
    assert state_text in text
    assert f"small {run.state}" in text


def test_a_run_without_an_iteration_has_a_page(recorded_run: Callable[..., Run]) -> None:
    page = report(recorded_run(iterations=0))
    Page(page)
    assert "Nothing is recorded yet" in page


@pytest.mark.parametrize("iterations", [1, 2])
def test_very_short_runs_have_a_page(recorded_run: Callable[..., Run], iterations: int) -> None:
    Page(report(recorded_run(iterations=iterations)))


def test_refused_messages_are_counted(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run()
    run.directory.append_event("traffic", dropped={"stranger": 7}, refused={"environment": {"stranger": 7}, "agent 3": {"duplicate": 2}})
    run.directory.append_event("traffic", dropped={"stranger": 1, "duplicate": 0}, digests_dropped=2)
    text = words(report(run))
    assert "environment stranger 8" in text
    assert "agent 3 duplicate 2" in text
    assert "2 copies for the monitor were dropped" in text


def test_names_and_labels_cannot_break_the_page(recorded_run: Callable[..., Run]) -> None:
    label = "<script>alert(1)</script>&\"'"
    named = {"kind": "edges", "n": 3, "edges": [[0, 1], [1, 2]], "labels": [label, "b", "c"]}
    run = recorded_run(topology=named, environment={"kind": "sis"})
    page = report(run)
    Page(page)
    assert "<script>alert" not in page


def test_a_hundred_agents_fit_into_a_tenth_of_the_allowed_size(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run(iterations=7, topology={"kind": "line", "n": 100})
    path = write_report(run)
    assert path == run.path / "report.html"
    assert path.stat().st_size < 500_000
    assert not list(run.path.glob(".tmp-*"))


def test_defaults_of_an_algorithm_of_another_kind_are_not_shown_as_chosen() -> None:
    experiment = load_experiment(
        {
            "environment": {"kind": "sis"},
            "topology": {"kind": "line", "n": 3},
            "policy": {"kind": "mlp"},
            "learning": {"algorithm": {"kind": "ppo", "epochs": 6, "critic": {"steps": 7}}},
        }
    ).experiment
    settings = {row.key for row in settings_rows(experiment) if row.changed and row.key.startswith("learning")}
    assert settings == {"learning.algorithm.kind", "learning.algorithm.epochs", "learning.algorithm.critic.steps"}
    assert {row.key: row.default for row in settings_rows(experiment)}["learning.algorithm.epochs"] == "4"
