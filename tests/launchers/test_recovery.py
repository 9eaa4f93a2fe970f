"""Which failures a run survives, and what is done about them."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.experiment.failure_settings import FailureSettings
from netagents.launchers.supervision.restarts import ContinueWithout, Restarts
from netagents.launchers.supervision.supervisor_events import Exited, NodeSpec

AGENTS = ["agent_0", "agent_1"]
ALL = ["environment", *AGENTS]


def exited(role: str, code: int | None = -signal.SIGKILL, name: str | None = "SIGKILL") -> Exited:
    return Exited(role, 4711, code, name, True)


def test_the_server_is_told_who_was_lost_and_how() -> None:
    losses: list[tuple[str, str]] = []
    recovery = ContinueWithout(AGENTS, lambda role, how: losses.append((role, how)))
    assert not recovery.is_over(["agent_0"])
    assert recovery.plan(exited("agent_1"), ALL, 0.0)
    assert recovery.plan(exited("agent_0", 9, None), ALL, 1.0)
    assert losses == [("agent_1", "was killed by SIGKILL"), ("agent_0", "ended with exit code 9")]
    # Nobody goes on without the server, and nobody else is done without.
    assert not recovery.plan(exited("agent_0"), AGENTS, 2.0)
    assert not recovery.plan(exited("environment"), AGENTS, 2.0)
    assert not recovery.plan(exited("forkserver"), ALL, 2.0)
    assert len(losses) == 2
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


@given(
    restarts=st.integers(1, 4),
    failures=st.lists(st.tuples(st.sampled_from([*AGENTS, "environment", "monitor"]), st.floats(0.0, 5.0)), max_size=40),
)
def test_whoever_fails_and_however_often_the_budget_is_never_exceeded(restarts: int, failures: list[tuple[str, float]]) -> None:
    recovery = Restarts(FailureSettings(agent="restart", restarts=restarts, delay=0.5), AGENTS)
    now, starts, incarnations = 0.0, dict.fromkeys(AGENTS, 0), []
    running = set(ALL)
    for role, pause in failures:
        now += pause
        if role in running and recovery.plan(exited(role), running - {role}, now):
            running.discard(role)
        for ready in recovery.take(now):
            assert ready not in running, "one process of a role at a time"
            running.add(ready)
            starts[ready] += 1
            incarnations.append(recovery.next_incarnation(NodeSpec(ready, "a:b")).arguments["incarnation"])
    assert max(starts.values()) <= restarts
    # No two processes of a run share a number, and later ones have higher ones.
    assert incarnations == [str(number) for number in range(1, len(incarnations) + 1)]


def test_a_silent_process_is_killed_and_its_successor_has_its_time() -> None:
    recovery = Restarts(FailureSettings(agent="restart", restarts=3, delay=0.0), AGENTS)
    assert recovery.may_end("agent_1", 0, 10.0, 2.0)
    recovery.plan(exited("agent_1"), ALL, 10.0)
    assert recovery.take(10.0) == ["agent_1"]
    recovery.next_incarnation(NodeSpec("agent_1", "a:b"))
    # The server still speaks of the first process while the second one starts.
    assert not recovery.may_end("agent_1", 0, 11.9, 2.0)
    assert recovery.may_end("agent_1", 0, 12.0, 2.0), "it never said hello"
    assert recovery.may_end("agent_1", 1, 10.1, 2.0)
