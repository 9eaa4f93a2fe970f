"""Feed of the live page: what it says are the numbers of the records, in pieces and after the run went back."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg
from watched_runs import add_event, cut, grow, lengthen

import netagents
from netagents.monitoring.feed.csv_tables import TABLES, csv_lines
from netagents.monitoring.feed.run_feed import Cursor, RunFeed
from netagents.monitoring.feed.run_history import HELD, RunHistory
from netagents.records import Run
from netagents.records.ledger_view import kind_name


def near(left: Any, right: Any) -> bool:
    """Equal to six digits, None as NaN."""
    values = np.array([math.nan if value is None else value for value in np.ravel(np.array(left, dtype=object))], dtype=np.float64)
    return np.allclose(values, np.ravel(right), rtol=6e-6, atol=0.0, equal_nan=True)


class Visitor:
    """Takes messages of a feed, one after the other."""

    def __init__(self, feed: RunFeed, cursor: Cursor | None = None) -> None:
        self.feed, self.cursor = feed, Cursor() if cursor is None else cursor

    def news(self) -> dict[str, Any]:
        data, self.cursor = self.feed.messages([self.cursor])[self.cursor]
        return dict(json.loads(data or b"{}"))


def merged(visitor: Visitor, pieces: dict[str, list[Any]]) -> dict[str, Any]:
    """Add what is new to what a visitor has."""
    news = visitor.news()
    if news.get("reset"):
        pieces.clear()
    for part in ("team", "agents"):
        for name, values in news.get(part, {}).items():
            pieces.setdefault(f"{part}.{name}", []).extend(values)
    return news


def test_the_first_message_holds_the_numbers_of_the_records(recorded: Run) -> None:
    news = Visitor(RunFeed(recorded.path), Cursor(metric="objective")).news()
    assert news["count"] == 24
    assert news["state"] == "finished"
    assert news["team"]["i"] == list(range(24))
    assert near(news["team"]["return"], recorded.returns)
    assert near(news["team"]["sd"], recorded.returns_sd)
    assert near(news["team"]["discounted"], recorded.discounted_returns)
    assert near(news["agents"]["v"], recorded.agent_metric("objective"))
    assert near(news["values"], recorded.agent_metric("objective")[-1])
    assert near(news["held"], recorded.concentration().held)
    traffic = recorded.ledger
    assert sum(news["team"]["messages"]) == traffic.total.messages
    history = RunHistory(recorded)
    history.refresh()
    by_link: dict[tuple[int, int], int] = {}
    for iteration in range(24):
        for (sender, _, receiver, _), (messages, _) in history.links_at(iteration).items():
            by_link[sender, receiver] = by_link.get((sender, receiver), 0) + messages
    assert by_link == {link: counted.messages for link, counted in traffic.by_link().items()}
    newest = {(sender, kind, receiver): (messages, size) for sender, kind, receiver, messages, size in news["links"]}
    assert newest == {(link[0], kind_name(link[1]), link[2]): counted for link, counted in history.links_at(23).items()}
    assert sum(news["kinds"].values()) == history.totals(23)[0] == news["team"]["messages"][-1]


def test_power_held_of_any_iteration_is_that_of_the_report(recorded: Run) -> None:
    history = RunHistory(recorded)
    history.refresh()
    expected = [recorded.concentration(iteration).held for iteration in range(24)]
    np.testing.assert_allclose(history.agent_values(HELD, range(24)), expected, rtol=1e-12)
    assert np.sum(expected) > 0.0
    matrix = json.loads(RunFeed(recorded.path).matrix(7))
    assert matrix["iteration"] == 7
    assert near(matrix["power"], recorded.power_matrix(7).values)
    assert np.array_equal(matrix["reliable"], recorded.power_matrix(7).reliable)
    assert [json.loads(RunFeed(recorded.path).matrix(at))["iteration"] for at in (None, 1 << 30)] == [23, 23]
    assert matrix["audited"] is None


def test_audited_power_is_told_apart_from_what_agents_estimate(tmp_path: Path) -> None:
    settings = line_msg(3, kappa=1, iterations=5, batch=4, horizon=4, launcher="in_process", power={"audit": {"every": 3, "visits": 4}})
    run = netagents.run(settings, directory=tmp_path / "run")
    feed = RunFeed(run.path)
    for asked, audited in ((0, 0), (2, 0), (3, 3), (1 << 30, 3)):
        result = json.loads(feed.matrix(asked))["audited"]
        power = run.audited_power[audited]
        assert result["iteration"] == audited
        assert near(result["values"], power.power)
        interval = power.interval(1, 0)
        assert result["error"][1][0] == pytest.approx(0.5 * (interval.high - interval.low), rel=1e-5)
    assert near(json.loads(feed.matrix(3))["power"], run.power_matrix(3).values)
    rows = list(csv.reader(io.StringIO(b"".join(csv_lines(TABLES["audited"](run))).decode())))
    assert rows[0] == ["iteration", "holder", "over", "power", "low", "high", "visits"]
    assert len(rows) == 1 + 2 * 6


def test_a_run_that_grows_is_told_in_pieces_that_make_the_whole(recorded: Run, copied: Path) -> None:
    cut(copied, 5)
    feed, pieces = RunFeed(copied), dict[str, list[Any]]()
    visitor = Visitor(feed)
    feed.history.refresh()
    assert merged(visitor, pieces)["count"] == 5
    assert merged(visitor, pieces) == {}
    for rows in (6, 7, 11, 24):
        grow(copied, recorded.path, rows)
        feed._read = -math.inf
        assert merged(visitor, pieces)["count"] == rows
    assert pieces["team.i"] == list(range(24))
    assert near(pieces["team.return"], recorded.returns)
    assert pieces["agents.i"][-1] == 23


def test_a_long_run_is_read_in_parts_and_nothing_is_left_out(recorded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netagents.monitoring.feed.run_history._AT_ONCE", 5)
    monkeypatch.setattr("netagents.monitoring.feed.run_feed.READING_SECONDS", -1.0)
    visitor, pieces = Visitor(RunFeed(recorded.path)), dict[str, list[Any]]()
    counts = [merged(visitor, pieces)["count"] for _ in range(5)]
    assert counts == [5, 10, 15, 20, 24]
    assert near(pieces["team.return"], recorded.returns)


def test_a_run_that_went_back_is_told_from_its_beginning(recorded: Run, copied: Path) -> None:
    feed, pieces = RunFeed(copied), dict[str, list[Any]]()
    visitor = Visitor(feed)
    assert merged(visitor, pieces)["count"] == 24
    cut(copied, 3)
    add_event(copied, event="resumed", first_iteration=3)
    feed._read = -math.inf
    news = merged(visitor, pieces)
    assert news["reset"]
    assert pieces["team.i"] == [0, 1, 2]
    # As long as before, but written anew: the event tells it.
    grow(copied, recorded.path, 24)
    feed._read = -math.inf
    merged(visitor, pieces)
    add_event(copied, event="restarted", agent=1, iteration=3, incarnation=2)
    feed._read = -math.inf
    assert merged(visitor, pieces)["reset"]
    assert near(pieces["team.return"], recorded.returns)


def test_visitors_who_have_the_same_get_the_same_bytes_which_are_made_once(
    recorded: Run, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(copied, 5)
    feed = RunFeed(copied)
    one = Cursor()
    (first, after), *_ = feed.messages([one, Cursor(), Cursor()]).values()
    grow(copied, recorded.path, 6)
    late = feed.messages([Cursor(metric="objective")])[Cursor(metric="objective")][1]
    made: list[Any] = []
    dumps = json.dumps
    monkeypatch.setattr("netagents.monitoring.feed.run_feed.json.dumps", lambda *words, **how: made.append(1) or dumps(*words, **how))
    feed._read = feed._summed = -math.inf
    messages = feed.messages([after, after, after, late])
    assert len(messages) == len(made) == 2
    assert json.loads(messages[after][0])["team"]["i"] == [5]
    assert json.loads(first)["team"]["i"] == [0, 1, 2, 3, 4]
    # Nothing is new: nobody is sent anything, and nothing is made.
    after = messages[after][1]
    assert feed.messages([after]) == {after: (b"", after)}
    assert len(made) == 2


def test_the_first_message_of_a_long_run_of_many_agents_is_small_and_the_next_one_holds_the_rest(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengthen(copied, 900)
    monkeypatch.setattr("netagents.monitoring.feed.run_feed.FIRST_NUMBERS", 6000 * 4 // 100)  # what it is for a hundred agents
    visitor = Visitor(RunFeed(copied))
    visitor.feed.history.refresh()
    data, _ = visitor.feed.messages([visitor.cursor])[visitor.cursor]
    first = visitor.news()
    assert len(data) < 120_000
    assert (first["count"], len(first["team"]["i"]), len(first["agents"]["i"]), len(first["timing"]["i"])) == (900, 600, 60, 10)
    whole = visitor.news()
    assert whole["whole"]
    assert (len(whole["team"]["i"]), len(whole["agents"]["i"]), len(whole["timing"]["i"])) == (900, 500, 60)
    assert "team" not in visitor.news()


def test_the_last_summary_comes_though_summaries_are_fewer_than_updates(recorded: Run, copied: Path) -> None:
    cut(copied, 5)
    feed = RunFeed(copied)
    visitor = Visitor(feed)
    assert near(visitor.news()["values"], recorded.agent_metric("return")[4])
    grow(copied, recorded.path, 9)
    feed._read = -math.inf
    news = visitor.news()
    assert (news["count"], "values" in news) == (9, False)
    feed._summed = -math.inf
    news = visitor.news()
    assert near(news["values"], recorded.agent_metric("return")[8])
    assert "team" not in news


def test_lost_agents_are_gone_until_they_are_started_again(copied: Path) -> None:
    cut(copied, 5)
    feed = RunFeed(copied)
    visitor = Visitor(feed)
    assert visitor.news()["gone"] == []
    for facts, lost in (
        ({"event": "lost", "agent": 2, "iteration": 3, "stand_in": "noop", "line": "agent 2: killed"}, [2]),
        ({"event": "restarted", "agent": 2, "iteration": 3, "incarnation": 2}, []),
        ({"event": "failed", "role": "agent_1", "exit_code": 10, "line": "agent 1 was killed"}, [1]),
    ):
        add_event(copied, **facts)
        feed._read = -math.inf
        news = visitor.news()
        assert news["gone"] == lost
        assert news["events"][-1]["event"] == facts["event"]
    assert news["line"] == "agent 1 was killed"
    assert news["events"][-1]["tone"] == "bad"


def test_damaged_records_are_told_in_one_line(copied: Path) -> None:
    (copied / "metrics.jsonl").write_text('{"iteration":0}\n')
    news = Visitor(RunFeed(copied)).news()
    assert "metrics.jsonl:1" in news["line"]
    assert news["count"] == 0


def test_influence_that_was_measured_is_shown_from_its_checkpoint_on(recorded: Run, copied: Path) -> None:
    for name, checkpoint in (("a", 9), ("b", 19)):
        folder = copied / "influence" / name
        folder.mkdir(parents=True)
        values = np.full((4, 4), float(checkpoint)).tolist()
        values[0][0] = None
        (folder / "influence.json").write_text(json.dumps({"plan": {"checkpoint": checkpoint}, "matrix": {"values": values}}))
    shutil.copytree(copied / "influence" / "a", copied / "influence" / "c")
    (copied / "influence" / "c" / "influence.json").write_text('{"matrix": {"values": [[1]]}}')
    feed = RunFeed(copied)
    assert [json.loads(feed.matrix(at))["influence"]["checkpoint"] for at in (0, 9, 18, 19, 23)] == [9, 9, 9, 19, 19]
    assert json.loads(feed.matrix(0))["influence"]["values"][0][:2] == [None, 9.0]
    assert json.loads(RunFeed(recorded.path).matrix(3))["influence"] is None
