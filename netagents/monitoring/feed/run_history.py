"""History of a run: its records read once each, as they grow, in arrays that can be sampled.

Nothing here writes, and the run knows nothing of its readers.  What was read is forgotten and read again when the run went back: when it
was resumed or an agent was restarted, rows may have been replaced.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.learning.protocol.agent_metrics import DESCRIPTIONS
from netagents.measures.power import Concentration, PowerMatrix, concentration
from netagents.measures.power.branched_power import BranchedPower
from netagents.measures.power.power_matrix import RELIABLE_ERROR, RELIABLE_KNOWN
from netagents.records import Run
from netagents.records import run_creation as layout
from netagents.records.audited_rows import AUDITS, audited_iterations, audited_parser
from netagents.records.jsonl import JsonLinesReader, JsonLinesRows
from netagents.records.ledger_view import kind_name
from netagents.records.metric_rows import TIMING
from netagents.records.packed_records import unpack_power
from netagents.records.record_files import RECORDS, row_parser

FloatArray = NDArray[np.float64]
Link = tuple[int, int, int, int]
"""Sender, kind, receiver, hop."""

HELD = "power_held"
"""Name under which the power that each agent holds can be chosen like a metric."""

DERIVED = {
    HELD: "power that the agent holds over others, summed over reliable pairs",
    "compute": "seconds of the iteration in which the agent computed",
    "wait": "seconds of the iteration in which the agent waited for others",
    "serialise": "seconds of the iteration in which the agent turned messages into bytes and back",
}
"""What can be shown per agent besides its metrics."""

_AT_ONCE = 100
_MOST_CONCENTRATIONS = 20_000
_LOOKED = 40
_BACKWARDS = ("started", "resumed", "restarted")


def sampled(first: int, end: int, points: int) -> NDArray[np.int64]:
    """At most ``points`` whole numbers of [first, end), evenly spread, both ends among them."""
    count = end - first
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    if count <= points:
        return np.arange(first, end, dtype=np.int64)
    return np.unique(np.linspace(first, end - 1, points).round().astype(np.int64))


class RunHistory:
    """The records of one run, read as they grow.

    Args:
        run: whose.

    Attributes:
        count: iterations read so far.
        epoch: how often everything was read anew.
        behind: whether there are more rows than were read.
        links_version: rises whenever ``links`` changes.
        events: the life of the run so far.
        returns: (return, its standard deviation over copies, discounted return, seconds) of each iteration.
        kinds: messages of each kind of the newest iteration.
        links: messages and bytes of each link and kind in the newest iteration.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.n = run, run.n
        self.epoch = -1
        self.links_version = 0
        self.events: list[dict[str, Any]] = []
        self._sizes: tuple[int, ...] = ()
        self._forget()

    def _forget(self) -> None:
        self._metrics, self._power, self._ledger = (_Rows(self.run, name) for name in (layout.METRICS, layout.POWER, layout.LEDGER))
        self._audits = JsonLinesRows(JsonLinesReader(self.run.path / AUDITS, audited_parser(self.n), RECORDS[AUDITS].bytes(self.n)))
        self.epoch += 1
        self.links_version += 1
        self.count = 0
        self.behind = False
        self.returns: list[tuple[float, float, float, float]] = []
        self.links: dict[Link, tuple[int, int]] = {}
        self.kinds: dict[str, int] = {}
        self.names: tuple[str, ...] = ()
        self._total = (0, 0)
        self._totals: list[tuple[int, int]] = []
        self._pairs: list[NDArray[np.int64]] = []
        self._concentrations: dict[int, Concentration] = {}
        self._last_known = -1
        self._searched = 0

    def refresh(self, seconds: float = math.inf) -> bool:
        """Read what is new; whether there was anything.

        Args:
            seconds: after which the rest is left for the next call, which :attr:`behind` says.

        Raises:
            RunDirectoryError: a record is damaged.
        """
        sizes = tuple(self._size(name) for name in (layout.METRICS, layout.EVENTS))
        if sizes == self._sizes and not self.behind:
            return False
        if self._sizes and any(now < before for now, before in zip(sizes, self._sizes, strict=True)):
            self._forget()
        if not self._sizes or sizes[1] != self._sizes[1]:
            events = self.run.events
            if self._turns(events) != self._turns(self.events) and self.count:
                self._forget()
            self.events = events
        self._sizes = sizes
        try:
            self._read(seconds)
        except RunDirectoryError:
            # Rows may have been cut off while they were read; what is damaged is damaged the second time, too.
            self._forget()
            self._read(seconds)
        return True

    def _read(self, seconds: float) -> None:
        """Take in rows: metrics first, since what the other files hold of an iteration is written before its row of metrics."""
        until = time.monotonic() + seconds
        while self._metrics.more(_AT_ONCE):
            end = len(self._metrics.rows)
            for rows in (self._power, self._ledger):
                rows.more(end - len(rows.rows))
                if len(rows.rows) < end:
                    raise RunDirectoryError(
                        "has fewer rows than metrics.jsonl: rows were lost", where=str(rows.path), fix="restore the file"
                    )
            for index in range(self.count, end):
                self._take(self._metrics.rows[index], self._power.rows[index], self._ledger.rows[index])
            self.count = end
            if time.monotonic() > until:
                self.behind = True
                return
        self.behind = False

    @staticmethod
    def _turns(events: Iterable[dict[str, Any]]) -> int:
        return sum(event["event"] in _BACKWARDS for event in events)

    def _size(self, name: str) -> int:
        try:
            return os.stat(self.run.path / name).st_size  # noqa: PTH116 - twenty times a second
        except OSError:
            return 0

    def _take(self, metrics: dict[str, Any], power: dict[str, Any], ledger: dict[str, Any]) -> None:
        self.returns.append(tuple(_number(metrics[key]) for key in ("team_return", "team_return_sd", "discounted_return", "seconds")))  # type: ignore[arg-type]
        if self.names != tuple(metrics["agents"]):
            self.names = tuple(dict.fromkeys((*self.names, *metrics["agents"])))
        pairs = power.get("pairs")
        if pairs is not None or not self._pairs:
            self._pairs.append(np.zeros((0, 2), np.int64) if pairs is None else pairs)
        else:
            self._pairs.append(self._pairs[-1])
        if ledger.get("whole") or len(ledger["rows"]):
            apply_ledger(self.links, ledger)
            self.links_version += 1
            self.kinds = {}
            for (_, kind, _, _), (messages, _) in self.links.items():
                self.kinds[kind_name(kind)] = self.kinds.get(kind_name(kind), 0) + messages
            self._total = (sum(m for m, _ in self.links.values()), sum(b for _, b in self.links.values()))
        self._totals.append(self._total)

    # -- reading -----------------------------------------------------------------------------------------------------------

    @property
    def choices(self) -> dict[str, str]:
        """What can be shown per agent, with what it means."""
        names = self.names or self.run.metric_names
        return {name: DESCRIPTIONS.get(name, "reported by the run's own parts") for name in names} | DERIVED

    def agent_values(self, name: str, indices: Sequence[int] | NDArray[np.int64]) -> FloatArray:
        """(k, n) values of one of :attr:`choices` at some iterations; NaN where a value is unknown."""
        rows = self._metrics.rows
        if name == HELD:
            return np.array([self._held(int(index)) for index in indices], dtype=np.float64).reshape(-1, self.n)
        group = "timing" if name in TIMING and name not in self.names else "agents"
        unknown = np.full(self.n, np.nan)
        return np.array([rows[int(index)][group].get(name, unknown) for index in indices], dtype=np.float64).reshape(-1, self.n)

    def timing(self, index: int) -> FloatArray:
        """(3, n) seconds of computing, waiting and serialising in one iteration."""
        row = self._metrics.rows[index]["timing"]
        return np.array([row.get(name, np.zeros(self.n)) for name in TIMING], dtype=np.float64)

    def _held(self, index: int) -> FloatArray:
        """(n,) power held, as :attr:`netagents.measures.power.Concentration.held` has it, from the pairs alone."""
        reading = unpack_power(self._power.rows[index], self._pairs[index], self.run.path / layout.POWER)
        facts = self.run.power_facts
        holders, over = reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)
        near = (facts.distances[holders, over] <= np.asarray(facts.trusted)[over]) & (holders != over) & ~facts.impossible[holders, over]
        with np.errstate(invalid="ignore"):
            counted = near & (reading[:, 3] <= RELIABLE_ERROR * reading[:, 2]) & (reading[:, 4] >= RELIABLE_KNOWN)
        held = np.zeros(self.n)
        np.add.at(held, holders[counted], np.maximum(reading[counted, 2], 0.0))
        return held

    def power_matrix(self, index: int) -> PowerMatrix:
        """The power matrix of one iteration, as the report has it."""
        row = self._power.rows[index]
        return self.run.matrix_of(unpack_power(row, self._pairs[index], self.run.path / layout.POWER))

    def audited_power(self) -> dict[int, BranchedPower]:
        """Iteration -> true power, of the iterations read so far that were audited."""
        return audited_iterations(self._audits.all(), self.count, str(self.run.path / AUDITS))

    def concentration(self, index: int) -> Concentration:
        """Who holds how much power in one iteration."""
        known = self._concentrations.get(index)
        if known is None:
            known = concentration(self.power_matrix(index))
            if len(self._concentrations) >= _MOST_CONCENTRATIONS:
                self._concentrations.clear()
            self._concentrations[index] = known
        return known

    def last_known_power(self) -> int:
        """An iteration, the newest of some forty that are looked at, in which it is known who holds power; -1 if there is none."""
        newest = self.count - 1
        if newest < 0 or self.concentration(newest).top_holder >= 0:
            self._last_known = newest
        elif self._searched < self.count - max(20, self._searched):
            # The search is made again when the run is twice as long.
            self._searched = self.count
            looked = sampled(0, self.count, _LOOKED)[::-1]
            self._last_known = next((int(index) for index in looked if self.concentration(int(index)).top_holder >= 0), -1)
        return self._last_known

    def totals(self, index: int) -> tuple[int, int]:
        """Messages and payload bytes of one iteration."""
        return self._totals[index]

    def links_at(self, index: int) -> dict[Link, tuple[int, int]]:
        """Messages and bytes of each link and kind in one iteration."""
        page: dict[Link, tuple[int, int]] = {}
        for row in self._ledger.rows[: index + 1]:
            apply_ledger(page, row)
        return page


class _Rows:
    """Rows of one file of records, read a few at a time."""

    def __init__(self, run: Run, name: str) -> None:
        self.path = run.path / name
        self.rows: list[dict[str, Any]] = []
        self._reader = JsonLinesReader(self.path, row_parser(name, run.n), RECORDS[name].bytes(run.n))

    def more(self, most: int) -> bool:
        """Read at most so many further rows; whether there was one."""
        before = len(self.rows)
        self.rows.extend(itertools.islice(self._reader.each_new_row(), most))
        return len(self.rows) > before


def apply_ledger(page: dict[Link, tuple[int, int]], row: dict[str, Any]) -> None:
    """Carry a row of the ledger over to the page before it."""
    if row.get("whole"):
        page.clear()
    for sender, kind, receiver, hop, messages, size in row["rows"].tolist():
        page[sender, kind, receiver, hop] = (messages, size)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
