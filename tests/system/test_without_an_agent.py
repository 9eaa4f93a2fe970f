"""A run goes on without an agent that is lost, exactly as if it had been absent since the start of that iteration."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_run import LINE, Settings, merged, patience, wait_until
from oracle_run import Oracle, assert_same_parameters

import netagents
from netagents.errors import ExperimentError
from netagents.experiment import load_experiment
from netagents.reports.summary import summary_rows

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

ITERATIONS = 24


def without(stand_in: str, *faults: Settings) -> Settings:
    return {"failures": {"agent": "continue_without", "stand_in": stand_in}, "learning": {"iterations": ITERATIONS}, "faults": [*faults]}


def crash(agent: int, iteration: int, phase: str = "sample", step: int = 0) -> Settings:
    return {"kind": "crash", "agent": agent, "iteration": iteration, "phase": phase, "step": step}


@pytest.mark.parametrize(
    ("stand_in", "credit", "fault"),
    [
        ("random", "shared_q", crash(3, 9, "sample", 4)),
        ("noop", "shared_reward", crash(2, 9, "shadow_reward")),
        ("last", "shared_q", crash(0, 7, "truncated_q")),
        ("last", "shared_q", crash(4, 11, "sample", 0)),
    ],
    ids=["random_sample", "noop_shadow_reward", "last_truncated_q", "last_first_step"],
)
def test_the_others_learn_what_they_would_have_learned_without_it(stand_in: str, credit: str, fault: Settings, start: Starter) -> None:
    settings = merged(LINE, without(stand_in, fault), {"learning": {"credit": credit}})
    run = start(settings)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    records, agent = run.records, fault["agent"]
    (lost,) = (event for event in records.events if event["event"] == "lost")
    # A report that was still on its way takes the others back one iteration more.
    assert fault["iteration"] - 1 <= lost["iteration"] <= fault["iteration"]
    assert (lost["agent"], lost["stand_in"], lost["line"]) == (agent, stand_in, "was killed by SIGKILL")
    assert records.state == "finished"
    assert len(records.iterations) == ITERATIONS
    plain = merged(settings, {"faults": [], "failures": {"agent": "stop_all"}})
    oracle = Oracle(plain, stand_in, {agent: lost["iteration"]})
    assert_same_parameters(run, oracle, [each for each in range(6) if each != agent])
    assert (
        "lost",
        f"agent {agent} from iteration {lost['iteration']} on ({stand_in} in its place): was killed by SIGKILL",
    ) in summary_rows(records)
    # Its return is still known, what only it could know is not.
    assert np.isfinite(records.agent_metric("return")).all()
    assert np.isnan(records.agent_metric("policy_entropy")[lost["iteration"] :, agent]).all()
    assert np.isfinite(records.agent_metric("policy_entropy")[: lost["iteration"]]).all()
    # Nobody speaks to it any more, and it speaks to nobody.
    changes = records.ledger.changes
    last = {tuple(row[1:4]): row[5] for row in changes.tolist()}
    assert all(count == 0 for (sender, _, receiver), count in last.items() if agent in (sender, receiver))


def test_two_agents_are_lost_one_after_the_other(start: Starter) -> None:
    settings = merged(LINE, without("random", crash(1, 6, "trace"), crash(5, 13, "sample", 7)))
    run = start(settings)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    lost = {event["agent"]: event["iteration"] for event in run.records.events if event["event"] == "lost"}
    assert set(lost) == {1, 5}
    oracle = Oracle(merged(settings, {"faults": [], "failures": {"agent": "stop_all"}}), "random", lost)
    assert_same_parameters(run, oracle, [0, 2, 3, 4])


def test_a_frozen_agent_is_found_silent_and_done_without(start: Starter) -> None:
    run = start(merged(LINE, without("noop"), {"timeouts": {"answer": 1.0}, "learning": {"iterations": 4000}}))
    run.wait_for_rows(3)
    run.send("agent_3", signal.SIGSTOP)

    def lost() -> bool:
        return any(event["event"] == "lost" for event in run.records.events)

    within(lost, 1.0 + 1.0)
    run.send("launcher", signal.SIGINT)
    assert run.ended(5.0).code == 130
    run.assert_nothing_left()
    (event,) = (event for event in run.records.events if event["event"] == "lost")
    assert (event["agent"], event["line"]) == (3, "gave no sign of life for 1 s")


def within(condition: Callable[[], bool], seconds: float) -> None:
    """A deadline holds up to one second more, and longer on a busy machine."""
    wait_until(condition, "what the deadline promises", patience(seconds))


def test_without_anybody_left_the_run_ends_and_says_so(start: Starter) -> None:
    faults = [crash(agent, 3, "sample", 2) for agent in range(6)]
    run = start(merged(LINE, without("noop", *faults)))
    ended = run.ended(60.0)
    run.assert_nothing_left()
    assert ended.code == 10
    assert "no agent is left" in ended.last_line
    assert run.records.state == "failed"


def test_a_resumed_run_begins_with_everybody_again(start: Starter) -> None:
    settings = merged(LINE, without("noop", crash(2, 5)), {"checkpoints": {"every": 4}})
    run = start(settings)
    assert run.ended(60.0).code == 0
    resumed = netagents.resume(run.path, learning={"iterations": ITERATIONS + 6})
    assert resumed.state == "finished"
    assert np.isfinite(resumed.agent_metric("policy_entropy")[ITERATIONS:]).all()
    (lost,) = (event["iteration"] for event in resumed.events if event["event"] == "lost")
    assert ("lost", f"agent 2 in iterations {lost} to {ITERATIONS - 1} (noop in its place): was killed by SIGKILL") in summary_rows(resumed)
    # It comes back with what it knew at the checkpoint before it was lost, and learns on from there.
    assert (resumed.parameters(2)["policy.logits"] != 0.0).any()


def test_settings_that_cannot_hold_are_refused() -> None:
    with pytest.raises(ExperimentError, match=r"answer 40 s must be below exchange 30 s"):
        load_experiment(merged(LINE, without("noop"), {"timeouts": {"answer": 40.0}}))
    with pytest.raises(ExperimentError, match=r"continue_without needs routing direct"):
        load_experiment(merged(LINE, without("noop"), {"routing": "relay"}))
    with pytest.raises(ExperimentError, match=r"fault crash strikes a process, and in_process has one for all"):
        load_experiment(merged(LINE, {"faults": [crash(0, 0)], "runtime": {"launcher": "in_process"}}))
