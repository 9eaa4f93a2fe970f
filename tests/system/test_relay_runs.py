"""Relay routing with real processes: the bits of direct links, over links to neighbours only, and liars on the way change none of them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from live_run import LINE, WIRELESS, LiveRun, Settings, merged, wait_until

import netagents
from netagents.errors import NodeFailedError
from netagents.messages import Bundle, Envelope, Kind, State
from netagents.records.process_log import read_log
from netagents.records.same_bits import same_bits
from netagents.wire.codec import Codec
from netagents.wire.security.key_bundles import CurveCredentials, load_bundle
from netagents.wire.transport.transport import LinkSettings, open_transport

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

RELAY: Settings = {"routing": "relay"}
FAR: Settings = merged(LINE, {"kappa": 4, "kappa_policy": 3})
EDGES: Settings = merged(
    LINE,
    {
        "environment": {"kind": "random_networked", "task_seed": 1},
        # A square with a tail and a triangle: two shortest paths, and a node that nobody needs to pass.
        "topology": {"kind": "edges", "n": 7, "edges": [[0, 1], [0, 2], [1, 3], [2, 3], [3, 4], [4, 5], [4, 6], [5, 6]]},
        "kappa": 2,
        "kappa_policy": [0, 2, 1, 0, 3, 0, 1],
        "kappa_critic": [1, 2, 1, 1, 3, 0, 2],
        "kappa_gradient": [3, 0, 2, 1, 4, 0, 0],
    },
)


def in_process(settings: Settings, path: Path) -> netagents.Run:
    return netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}, "faults": []}), directory=path)


def account(run: netagents.Run) -> dict[str, Any]:
    (traffic,) = [event for event in run.events if event["event"] == "traffic"]
    mapping: dict[str, Any] = traffic["carried"]
    return mapping


@pytest.mark.parametrize(
    ("settings", "transport"),
    [
        (FAR, "tcp"),
        (merged(FAR, {"learning": {"credit": "shared_reward", "evaluation": "fresh"}, "utility": {"kind": "entropy"}}), "ipc"),
        (merged(FAR, {"mute": ["truncated_q@1", "state@2", "trace@1"], "faults": [{"kind": "delay", "high": 0.001}]}), "ipc"),
        (merged(WIRELESS, {"kappa": 2, "kappa_policy": 1, "kappa_critic": 1}), "ipc"),
        (EDGES, "ipc"),
        (merged(FAR, {"information": "aged", "kappa_policy": 4}), "ipc"),
        (merged(LINE, {"kappa": 0}), "ipc"),
    ],
    ids=["far", "shared_reward", "muted", "wireless", "radius of one's own", "aged", "nothing to hear"],
)
def test_relay_leaves_the_bits_of_one_process_and_carries_what_the_ledger_says(settings: Settings, transport: str, tmp_path: Path) -> None:
    one = in_process(settings, tmp_path / "one")
    many = netagents.run(
        merged(settings, RELAY, {"runtime": {"transport": transport, "start_order_seed": 3}}), directory=tmp_path / "relay"
    )
    assert same_bits(one, many) == []
    counted = account(many)
    assert counted["agents"] == many.n
    assert {kind: tuple(each) for kind, each in counted["kinds"].items()} == dict(many.carried.by_kind())
    assert many.carried.total == in_process(merged(settings, RELAY), tmp_path / "two").carried.total
    # Links join neighbours, and every message that had further to go was handed on.
    edges = set(many.topology.edges)
    table = many.carried.table()
    assert all((min(pair), max(pair)) in edges for pair in zip(table["sender"].tolist(), table["receiver"].tolist(), strict=True))
    assert counted["bundles"] <= counted["handed_on"]
    farthest = max(many.ledger.by_hop(), default=0)
    assert (counted["handed_on"] > 0) == (farthest > 1)
    assert (counted["hop_milliseconds"] > 0.0) == (farthest > 1)


def test_a_lost_message_is_named_with_the_way_it_should_have_come(tmp_path: Path) -> None:
    fault = {"kind": "drop", "message": "truncated_q", "sender": 1, "receiver": 3, "iteration": 1}
    with pytest.raises(NodeFailedError) as caught:
        netagents.run(merged(FAR, RELAY, {"faults": [fault], "timeouts": {"exchange": 1.5}}), directory=tmp_path / "lost")
    assert "truncated_q of iteration 1, step 0 from agent 1 by way of agent 2" in str(caught.value)


def test_an_agent_that_is_killed_is_named(start: Starter) -> None:
    run = start(merged(FAR, RELAY, {"learning": {"iterations": 5000}}))
    run.wait_for_rows(3)
    run.send("agent_2", signal.SIGKILL)
    ended = run.ended(30.0)
    assert ended.code != 0
    assert "agent_2" in ended.last_line
    run.assert_nothing_left()


def test_a_forwarder_that_is_started_again_hands_on_again(start: Starter, tmp_path: Path) -> None:
    settings = merged(
        FAR, RELAY, {"learning": {"iterations": 40}, "failures": {"agent": "restart", "delay": 0.1}, "checkpoints": {"every": 7}}
    )
    run = start(settings)
    run.wait_for_rows(10)
    os.kill(run.pid("agent_3"), signal.SIGKILL)
    wait_until(lambda: any(event["event"] == "restarted" for event in run.records.events), "the restart")
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    plain = merged(settings, {"failures": {"agent": "stop_all"}})
    assert same_bits(in_process(plain, tmp_path / "whole"), run.records) == []


def bundle(run: LiveRun, forwarder: int, origin: int, iteration: int) -> list[bytes | memoryview]:
    """A lie that ``forwarder`` hands on in the name of ``origin``."""
    codec, own = Codec(), run.records.directory.run_id
    lie = State(np.ones(FAR["learning"]["batch"], dtype=np.uint8))
    (frame,) = codec.encode(Envelope(own, 0, origin, Kind.STATE, iteration, 3, lie))
    content = np.frombuffer(frame, np.uint8)
    sizes, sent = np.array([len(content)], np.int32), np.array([time.time_ns()], np.int64)
    return list(codec.encode(Envelope(own, 0, forwarder, Kind.BUNDLE, iteration, 0, Bundle(sizes, sent, content))))


def test_a_liar_with_a_neighbours_key_hands_on_nothing_that_is_not_on_its_way(start: Starter, tmp_path: Path) -> None:
    settings = merged(FAR, RELAY, {"learning": {"iterations": 150}, "runtime": {"transport": "tcp"}})
    run = start(settings)
    run.wait_for_rows(3)
    (keys,) = run.leaks.root.glob("netagents-*/keys")
    stolen_bundle = load_bundle(keys, 1)
    # Agent 1 of a line knows its neighbours and the server, and no other agent.
    assert set(stolen_bundle.peers) == {"agent-0", "agent-2", "environment"}
    transport = open_transport("tcp://x", LinkSettings(linger_seconds=1.0, credentials=CurveCredentials(stolen_bundle)))
    (endpoint,) = [
        str(entry["message"]).split()[2]
        for entry in read_log(run.path / "logs" / "agent_2.jsonl")
        if str(entry.get("message", "")).startswith("listening at ")
    ]
    link = transport.connect(endpoint, "agent-2")
    iteration = len(run.records.returns)
    for origin in (4, 5, 3, 2):  # whose messages reach agent 2 from the other side, if at all
        link.send(bundle(run, 1, origin, iteration), 5.0)
    link.send(bundle(run, 3, 4, iteration), 5.0)  # a bundle in the name of agent 3, with the key of agent 1
    assert len(run.records.returns) < 149, "the run was over before it was disturbed"
    ended = run.ended(60.0)
    transport.close()
    assert ended.code == 0, ended.err
    assert same_bits(in_process(settings, tmp_path / "undisturbed"), run.records) == []
    (traffic,) = [event for event in run.records.events if event["event"] == "traffic"]
    assert traffic["refused"]["agent 2"] == {"off route": 4, "forged sender": 1}
