"""Feed of a run: for each visitor what is new since its last message; many visitors share one reading of the records."""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netagents.errors import NetagentsError
from netagents.messages import node_name
from netagents.monitoring.feed.headline import headline
from netagents.monitoring.feed.json_numbers import rounded
from netagents.monitoring.feed.process_table import ProcessTable
from netagents.monitoring.feed.run_history import RunHistory, sampled
from netagents.monitoring.feed.run_overview import clipped, overview
from netagents.records import Run
from netagents.records.influence_returns import INFLUENCE
from netagents.records.ledger_view import kind_name
from netagents.records.log_stream import LogStream
from netagents.records.regular_files import read_regular

TEAM_POINTS = 4000
"""Of the curves of a whole run; a message after the first has its share of them."""

AGENT_POINTS = 500
TIMED_ROWS = 60
"""Newest iterations whose timing is sent."""

MOST_LINKS = 4000
MOST_LOG_LINES = 1500
PROCESS_SECONDS = 1.0
ENDING_SECONDS = 0.5
READING_SECONDS = 0.2
"""After which visitors get what has been read of a long run; the rest follows."""

SHARED_SECONDS = 0.04
"""Visitors that ask within this time get the same reading."""


@dataclass
class Cursor:
    """What a visitor has received.

    Attributes:
        metric: shown per agent, one of :attr:`netagents.monitoring.feed.run_history.RunHistory.choices`.
        logs: whether it reads the logs.
    """

    metric: str = "return"
    logs: bool = False
    epoch: int = -1
    count: int = 0
    events: int = 0
    links: dict[Any, Any] = field(default_factory=dict)
    state: str = ""
    polled: float = -math.inf
    lines: int = 0
    state_sent: str = ""


class RunFeed:
    """Answers visitors about one run.

    Args:
        path: of the run directory.

    Raises:
        RunDirectoryError: it is no run that this version reads.
    """

    def __init__(self, path: Path) -> None:
        self.run = Run.open(path)
        self.history = RunHistory(self.run)
        self._planned = self.run.experiment.learning.iterations
        self.lock = threading.RLock()
        self._read = self._ending_read = -math.inf
        self._made: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        self._fault = ""
        self._processes = ProcessTable(path)
        self._links: dict[Any, Any] = {}
        self._polled = -math.inf
        self._rows: list[dict[str, Any]] = []
        self._logs: LogStream | None = None
        self._lines: list[dict[str, Any]] = []
        self._overview: dict[str, Any] | None = None
        self._ending: tuple[str, dict[str, Any]] = ("", {})

    def refresh(self) -> None:
        """Read what is new, unless that was just done."""
        with self.lock:
            now = time.monotonic()
            if now - self._read < SHARED_SECONDS and not self.history.behind:
                return
            try:
                # Whether a writer lives is asked less often than whether there is anything new.
                if self.history.refresh(READING_SECONDS) or now - self._ending_read > ENDING_SECONDS:
                    self._ending, self._ending_read = self.run.directory.ending(), now
                self._fault = ""
            except NetagentsError as error:
                self._fault = clipped(str(error))
            self._read = time.monotonic()

    def facts(self) -> dict[str, Any]:
        """What never changes."""
        with self.lock:
            self.refresh()
            if self._overview is None:
                self._overview = overview(self.history)
            return self._overview

    def news(self, cursor: Cursor) -> dict[str, Any]:
        """What is new for a visitor since its last call; empty where nothing is.

        The first message holds the whole history, sampled; so does one after the run went back.
        """
        with self.lock:
            self.refresh()
            history, news = self.history, dict[str, Any]()
            if cursor.epoch != history.epoch:
                cursor.epoch, cursor.count, cursor.events, cursor.links = history.epoch, 0, 0, {}
                news["reset"] = True
            state, ended = self._ending
            if self._fault or state != cursor.state or news:
                news |= {"state": state, "line": self._fault or clipped(str(ended.get("line", "")))}
                cursor.state = state
            if history.count > cursor.count or news.get("reset"):
                news |= self._iterations(cursor)
                cursor.count = history.count
            if len(history.events) > cursor.events:
                news["events"] = [_event(event) for event in history.events[cursor.events :][-1000:]]
                news["gone"] = _absent_agents(history.events)
                cursor.events = len(history.events)
            news |= self._host(cursor)
            return news

    def _iterations(self, cursor: Cursor) -> dict[str, Any]:
        """What is new of the iterations; made once for visitors who have received the same."""
        key = (cursor.metric, cursor.count, self.history.count, self.history.epoch, self.history.behind, cursor.links == self._links)
        if key != self._made[0]:
            self._made = (key, self._new_iterations(cursor))
        cursor.links = self._links = dict(self.history.links) if "links" in self._made[1] else cursor.links
        return self._made[1]

    def _new_iterations(self, cursor: Cursor) -> dict[str, Any]:
        history, since = self.history, cursor.count
        count = history.count
        news: dict[str, Any] = {"count": count, "behind": history.behind}
        part = (count - since) / max(self._planned, count)
        team = sampled(since, count, max(40, round(TEAM_POINTS * part)))
        if len(team):
            columns = np.array([history.returns[int(index)] for index in team]).T
            news["team"] = {"i": team.tolist(), "return": rounded(columns[0]), "sd": rounded(columns[1]), "discounted": rounded(columns[2])}
            news["team"]["messages"] = [history.totals(int(index))[0] for index in team]
            news["seconds"] = float(columns[3][-1])
            news["rate"] = _rate(history)
        points = sampled(since, count, max(4, round(AGENT_POINTS * part)))
        if len(points):
            news["agents"] = {"i": points.tolist(), "v": rounded(history.agent_values(cursor.metric, points))}
        timed = range(count if history.behind else max(since, count - TIMED_ROWS), count)
        if since and len(timed) > 4 and count - since < TIMED_ROWS:
            timed = timed[-4:]
        news["timing"] = {"i": list(timed), "s": [rounded(history.timing(index)) for index in timed]}
        if count:
            power = history.concentration(count - 1)
            news["held"] = rounded(power.held)
            news["values"] = rounded(history.agent_values(cursor.metric, [count - 1])[0])
            news["headline"] = [answer._asdict() for answer in headline(history)]
            news["kinds"] = history.kinds
            if history.links != cursor.links:
                busiest = sorted(history.links.items(), key=lambda item: -item[1][0])[:MOST_LINKS]
                news["links"] = [[sender, kind_name(kind), receiver, *counted] for (sender, kind, receiver, _), counted in busiest]
        return news

    def _host(self, cursor: Cursor) -> dict[str, Any]:
        """Processes and logs, once per second."""
        now = time.monotonic()
        if now - cursor.polled < PROCESS_SECONDS:
            return {}
        cursor.polled = now
        news: dict[str, Any] = {}
        if self._ending[0] in ("running", "created"):
            if now - self._polled >= PROCESS_SECONDS:
                self._polled, self._rows = now, self._processes.poll()
            news["processes"] = self._rows
        elif cursor.state_sent != "ended":
            cursor.state_sent, news["processes"] = "ended", []
        if cursor.logs:
            if self._logs is None:
                self._logs = LogStream(self.run.directory)
            self._lines += [_line(entry) for entry in self._logs.new()]
            if cursor.lines < len(self._lines):
                news["logs"] = self._lines[max(cursor.lines, len(self._lines) - MOST_LOG_LINES) :]
                cursor.lines = len(self._lines)
        return news

    def matrix(self, iteration: int) -> dict[str, Any]:
        """Power in one iteration (the nearest that is recorded), and the influence that was measured at or before it."""
        with self.lock:
            self.refresh()
            if not self.history.count:
                return {"iteration": -1, "power": [], "reliable": [], "influence": None}
            index = min(max(iteration, 0), self.history.count - 1)
            matrix = self.history.power_matrix(index)
            power = self.history.concentration(index)
            return {
                "iteration": index,
                "power": rounded(matrix.values),
                "error": rounded(matrix.error),
                "reliable": matrix.reliable.astype(int).tolist(),
                "impossible": matrix.impossible.astype(int).tolist(),
                "held": rounded(power.held),
                "influence": self._influence(index),
            }

    def _influence(self, index: int) -> dict[str, Any] | None:
        """The newest measurement of influence whose checkpoint is not after an iteration; else the oldest."""
        parts = []
        for file in sorted(self.run.path.glob(f"{INFLUENCE}/*/influence.json")):
            try:
                facts = json.loads(read_regular(file, 1 << 28))
                values = np.array(facts["matrix"]["values"], dtype=np.float64)
                if values.shape == (self.run.n, self.run.n):
                    parts.append((int(facts["plan"]["checkpoint"]), values))
            except (NetagentsError, ValueError, KeyError, TypeError, RecursionError):
                continue
        if not parts:
            return None
        parts.sort(key=lambda pair: pair[0])
        before = [pair for pair in parts if pair[0] <= index]
        checkpoint, values = before[-1] if before else parts[0]
        return {"checkpoint": checkpoint, "values": rounded(values)}

    def series(self, metric: str, first: int, last: int, points: int) -> dict[str, Any]:
        """A metric of all agents, or the returns (``team``), over a range of iterations, sampled."""
        with self.lock:
            self.refresh()
            chosen = sampled(max(0, first), min(last + 1, self.history.count), points)
            if metric == "team":
                columns = np.array([self.history.returns[int(index)] for index in chosen]).reshape(-1, 4).T
                return {"i": chosen.tolist(), "return": rounded(columns[0]), "sd": rounded(columns[1]), "discounted": rounded(columns[2])}
            return {"i": chosen.tolist(), "v": rounded(self.history.agent_values(metric, chosen))}


def _rate(history: RunHistory) -> float | None:
    """Iterations per second over the newest ones."""
    rows = history.returns[-min(30, len(history.returns)) :]
    elapsed = rows[-1][3] - rows[0][3]
    return float(f"{(len(rows) - 1) / elapsed:.4g}") if len(rows) > 1 and elapsed > 0.0 else None


_ODD = ("restarted", "interrupted", "tables_failed", "resumed", "power_warning")


def _event(event: dict[str, Any]) -> dict[str, Any]:
    """An event as the page shows it: when, what, who, a line, and whether something went wrong."""
    kind = str(event["event"])
    agent = event.get("agent")
    role = str(event.get("role") or "") or (node_name(int(agent)) if isinstance(agent, int) else "")
    facts = {key: value for key, value in event.items() if key not in ("event", "time", "role", "agent", "line", "pid", "sent", "received")}
    if kind in ("links", "staleness"):
        facts = {}
    if kind == "traffic":
        facts = {key: facts[key] for key in ("refused", "digests_dropped", "wait_seconds") if facts.get(key)}
    line = str(event.get("line") or "")
    shown = ", ".join(
        f"{key.replace('_', ' ')} {f'{value:.4g}' if isinstance(value, float) else value}"
        for key, value in facts.items()
        if value not in ("", None, 0, [], {})
    )
    return {
        "time": event.get("time", 0.0),
        "event": kind,
        "who": clipped(role, 60),
        "line": clipped(line or shown, 600),
        "tone": "bad" if kind in ("failed", "lost") else "odd" if kind in _ODD else "",
    }


def _absent_agents(events: list[dict[str, Any]]) -> list[int]:
    """The agents that are lost at the end of these events."""
    absent: set[int] = set()
    for event in events:
        if event["event"] in ("started", "resumed"):
            absent.clear()
        elif event["event"] == "lost":
            absent.add(int(event["agent"]))
        elif event["event"] == "restarted":
            absent.discard(int(event["agent"]))
        elif event["event"] == "failed":
            head, _, number = str(event.get("role", "")).rpartition("_")
            if head == "agent" and number.isdecimal():
                absent.add(int(number))
    return sorted(absent)


def _line(entry: dict[str, Any]) -> dict[str, Any]:
    text = str(entry.get("message", ""))
    trace = str(entry.get("traceback", ""))
    return {
        "time": entry.get("time"),
        "role": clipped(str(entry.get("role", "")), 60),
        "level": clipped(str(entry.get("level", "")), 20),
        "phase": clipped(str(entry.get("phase", "")), 120),
        "text": clipped(text, 2000) + (f"\n{clipped(trace, 4000)}" if trace else ""),
    }
