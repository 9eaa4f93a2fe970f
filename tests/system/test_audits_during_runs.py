"""Audits during a run with real processes: the same bits with and without, over every kind of link, and after an agent died in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, Settings, merged, undisturbed
from node_windows import ByHand

import netagents
from netagents.errors import NodeFailedError
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

AUDIT: Settings = {"power": {"audit": {"every": 2, "visits": 4, "replicates": 2, "tail": 0.3}}}
SMALL: Settings = merged(
    LINE, {"topology": {"n": 4}, "kappa": 1, "learning": {"iterations": 5, "gamma": 0.7, "horizon": 5}, "checkpoints": {"every": 2}}
)
AUDITED = merged(SMALL, AUDIT)
CRASH: Settings = {"faults": [{"kind": "crash", "agent": 2, "iteration": 2, "phase": "audit", "step": 3}]}


def without_audits(lines: list[str]) -> list[str]:
    """Differences but those of the audits themselves: their records, and their messages in the ledger."""
    return [line for line in lines if not line.startswith(("audits:", "ledger:", "parameters: ledger.open"))]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> netagents.Run:
    return undisturbed(AUDITED, tmp_path_factory.mktemp("audits") / "one")


@pytest.mark.parametrize("link", ["unix", "ipc", "tcp", "relay"])
def test_processes_audit_to_the_bits_of_one_process_and_learn_what_they_would_without(
    link: str, one: netagents.Run, tmp_path: Path
) -> None:
    settings = {"routing": "relay"} if link == "relay" else {"runtime": {"transport": link}}
    many = netagents.run(merged(AUDITED, settings, {"runtime": {"launcher": "local"}}), directory=tmp_path / "many")
    assert same_bits(one, many) == []
    assert sorted(many.audited_power) == [0, 2, 4]
    if link == "unix":
        plain = netagents.run(merged(SMALL, {"runtime": {"launcher": "local"}}), directory=tmp_path / "plain")
        differences = same_bits(plain, many)
        assert without_audits(differences) == []
        assert len(differences) > 0


def test_nodes_started_by_hand_audit_to_the_bits_of_one_process(one: netagents.Run, tmp_path: Path, shell: ByHand) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(json.dumps(AUDITED))
    listen = ["--listen", "tcp://127.0.0.1:0", "--announce", str(tmp_path / "address"), "--out", str(tmp_path / "run")]
    roles = ["monitor", *(f"agent-{i}" for i in range(4))]
    shell.node("environment", "environment", "--experiment", str(file), *listen)
    for role in roles:
        shell.node(role, role, "--join", f"file://{tmp_path}/address")
    codes = {role: shell.code(role, 120.0) for role in ("environment", *roles)}
    assert set(codes.values()) == {0}, {role: shell.log_lines(role) for role in codes}
    assert same_bits(one, netagents.Run.open(tmp_path / "run")) == []


def test_an_agent_that_is_killed_in_an_audit_is_started_again_and_the_bits_are_the_same(one: netagents.Run, start: Starter) -> None:
    restart = {"failures": {"agent": "restart", "restarts": 3, "delay": 0.1}}
    run = start(merged(AUDITED, restart, CRASH))
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert [event["agent"] for event in run.records.events if event["event"] == "restarted"] == [2]
    assert same_bits(one, run.records) == []


def test_an_agent_that_dies_in_an_audit_ends_the_run_which_then_goes_on_from_its_checkpoint(one: netagents.Run, tmp_path: Path) -> None:
    with pytest.raises(NodeFailedError, match="agent_2"):
        netagents.run(merged(AUDITED, {"runtime": {"launcher": "local"}}, CRASH), directory=tmp_path / "run")
    died = netagents.Run.open(tmp_path / "run")
    assert died.state == "failed"
    assert sorted(died.audited_power) == [0]
    whole = netagents.resume(tmp_path / "run")
    assert same_bits(one, whole) == []


def test_a_resumed_run_may_begin_audits_because_they_change_nothing(one: netagents.Run, tmp_path: Path) -> None:
    netagents.run(merged(SMALL, {"runtime": {"launcher": "in_process"}, "learning": {"iterations": 2}}), directory=tmp_path / "run")
    words = [f"power.audit.{name}={value}" for name, value in AUDIT["power"]["audit"].items()]
    later = netagents.resume(tmp_path / "run", "learning.iterations=5", *words)
    assert sorted(later.audited_power) == [2, 4]
    assert without_audits(same_bits(one, later)) == []


def test_a_message_that_is_lost_in_an_audit_ends_the_run_and_is_named(tmp_path: Path) -> None:
    lost = {"kind": "drop", "message": "branch_state", "sender": 1, "receiver": 2, "iteration": 2, "step": 2}
    settings = merged(AUDITED, {"runtime": {"launcher": "local"}, "faults": [lost], "timeouts": {"exchange": 1.5}})
    with pytest.raises(NodeFailedError, match="branch_state of iteration 2, step 2 from agent 1"):
        netagents.run(settings, directory=tmp_path / "run")
