"""Agents that lie with keys of their own: what no honest agent could send names the liar, and the failure policy decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Starter
from live_run import LINE, LiveRun, Settings, merged, undisturbed, wait_until
from test_intruders import Intruder

import netagents
from netagents.messages import Action, DropCounts, Envelope, Hello, Kind, Message, Report
from netagents.nodes.server.newcomers import MOST_ANSWERS
from netagents.records.same_bits import same_bits
from netagents.wire.codec import Codec

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

LONG: Settings = {
    "runtime": {"transport": "tcp"},
    "learning": {"iterations": 80},
    "checkpoints": {"every": 5},
    "faults": [{"kind": "delay", "low": 0.0, "high": 0.002}],
}
BATCH = LINE["learning"]["batch"]
LIAR = 1
HUGE = 10**12


class Liar(Intruder):
    """Speaks to the server with the keys of an agent of the run."""

    def __init__(self, run: LiveRun) -> None:
        super().__init__(run)
        self.door = self.link(self.own(LIAR), "environment")

    def send(self, kind: Kind, iteration: int, message: Message, incarnation: int = 0) -> None:
        own = self.run.records.directory.run_id
        self.door.send(Codec().encode(Envelope(own, incarnation, LIAR, kind, iteration, 0, message)), 5.0)


def lie_about_an_action(liar: Liar) -> None:
    """Before the honest one of the next iterations: the first message counts."""
    now = len(liar.run.records.returns)
    for later in range(1, 4):
        liar.send(Kind.ACTION, now + later, Action(np.full(BATCH, 250, np.uint8)))


def lie_about_counts(liar: Liar) -> None:
    now, setup = len(liar.run.records.returns), liar.run.records.directory.setup()
    ledger = np.array([[Kind.ACTION, -1, 0, HUGE, HUGE]], np.int64)
    power = np.zeros((0, 6))
    for later in range(1, 4):
        liar.send(Kind.REPORT, now + later, Report(np.zeros(len(setup.metric_names)), power, ledger, np.zeros(3)))


def lie_about_refusals(liar: Liar) -> None:
    liar.send(Kind.DROP_COUNTS, 0, DropCounts(np.full(3, HUGE, np.int64)))


LIES = {
    "action": (lie_about_an_action, "sent what is no action: action 250 in step 0; actions are 0..1"),
    "report": (lie_about_counts, "reported 1,000,000,000,000 messages of kind action in one iteration"),
    "tally": (lie_about_refusals, "reported 1,000,000,000,000 refused messages"),
}


@pytest.fixture
def run(request: pytest.FixtureRequest, start: Starter) -> LiveRun:
    started = start(merged(LINE, LONG, {"failures": {"agent": request.param, "delay": 0.1}}))
    started.wait_for_rows(4)
    return started


@pytest.mark.parametrize("lie", ["action", "tally"])
@pytest.mark.parametrize("run", ["stop_all"], indirect=True)
def test_a_lie_ends_the_run_and_names_the_liar(lie: str, run: LiveRun) -> None:
    lie_of, what = LIES[lie]
    liar = Liar(run)
    try:
        lie_of(liar)
        ended = run.ended(60.0)
    finally:
        liar.close()
    run.assert_nothing_left()
    assert ended.code == 10, ended.err
    assert f"agent 1: {what}" in ended.last_line, ended.last_line
    assert "10000000000" not in (run.path / "ledger.jsonl").read_text()
    assert run.records.state == "failed"


@pytest.mark.parametrize("run", ["restart"], indirect=True)
def test_a_liar_is_started_again_and_leaves_the_same_bits(run: LiveRun, tmp_path: Path) -> None:
    first = run.pid("agent_1")
    liar = Liar(run)
    try:
        lie_about_an_action(liar)
        wait_until(lambda: run.newest_pid("agent_1") != first or run.process.poll() is not None, "its successor")
    finally:
        liar.close()
    ended = run.ended(90.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert [event["agent"] for event in run.records.events if event["event"] == "restarted"] == [LIAR]
    assert same_bits(undisturbed(merged(LINE, LONG), tmp_path / "one"), run.records) == []


@pytest.mark.parametrize("run", ["continue_without"], indirect=True)
def test_a_liar_is_done_without(run: LiveRun) -> None:
    liar = Liar(run)
    try:
        lie_about_counts(liar)
        ended = run.ended(90.0)
    finally:
        liar.close()
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    (lost,) = [event for event in run.records.events if event["event"] == "lost"]
    assert lost["agent"] == LIAR
    assert lost["line"] == LIES["report"][1]


@pytest.mark.parametrize("run", ["stop_all"], indirect=True)
def test_thousands_of_hellos_take_a_few_descriptors_and_change_no_bit(run: LiveRun, tmp_path: Path) -> None:
    server = Path("/proc") / str(run.pid("environment")) / "fd"
    before, most = len(list(server.iterdir())), 0
    liar = Liar(run)
    try:
        for number in range(2000):
            # Another address each time, under the same incarnation: two that claim to be agent 1.
            hello = Hello("agent", f"tcp://127.0.0.1:{2000 + number}", netagents.__version__, number)
            liar.send(Kind.HELLO, 0, hello)
            if number % 20 == 0 and run.process.poll() is None:
                most = max(most, len(list(server.iterdir())))
    finally:
        liar.close()
    ended = run.ended(90.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    # A link takes a handful; the liar's own connection two.
    assert most - before <= 12 * MOST_ANSWERS + 20
    assert same_bits(undisturbed(merged(LINE, LONG), tmp_path / "one"), run.records) == []
