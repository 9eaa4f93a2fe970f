"""Real processes over bad links: in lockstep the same bits, every promise kept on every link, and the cost in the ledger."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_run import LINE, WIRELESS, Settings, merged, patience, undisturbed, wait_until
from test_restart import RESTART, restarts

import netagents
from netagents.errors import DeadlineError, NodeFailedError
from netagents.records.same_bits import same_bits
from netagents.reports.run_report import report
from netagents.reports.summary import summary_text
from netagents.testing import check_history, read_histories

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

LOSSY: Settings = {"faults": [{"kind": "link", "loss": 0.2, "delay": 0.002, "jitter": 0.001}]}
"""A fifth of all transmissions is lost on every link, the server's included, and the rest is late."""
NASTY: Settings = {"faults": [{"kind": "link", "loss": 0.2, "delay": 0.002, "jitter": 0.002, "duplicate": 0.1, "reorder": 0.1}]}
SHORT: Settings = {"learning": {"iterations": 2, "horizon": 5}}
RELIABLE = {"step", "action", "state", "trace", "shadow_reward", "truncated_q", "report", "snapshot", "bundle"}


def cost(run: netagents.Run, name: str) -> int:
    return int(run.link_costs[name].sum())


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (LINE, LOSSY),
        (merged(LINE, SHORT, {"learning": {"credit": "shared_reward"}}), merged(NASTY, {"runtime": {"transport": "tcp"}})),
        (merged(LINE, SHORT, {"routing": "relay"}), NASTY),
        (merged(WIRELESS, SHORT), NASTY),
        # Agent 0 hears of agents that it never speaks to.
        (merged(LINE, SHORT, {"kappa": 1, "kappa_critic": [3, 1, 1, 0, 1, 2]}), merged(NASTY, {"runtime": {"transport": "tcp"}})),
    ],
    ids=["line", "line-tcp", "line-relay", "wireless", "one-way"],
)
def test_a_fifth_lost_and_the_rest_late_leaves_the_same_bits(settings: Settings, changes: Settings, tmp_path: Path) -> None:
    one = undisturbed(settings, tmp_path / "one")
    runtime = {**changes.get("runtime", {}), "launcher": "local", "history": str(tmp_path / "history")}
    run = netagents.run(merged(settings, changes, {"runtime": runtime}), directory=tmp_path / "run")
    assert run.state == "finished"
    assert same_bits(one, run) == []
    histories = read_histories(tmp_path / "history")
    assert sorted(histories) == list(range(-1, run.n))
    assert check_history(histories, RELIABLE) == []
    delivered = sum(event.what == "delivered" for history in histories.values() for event in history)
    # The ledger of costs is that of this run: every message that was handed over is one that was delivered.
    assert delivered == cost(run, "messages")
    transmissions = cost(run, "transmissions")
    assert transmissions == cost(run, "messages") + cost(run, "resent") + cost(run, "acknowledgements")
    assert cost(run, "lost") / transmissions == pytest.approx(0.2, abs=0.05)
    assert cost(run, "resent") > 0.1 * cost(run, "messages")
    links = set(zip(run.link_costs["sender"].tolist(), run.link_costs["receiver"].tolist(), strict=True))
    assert links >= {(-1, agent) for agent in range(run.n)} | {(agent, -1) for agent in range(run.n)}
    assert "transmissions with" in summary_text(run)
    assert "What bad links cost" in report(run)
    assert "What bad links cost" not in report(one)
    assert one.link_costs.rows == 0


def test_a_partition_that_heals_within_the_deadline_costs_time_and_nothing_else(tmp_path: Path) -> None:
    partition = {"kind": "partition", "groups": [[0, 1, 2]], "server": 0, "start": 1, "until": 3, "seconds": 1.5}
    run = netagents.run(merged(LINE, {"faults": [partition]}), directory=tmp_path / "run")
    assert same_bits(undisturbed(LINE, tmp_path / "one"), run) == []
    assert run.seconds[1] - run.seconds[0] > 1.4
    lost = dict(
        zip(zip(run.link_costs["sender"].tolist(), run.link_costs["receiver"].tolist(), strict=True), run.link_costs["lost"], strict=True)
    )
    assert set(lost) == {(-1, 3), (3, -1), (-1, 4), (4, -1), (-1, 5), (5, -1), (1, 3), (3, 1), (2, 3), (3, 2), (2, 4), (4, 2)}
    # Who is cut from the server waits for its next state; the server tries in vain.
    assert min(lost[-1, agent] for agent in (3, 4, 5)) > 1


@pytest.mark.parametrize("launcher", ["local", "in_process"])
def test_a_partition_that_lasts_is_a_clear_error_within_the_deadline(launcher: str, tmp_path: Path) -> None:
    partition = {"kind": "partition", "groups": [[0, 1, 2]], "start": 1}
    settings = merged(LINE, {"faults": [partition], "timeouts": {"exchange": 2.0}, "runtime": {"launcher": launcher}})
    start = time.monotonic()
    with pytest.raises((NodeFailedError, DeadlineError)) as caught:
        netagents.run(settings, directory=tmp_path / "run")
    assert launcher == "in_process" or time.monotonic() - start < patience(2.0 + 8.0)
    line = str(caught.value)
    assert "\n" not in line
    assert "faults.0 cuts" in line
    # Agents 2 and 3 stand on both sides of the cut, and hear each other in every step.
    assert "agent 2 -> agent 3" in line or "agent 3 -> agent 2" in line
    assert netagents.Run.open(tmp_path / "run").state == "failed"
    assert launcher == "local" or cost(netagents.Run.open(tmp_path / "run"), "lost") > 0


def test_a_restart_over_bad_links_leaves_the_same_bits(start: Starter, tmp_path: Path) -> None:
    settings = merged(
        LINE, RESTART, NASTY, {"learning": {"iterations": 9, "horizon": 3}, "runtime": {"history": str(tmp_path / "history")}}
    )
    run = start(settings)
    run.wait_for_rows(3)
    os.kill(run.newest_pid("agent_2"), signal.SIGKILL)
    wait_until(lambda: restarts(run) > 0 or run.process.poll() is not None, "the restart")
    ended = run.ended(90.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    one = undisturbed(settings, tmp_path / "one")
    assert same_bits(one, run.records) == []
    violations = check_history(read_histories(tmp_path / "history"), RELIABLE)
    # The killed agent's own last words before its death may be missing from its history, never from others' bits.
    assert [str(violation) for violation in violations if 2 not in violation[1:3]] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"clock": {"kind": "bounded_staleness", "steps": 2, "grace": 0.01}},
        {"clock": {"kind": "free_running", "period": 0.02}},
        {"failures": {"agent": "continue_without"}},
    ],
    ids=["bounded_staleness", "free_running", "continue_without"],
)
def test_a_lossy_run_finishes_under_every_clock(changes: Settings, tmp_path: Path) -> None:
    run = netagents.run(merged(LINE, SHORT, LOSSY, changes, {"timeouts": {"exchange": 20.0}}), directory=tmp_path / "run")
    assert run.state == "finished"
    assert len(run.iterations) == 2
    assert cost(run, "lost") > 0
    assert not [event for event in run.events if event["event"] == "lost"]


def test_one_process_charges_about_what_processes_pay(tmp_path: Path) -> None:
    settings = merged(LINE, SHORT, LOSSY)
    one = netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(undisturbed(settings, tmp_path / "calm"), one) == []
    many = netagents.run(settings, directory=tmp_path / "many")
    assert same_bits(one, many) == []
    assert cost(one, "messages") == cost(many, "messages")
    links = [np.column_stack([run.link_costs[name] for name in ("sender", "receiver", "messages")]) for run in (one, many)]
    assert np.array_equal(*links)
