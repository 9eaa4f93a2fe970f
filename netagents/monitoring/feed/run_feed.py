"""Feed of a run: for each visitor what is new since its last message; many visitors share one reading of the records."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netagents.errors import NetagentsError
from netagents.monitoring.feed.headline import headline
from netagents.monitoring.feed.json_numbers import rounded
from netagents.monitoring.feed.life_events import absent_agents, shown_event, shown_log_line
from netagents.monitoring.feed.process_table import ProcessTable
from netagents.monitoring.feed.run_history import RunHistory, sampled
from netagents.monitoring.feed.run_overview import clipped, overview
from netagents.records import Run
from netagents.records.ledger_view import kind_name
from netagents.records.log_stream import LogStream
from netagents.records.measured_influence import measured_influence


class Detail(NamedTuple):
    """How many points of the team's curves and of every agent's a whole run has, and of how many newest iterations the timing is sent."""

    team: int
    agents: int
    timed: int


FULL = Detail(4000, 500, 60)

FIRST_NUMBERS = 6000
"""About so many numbers of agents are in a visitor's first message, so that it sees the run at once; the next one holds the rest."""

SUMMARY_SECONDS = 0.25
MOST_LINKS = 4000
MOST_EVENTS = 1000
MOST_LOG_LINES = 1500
PROCESS_SECONDS = 1.0
ENDING_SECONDS = 0.5
READING_SECONDS = 0.2
"""After which visitors get what has been read of a long run; the rest follows."""

SHARED_SECONDS = 0.04
"""Visitors that ask within this time get the same reading."""

_KEPT_MATRICES = 8


class Cursor(NamedTuple):
    """What a visitor has received; equal ones get the same bytes.

    Attributes:
        metric: shown per agent, one of :attr:`netagents.monitoring.feed.run_history.RunHistory.choices`.
        logs: whether it reads the logs.
        epoch, iterations, events, lines: how far it is.
        coarse: whether its curves lack points that the next message brings.
        summary, links, host: the version of each of these that it has.
        state: of the run.
    """

    metric: str = "return"
    logs: bool = False
    epoch: int = -1
    iterations: int = 0
    summary: int = 0
    links: int = 0
    events: int = 0
    coarse: bool = False
    state: str = ""
    host: int = 0
    lines: int = 0


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
        share = FIRST_NUMBERS // self.run.n
        self._first = Detail(600, max(30, min(FULL.agents, share)), max(4, min(FULL.timed, share // 6)))
        self.lock = threading.RLock()
        self._read = self._ending_read = -math.inf
        self._fault = ""
        self._matrices: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._summary: tuple[int, tuple[int, int], dict[str, Any]] = (0, (-1, -1), {})
        self._summed = -math.inf
        self._processes = ProcessTable(path)
        self._polled = -math.inf
        self._host: tuple[int, list[dict[str, Any]]] = (0, [])
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

    def messages(self, cursors: Iterable[Cursor]) -> dict[Cursor, tuple[bytes, Cursor]]:
        """For each cursor what is new since then as JSON, made once, and the cursor after it; no bytes where nothing is new."""
        with self.lock:
            self.refresh()
            messages: dict[Cursor, tuple[bytes, Cursor]] = {}
            for cursor in set(cursors):
                news, after = self._news(cursor)
                messages[cursor] = (json.dumps(news, separators=(",", ":"), allow_nan=False).encode() if news else b"", after)
            return messages

    def _news(self, cursor: Cursor) -> tuple[dict[str, Any], Cursor]:
        """What is new, and the cursor after it.

        The first message holds the whole history, sampled; so does one after the run went back.
        """
        history, news = self.history, dict[str, Any]()
        if cursor.epoch != history.epoch:
            cursor = cursor._replace(epoch=history.epoch, iterations=0, events=0, summary=0, links=0, coarse=False)
            news["reset"] = True
        state, ended = self._ending
        if self._fault or state != cursor.state or news:
            news |= {"state": state, "line": self._fault or clipped(str(ended.get("line", "")))}
            cursor = cursor._replace(state=state)
        if cursor.coarse and not history.behind and "reset" not in news:
            news |= {"whole": True, **self._iterations(cursor.metric, 0, FULL)}
            cursor = cursor._replace(iterations=history.count, coarse=False)
        elif history.count > cursor.iterations or "reset" in news:
            detail = FULL if cursor.iterations else self._first
            news |= self._iterations(cursor.metric, cursor.iterations, detail)
            coarse = cursor.coarse or (not cursor.iterations and history.count > min(detail))
            cursor = cursor._replace(iterations=history.count, coarse=coarse)
        self._sum_up()
        version, _, summary = self._summary
        if version > cursor.summary and history.count:
            news |= summary
            news["values"] = rounded(history.agent_values(cursor.metric, [history.count - 1])[0])
            cursor = cursor._replace(summary=version)
            if history.links_version != cursor.links:
                news["links"] = self._links()
                cursor = cursor._replace(links=history.links_version)
        if len(history.events) > cursor.events:
            news["events"] = [shown_event(event) for event in history.events[cursor.events :][-MOST_EVENTS:]]
            news["gone"] = absent_agents(history.events)
            cursor = cursor._replace(events=len(history.events))
        return self._of_host(news, cursor)

    def _iterations(self, metric: str, since: int, detail: Detail) -> dict[str, Any]:
        """Curves and timing from an iteration on; of a part of the run as many points as its share of the whole."""
        history, count = self.history, self.history.count
        news: dict[str, Any] = {"count": count, "behind": history.behind}
        part = (count - since) / max(self._planned, count)
        team = sampled(since, count, max(40, round(detail.team * part)))
        if len(team):
            columns = np.array([history.returns[int(index)] for index in team]).T
            news["team"] = {"i": team.tolist(), "return": rounded(columns[0]), "sd": rounded(columns[1]), "discounted": rounded(columns[2])}
            news["team"]["messages"] = [history.totals(int(index))[0] for index in team]
            news["seconds"] = float(columns[3][-1])
            news["rate"] = _rate(history)
        points = sampled(since, count, max(4, round(detail.agents * part)))
        if len(points):
            news["agents"] = {"i": points.tolist(), "v": rounded(history.agent_values(metric, points))}
        timed = range(count if history.behind else max(since, count - detail.timed), count)
        if since and len(timed) > 4 and count - since < detail.timed:
            timed = timed[-4:]
        news["timing"] = {"i": list(timed), "s": [rounded(history.timing(index)) for index in timed]}
        return news

    def _sum_up(self) -> None:
        """Make the part that is read and not followed - answers, power held, kinds - anew, if there is more, a few times per second."""
        version, known, _ = self._summary
        of, now = (self.history.epoch, self.history.count), time.monotonic()
        if not self.history.count or of == known or (now - self._summed < SUMMARY_SECONDS and of[0] == known[0]):
            return
        held = self.history.concentration(self.history.count - 1).held
        answers = [answer._asdict() for answer in headline(self.history)]
        facts = {"held": rounded(held), "headline": answers, "kinds": self.history.kinds}
        self._summary, self._summed = (version + 1, of, facts), now

    def _links(self) -> list[list[Any]]:
        busiest = sorted(self.history.links.items(), key=lambda item: -item[1][0])[:MOST_LINKS]
        return [[sender, kind_name(kind), receiver, *counted] for (sender, kind, receiver, _), counted in busiest]

    def _of_host(self, news: dict[str, Any], cursor: Cursor) -> tuple[dict[str, Any], Cursor]:
        """Processes and logs, once per second."""
        now = time.monotonic()
        if now - self._polled >= PROCESS_SECONDS:
            self._polled = now
            live = self._ending[0] in ("running", "created")
            rows = self._processes.poll() if live else []
            if rows or self._host[1] or not self._host[0]:
                self._host = (self._host[0] + 1, rows)
            if cursor.logs or self._logs is not None:
                if self._logs is None:
                    self._logs = LogStream(self.run.directory)
                self._lines += [shown_log_line(entry) for entry in self._logs.new()]
        elif cursor.logs and self._logs is None:
            self._polled = -math.inf  # the first who reads them does not wait
            return self._of_host(news, cursor)
        if self._host[0] != cursor.host:
            news["processes"] = self._host[1]
            cursor = cursor._replace(host=self._host[0])
        if cursor.logs and cursor.lines < len(self._lines):
            news["logs"] = self._lines[max(cursor.lines, len(self._lines) - MOST_LOG_LINES) :]
            cursor = cursor._replace(lines=len(self._lines))
        return news, cursor

    def matrix(self, iteration: int | None) -> bytes:
        """Power in one iteration (the newest that was summed up for None, else the nearest) as agents estimated it, with the newest audit
        and measurement of influence at or before it, as JSON that is made once."""
        with self.lock:
            self.refresh()
            self._sum_up()
            if not self.history.count:
                return json.dumps({"iteration": -1, "power": [], "reliable": [], "audited": None, "influence": None}).encode()
            newest = max(0, min(self._summary[1][1], self.history.count) - 1)
            index = newest if iteration is None else min(max(iteration, 0), self.history.count - 1)
            key = (self.history.epoch, index)
            if key not in self._matrices:
                self._matrices[key] = self._matrix(index)
                if len(self._matrices) > _KEPT_MATRICES:
                    self._matrices.popitem(last=False)
            return self._matrices[key]

    def _matrix(self, index: int) -> bytes:
        matrix, power = self.history.power_matrix(index), self.history.concentration(index)
        facts = {
            "iteration": index,
            "power": rounded(matrix.values),
            "error": rounded(matrix.error),
            "reliable": matrix.reliable.astype(int).tolist(),
            "impossible": matrix.impossible.astype(int).tolist(),
            "held": rounded(power.held),
            "audited": self._audited(index),
            "influence": self._influence(index),
        }
        return json.dumps(facts, separators=(",", ":"), allow_nan=False).encode()

    def _audited(self, index: int) -> dict[str, Any] | None:
        """The newest audit of power at or before an iteration; None where there is none."""
        audits = self.history.audited_power()
        iteration = max((each for each in audits if each <= index), default=None)
        if iteration is None:
            return None
        power, n = audits[iteration], self.run.n
        half = np.full((n, n), np.nan)
        for j, i in np.argwhere(np.isfinite(power.power)).tolist():
            interval = power.interval(j, i)
            half[j, i] = 0.5 * (interval.high - interval.low)
        return {"iteration": iteration, "values": rounded(power.power), "error": rounded(half)}

    def _influence(self, index: int) -> dict[str, Any] | None:
        """The newest measurement of influence whose checkpoint is not after an iteration; else the oldest."""
        measured = measured_influence(self.run.path, self.run.n, index)
        return None if measured is None else {"checkpoint": measured.checkpoint, "values": rounded(measured.values)}

    def series(self, metric: str, first: int, last: int, points: int) -> dict[str, Any]:
        """A metric of all agents, or the returns (``team``), over a range of iterations, sampled."""
        with self.lock:
            self.refresh()
            rows = sampled(max(0, first), min(last + 1, self.history.count), points)
            if metric == "team":
                columns = np.array([self.history.returns[int(index)] for index in rows]).reshape(-1, 4).T
                return {"i": rows.tolist(), "return": rounded(columns[0]), "sd": rounded(columns[1]), "discounted": rounded(columns[2])}
            return {"i": rows.tolist(), "v": rounded(self.history.agent_values(metric, rows))}


def _rate(history: RunHistory) -> float | None:
    """Iterations per second over the newest ones."""
    rows = history.returns[-min(30, len(history.returns)) :]
    elapsed = rows[-1][3] - rows[0][3]
    return float(f"{(len(rows) - 1) / elapsed:.4g}") if len(rows) > 1 and elapsed > 0.0 else None
