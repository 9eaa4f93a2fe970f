"""Restarts over tcp, where a new process has a new port and shakes hands with its keys; and one whose keys do not fit any more."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, Settings, merged, undisturbed
from test_restart import RESTART, kill_agents, restarts

from netagents.records.process_log import read_log
from netagents.records.same_bits import same_bits
from netagents.wire.security.key_bundles import load_bundle, make_bundles, write_bundles

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

TCP: Settings = {"runtime": {"transport": "tcp"}}


def test_restarted_agents_shake_hands_again_and_leave_the_same_bits(start: Starter, tmp_path: Path) -> None:
    long = merged(LINE, RESTART, TCP, {"learning": {"iterations": 60}})
    run = start(long)
    kill_agents(run, 3, 11)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert restarts(run) == 3
    assert same_bits(undisturbed(long, tmp_path / "whole"), run.records) == []
    (traffic,) = [event for event in run.records.events if event["event"] == "traffic"]
    # Who dies leaves links that were cut; nobody was taken for a stranger.
    assert traffic["refused"]["environment"]["link cut"] >= 3
    assert not [node for node, counted in traffic["refused"].items() if "handshake refused" in counted], traffic["refused"]


def test_an_agent_that_comes_back_with_other_keys_is_named_as_the_one_that_failed(start: Starter) -> None:
    policy = {"failures": {"agent": "restart", "restarts": 1, "delay": 1.0}}
    run = start(merged(LINE, TCP, policy, {"learning": {"iterations": 100_000}}))
    run.wait_for_rows(3)
    (keys,) = run.leaks.root.glob("netagents-*/keys")
    own = load_bundle(keys, 3)
    run.send("agent_3", signal.SIGKILL)
    # Of another bundle, as a person might mix them up: it knows the server, but the server does not know it.
    (keys / "agent-3").rename(keys / "before")
    write_bundles([replace(make_bundles({3: ()})[3], peers=own.peers)], keys / "other")
    (keys / "other" / "agent-3").rename(keys / "agent-3")
    ended = run.ended(20.0)
    run.assert_nothing_left()
    assert ended.code == 10
    assert ended.last_line.startswith("netagents: error: agent_3: "), ended.err
    assert "environment refused this node's key: it is of another run, or this node is outside its radius" in ended.err
    messages = [str(entry.get("message")) for entry in read_log(run.path / "logs" / "environment.jsonl")]
    assert sum("refused a key from 127.0.0.1" in line for line in messages) == 1


def test_a_link_that_cannot_be_made_again_is_what_the_others_fail_with(start: Starter) -> None:
    # Agent 2 speaks to agent 3, but does not listen to it: so it is agent 2 that finds out, and agent 3 waits for its Hello.
    uneven = [1, 1, 0, 1]
    radii = {"kappa": 1, "kappa_policy": uneven, "kappa_critic": uneven, "kappa_gradient": uneven, "topology": {"n": 4}}
    policy = {"failures": {"agent": "restart", "restarts": 1, "delay": 0.1}, "timeouts": {"ready": 6.0}}
    run = start(merged(LINE, TCP, radii, policy, {"learning": {"iterations": 100_000}}))
    run.wait_for_rows(3)
    (keys,) = run.leaks.root.glob("netagents-*/keys")
    file = keys / "agent-3" / "public.json"
    facts = json.loads(file.read_text())
    facts["peers"]["agent-2"] = make_bundles({2: ()})[2].public.decode()
    file.write_text(json.dumps(facts))
    run.send("agent_3", signal.SIGKILL)
    ended = run.ended(30.0)
    run.assert_nothing_left()
    assert ended.code == 10
    messages = [str(entry.get("message")) for entry in read_log(run.path / "logs" / "agent_2.jsonl")]
    assert (
        sum("agent-3 refused this node's key: it is of another run, or this node is outside its radius" in line for line in messages) >= 1
    )
    assert ended.last_line.startswith("netagents: error: agent_2: "), ended.err
    assert "agent-3 refused this node's key" in ended.err
