"""Which failures a run survives, and what is done about them."""

from __future__ import annotations

import signal

import pytest

from netagents.experiment.failure_settings import FailureSettings
from netagents.launchers.supervision.restarts import ContinueWithout, Restarts
from netagents.launchers.supervision.supervisor_events import Exited, NodeSpec

AGENTS = ["agent_0", "agent_1"]
ALL = ["environment", *AGENTS]


def exited(role: str, code: int | None = -signal.SIGKILL, name: str | None = "SIGKILL") -> Exited:
    return Exited(role, 4711, code, name, True)


def test_the_server_is_told_who_was_lost_and_how() -> None:
    told: list[tuple[str, str]] = []
    recovery = ContinueWithout(AGENTS, lambda role, how: told.append((role, how)))
    assert not recovery.is_over(["agent_0"])
    assert recovery.plan(exited("agent_1"), ALL, 0.0)
    assert recovery.plan(exited("agent_0", 9, None), ALL, 1.0)
    assert told == [("agent_1", "was killed by SIGKILL"), ("agent_0", "ended with exit code 9")]
    # Nobody goes on without the server, and nobody else is done without.
    assert not recovery.plan(exited("agent_0"), AGENTS, 2.0)
    assert not recovery.plan(exited("environment"), AGENTS, 2.0)
    assert not recovery.plan(exited("forkserver"), ALL, 2.0)
    assert len(told) == 2
    assert recovery.take(100.0) == []
    assert recovery.wait(100.0, 0.5) == 0.5
    assert recovery.is_over(["agent_0"])
    assert not recovery.is_over(ALL)


def test_restarts_are_delayed_ever_longer_and_end_with_their_budget() -> None:
    recovery = Restarts(FailureSettings(agent="restart", restarts=3, delay=0.5), AGENTS)
    now = 10.0
    for count, delay in enumerate((0.5, 1.0, 2.0), start=1):
        assert recovery.plan(exited("agent_1"), ALL, now)
        assert recovery.attempt("agent_1") == f"restart {count} of 3"
        assert recovery.take(now + delay - 0.01) == []
        assert recovery.wait(now + delay - 0.25, 100.0) == pytest.approx(0.25)
        assert recovery.take(now + delay) == ["agent_1"]
        assert recovery.take(now + delay) == []
        assert recovery.next_incarnation(NodeSpec("agent_1", "a:b", {"x": 1})).arguments == {"x": 1, "incarnation": str(count)}
        now += 100.0
    assert not recovery.plan(exited("agent_1"), ALL, now)
    assert recovery.plan(exited("agent_0"), ALL, now)
    assert not recovery.plan(exited("agent_0"), AGENTS, now)
