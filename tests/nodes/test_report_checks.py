"""What an agent may report: honest numbers pass, impossible ones are said in words; and how often newcomers are answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

import netagents.nodes.server.newcomers as module
from netagents.errors import ProtocolError
from netagents.experiment import load_experiment
from netagents.learning import Setup
from netagents.learning.prepared_experiment import prepare
from netagents.messages import LINK_COSTS, DropCounts, Heartbeat, Hello, Kind, RelayStats, Report
from netagents.nodes.server.newcomers import MOST_ANSWERS, MOST_PROCESSES, Newcomers
from netagents.nodes.server.report_checks import LEAST, SLACK, ReportChecks
from netagents.wire import open_transport

HUGE = 10**12


@pytest.fixture(scope="module")
def setup() -> Setup:
    return prepare(load_experiment(line_msg(6, kappa=2, kappa_policy=1, batch=8, horizon=10)).experiment).setup


def report(setup: Setup, **changes: Any) -> Report:
    ledger = np.array([[Kind.ACTION, -1, 0, 11, 88], [Kind.STATE, 1, 1, 11, 88], [Kind.TRACE, 2, 2, 1, 352]], np.int64)
    power = np.array([[0.0, 0.5, 0.1, 1.0, 30.0, 0.0], [2.0, np.nan, np.nan, 0.0, 0.0, 0.0]])
    return Report(np.zeros(len(setup.metric_names)), power, ledger, np.zeros(3))._replace(**changes)


def test_an_honest_report_passes(setup: Setup) -> None:
    assert ReportChecks(setup).breach(0, report(setup)) is None


def row(*numbers: int) -> Callable[[Setup], Report]:
    return lambda setup: report(setup, ledger=np.array([numbers], np.int64))


@pytest.mark.parametrize(
    ("lie", "what"),
    [
        (row(Kind.ACTION, -1, 0, HUGE, HUGE), "reported 1,000,000,000,000 messages of kind action in one iteration"),
        (row(Kind.ACTION, -1, 0, -1, 0), "reported -1 messages of kind action in one iteration"),
        (row(Kind.ACTION, -1, 0, 2, HUGE), "reported 1,000,000,000,000 bytes in 2 messages of kind action"),
        (row(Kind.ACTION, -1, 0, 2, -5), "reported -5 bytes in 2 messages of kind action"),
        (row(Kind.STATE, 5, 5, 1, 8), "reported messages of kind 12 to node 5, which it does not send"),
        (row(77, -1, 0, 1, 8), "reported messages of kind 77 to node -1, which it does not send"),
        (row(Kind.STATE, 1, -1, 1, 8), "reported messages of kind 12 to node 1, which it does not send"),
        (lambda setup: report(setup, metrics=np.zeros(3)), "reported 3 metrics, not"),
        (lambda setup: report(setup, timing=np.array([0.0, np.inf, 0.0])), "reported times that cannot be"),
        (lambda setup: report(setup, power=np.array([[9.0, 0, 0, 1, 1, 0]])), "reported power of agents that there are not"),
        (lambda setup: report(setup, power=np.array([[1.5, 0, 0, 1, 1, 0]])), "reported power of agents that there are not"),
        (lambda setup: report(setup, power=np.array([[1.0, 0, 0, 7, 1, 0]])), "reported a known share outside 0 to 1"),
    ],
)
def test_what_cannot_be_is_said_in_words(lie: Callable[[Setup], Report], what: str, setup: Setup) -> None:
    breach = ReportChecks(setup).breach(0, lie(setup))
    assert breach is not None
    assert breach.startswith(what)


def test_as_many_messages_as_an_algorithm_may_need_pass(setup: Setup) -> None:
    most = max(LEAST, SLACK * (setup.steps + 2))
    checks = ReportChecks(setup)
    assert checks.breach(0, row(Kind.ACTION, -1, 0, most, 8 * most)(setup)) is None
    assert checks.breach(0, row(Kind.ACTION, -1, 0, most + 1, 8 * most)(setup)) is not None


def test_counts_from_time_to_time_are_bounded_too(setup: Setup) -> None:
    checks = ReportChecks(setup)
    costs = np.zeros((1, 2 + len(LINK_COSTS)), np.int64)
    costs[0, :2] = 1, 2
    assert checks.report_breach(1, DropCounts(np.arange(16), costs)) is None
    assert checks.report_breach(1, Heartbeat(np.ones((4, 18), np.int64))) is None
    assert checks.report_breach(1, DropCounts(np.full(3, HUGE))) == "reported 1,000,000,000,000 refused messages"
    assert checks.report_breach(1, DropCounts(np.full(3, -1))) == "reported -1 refused messages"
    assert checks.report_breach(3, DropCounts(np.zeros(3, np.int64), costs)) == "reported costs of links that it does not have"
    assert checks.report_breach(1, Heartbeat(np.full((4, 18), HUGE))) == "reported 1,000,000,000,000 ages of messages"
    relayed = RelayStats(np.array([[Kind.STATE, HUGE, 1]]), np.zeros(4, np.int64))
    assert checks.report_breach(1, relayed) == "reported 1,000,000,000,000 messages passed on"


def test_few_of_many_that_do_not_belong_here_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module, "waiting_clock", lambda: now[0])
    transport = open_transport("memory://x")
    try:
        listener = transport.listen("memory://*")
        newcomers = Newcomers(transport, linger=1.0, window=30.0)
        error = ProtocolError("two nodes claim to be agent 1")
        for number in range(100):
            newcomers.refuse(b"run-id-8", 1, Hello("agent", listener.endpoint, "1", number), error)
        assert len(listener.drain()) == MOST_ANSWERS
        now[0] += 1.5
        newcomers.refuse(b"run-id-8", 1, Hello("agent", listener.endpoint, "1", 100), error)
        assert len(listener.drain()) == 1
    finally:
        transport.close()


def test_an_agent_comes_back_a_few_times_within_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module, "waiting_clock", lambda: now[0])
    transport = open_transport("memory://x")
    newcomers = Newcomers(transport, linger=1.0, window=30.0)
    for _ in range(MOST_PROCESSES):
        newcomers.count_process(3)
    with pytest.raises(ProtocolError, match="agent 3 said hello as a new process 8 times in 30 s"):
        newcomers.count_process(3)
    newcomers.count_process(4)
    now[0] += 31.0
    newcomers.count_process(3)
    transport.close()
