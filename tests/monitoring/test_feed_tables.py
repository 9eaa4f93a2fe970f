"""Tables and numbers of the feed: rounded numbers, samples, slopes, the headline, CSV files, the layout of the graph and the processes."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netagents.monitoring.feed.csv_tables import TABLES, chosen_rows, csv_lines
from netagents.monitoring.feed.graph_layout import unit_layout
from netagents.monitoring.feed.headline import headline, trend
from netagents.monitoring.feed.json_numbers import rounded
from netagents.monitoring.feed.process_table import ProcessTable
from netagents.monitoring.feed.run_history import RunHistory, sampled
from netagents.records import Run
from netagents.topology import Topology


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=20))
def test_rounded_numbers_have_six_digits(values: list[float]) -> None:
    for value, short in zip(values, rounded(values), strict=True):
        if math.isfinite(value):
            assert math.isclose(short, value, rel_tol=5.1e-6) or abs(value) < 1e-290
            assert len(f"{short:.12e}".partition("e")[0].strip("-").rstrip("0")) <= 7 or not 1e-290 < abs(value) < 1e290
        else:
            assert short is None
    json.dumps(rounded(values), allow_nan=False)


@given(st.integers(0, 50), st.integers(0, 3000), st.integers(1, 500))
def test_samples_are_spread_from_end_to_end(first: int, count: int, points: int) -> None:
    settings = sampled(first, first + count, points)
    assert len(settings) == min(count, points)
    if count and points > 1:
        assert (settings[0], settings[-1]) == (first, first + count - 1)
        assert len(settings) < 2 or np.ptp(np.diff(settings)) <= 1


def test_the_error_of_a_slope_is_that_of_least_squares_and_wider_for_dependent_values() -> None:
    generator = np.random.default_rng(5)
    false, false_independent, wide = 0, 0, 0
    for _ in range(300):
        noise = generator.normal(size=200)
        slope, error = trend(noise)
        design = np.column_stack([np.arange(200), np.ones(200)])
        solution, residual, *_ = np.linalg.lstsq(design, noise, rcond=None)
        ordinary = math.sqrt(residual[0] / 198 * np.linalg.inv(design.T @ design)[0, 0])
        assert math.isclose(slope, solution[0], rel_tol=1e-9)
        assert 0.8 * ordinary < error < 1.6 * ordinary
        false_independent += abs(slope) > 2.0 * error
        walk = np.zeros(200)
        for at in range(1, 200):
            walk[at] = 0.8 * walk[at - 1] + noise[at]
        slope, error = trend(walk)
        false += abs(slope) > 2.0 * error
        solution, residual, *_ = np.linalg.lstsq(design, walk, rcond=None)
        wide += abs(slope) > 2.0 * math.sqrt(residual[0] / 198 * np.linalg.inv(design.T @ design)[0, 0])
    # Nominally one in twenty.
    assert false_independent < 30
    assert false < 36
    assert wide > 90


def test_the_headline_answers_three_questions(recorded: Run) -> None:
    history = RunHistory(recorded)
    history.refresh()
    learning, power, spent = headline(history)
    assert learning.question == "Is it learning?"
    assert f"{recorded.returns[:4].mean():.4g} at first, {recorded.returns[-4:].mean():.4g} now" in learning.detail
    result = recorded.concentration()
    assert (f"agent {result.top_holder}" in power.answer + power.detail) == (result.top_holder >= 0)
    assert spent.answer == "not measured"


def test_csv_holds_every_digit_of_the_records(recorded: Run) -> None:
    def table(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(b"".join(csv_lines(TABLES[name](recorded))).decode())))

    assert [float(row["team_return"]) for row in table("returns")] == recorded.returns.tolist()
    rows = table("metrics")
    assert [float(row["objective"]) for row in rows] == recorded.agent_metric("objective").ravel().tolist()
    power = [float(row["power"] or "nan") for row in table("power")]
    assert np.array_equal(power, np.concatenate(recorded.power_readings())[:, 2], equal_nan=True)
    assert sum(int(row["messages"]) for row in table("traffic")) == recorded.ledger.total.messages
    assert [row["event"] for row in table("events")] == [event["event"] for event in recorded.events]
    history = RunHistory(recorded)
    history.refresh()
    wide = list(csv.reader(io.StringIO(b"".join(csv_lines(chosen_rows(history, "return"))).decode())))
    assert [float(value) for value in wide[5][1:]] == recorded.agent_metric("return")[4].tolist()
    assert b"'=1+1" in b"".join(csv_lines(iter([["=1+1"]])))


def test_every_agent_has_a_place_of_its_own() -> None:
    ring = Topology(40, [(i, (i + 1) % 40) for i in range(40)])
    for topology in (ring, Topology(1, []), Topology(30, [], positions=[(float(i), 0.0) for i in range(30)]), Topology(5, [(0, 1)])):
        places = unit_layout(topology)
        assert places.shape == (topology.n, 2)
        assert places.min() >= 0.0
        assert places.max() <= 1.0
        assert len({tuple(place) for place in places.round(9).tolist()}) == topology.n
    assert np.array_equal(unit_layout(ring), unit_layout(ring))


def test_processes_are_those_that_hold_the_logs_open(copied: Path) -> None:
    log = copied / "logs" / "agent_3.jsonl"
    words = "import sys, time; file = open(sys.argv[1], 'a'); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", words, str(log)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            table = ProcessTable(copied)
            rows = table.poll()
            assert [(row["role"], row["pid"]) for row in rows] == [("agent_3", process.pid)]
            assert rows[0]["memory"] > 1 << 20
            time.sleep(0.05)
            assert 0.0 <= table.poll()[0]["cpu"] < 1.5
            os.kill(process.pid, 9)
            process.wait()
            assert table.poll() == []
        finally:
            process.kill()
