"""Frames from outside the radius, from other runs, and garbage: dropped and counted, and the run's bits stay the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Starter
from live_run import LINE, LiveRun, merged

import netagents
from netagents.errors import DecodeError
from netagents.messages import ENVIRONMENT, MONITOR, Action, Envelope, Failed, Hello, Kind, Message, Start, State, Stop, TruncatedQ
from netagents.records.process_log import read_log
from netagents.records.same_bits import same_bits
from netagents.wire import UNKNOWN_RUN, LinkSettings, Transport, open_transport
from netagents.wire.codec import Codec

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SETTINGS = merged(LINE, {"learning": {"iterations": 40}, "faults": [{"kind": "delay", "low": 0.0, "high": 0.001}]})
BATCH, HORIZON = SETTINGS["learning"]["batch"], SETTINGS["learning"]["horizon"]
OTHER_RUN = bytes(range(8))


@pytest.fixture(params=["unix", "ipc"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def raw(scheme: str) -> Iterator[Transport]:
    transport = open_transport(f"{scheme}:///raw", LinkSettings(linger_seconds=0.5))
    yield transport
    transport.close()


def undisturbed(path: Path) -> netagents.Run:
    return netagents.run(merged(SETTINGS, {"runtime": {"launcher": "in_process"}, "faults": []}), directory=path)


def frames(run: bytes, sender: int, kind: Kind, iteration: int, step: int, message: Message) -> list[bytes | memoryview]:
    return Codec().encode(Envelope(run, 0, sender, kind, iteration, step, message))


def messages(run: LiveRun) -> list[list[bytes | memoryview]]:
    """What nobody may say to agent 0 of a line with kappa_policy 1 and kappa_gradient 2."""
    own, iteration = run.records.directory.run_id, len(run.records.returns)
    lie = State(np.ones(BATCH, dtype=np.uint8))
    messages_sent = [
        # Of this run, by agents that are too far away for that kind; now, soon and far in the future.
        *(frames(own, sender, Kind.STATE, iteration + later, step, lie) for sender in (2, 5) for later in (0, 1, 2, 9) for step in (0, 5)),
        *(frames(own, 4, Kind.TRUNCATED_Q, iteration + later, 0, TruncatedQ(np.ones((HORIZON, BATCH)))) for later in (0, 1)),
        # By nobody that there is, and of a kind that agents do not send each other.
        frames(own, 77, Kind.STATE, iteration, 0, lie),
        frames(own, MONITOR, Kind.STATE, iteration, 0, lie),
        frames(own, 1, Kind.ACTION, iteration + 1, 0, Action(np.ones(BATCH, dtype=np.uint8))),
        frames(own, 1, Kind.STOP, 0, 0, Stop("go home")),
        frames(own, 5, Kind.START, 0, 0, Start(3)),
        # Of other runs: by neighbours, by the server, by nodes that do not know their run.
        *(frames(run_id, 1, Kind.STATE, iteration + 1, 0, lie) for run_id in (OTHER_RUN, UNKNOWN_RUN)),
        *(frames(run_id, ENVIRONMENT, Kind.STOP, 0, 0, Stop("go home")) for run_id in (OTHER_RUN, UNKNOWN_RUN)),
        frames(OTHER_RUN, 1, Kind.FAILED, 0, 0, Failed("it is over", 1)),
        frames(OTHER_RUN, 1, Kind.HELLO, 0, 0, Hello("agent", "ipc:///nowhere", "0.0.1", 1)),
        frames(UNKNOWN_RUN, 4, Kind.HELLO, 0, 0, Hello("agent", "ipc:///nowhere", "0.0.1", 1)),
        # No messages at all.
        [b""],
        [b"\xff" * 1000],
        [bytes(frames(own, 1, Kind.STATE, iteration, 0, lie)[0])[:-3]],
        [b"x"] * 40,
    ]
    noise = np.random.default_rng(0)
    good = bytes(frames(own, 1, Kind.STATE, iteration + 1, 0, lie)[0])
    for _ in range(50):
        messages_sent.append([noise.bytes(int(noise.integers(1, 300)))])
        messages_sent.append([good[: int(noise.integers(4, len(good)))]])
    return messages_sent


def is_action(message: list[bytes | memoryview]) -> bool:
    try:
        return Codec().decode(message).kind is Kind.ACTION
    except DecodeError:
        return False


def test_what_no_agent_may_say_changes_no_bit(start: Starter, scheme: str, raw: Transport, tmp_path: Path) -> None:
    run = start(merged(SETTINGS, {"runtime": {"transport": scheme}}))
    run.wait_for_rows(5)
    links = {name: raw.connect(f"{scheme}://{run.socket(name)}") for name in ("agent_0", "environment")}
    messages_sent = messages(run)
    for message in messages_sent:
        links["agent_0"].send(message, 5.0)
    # The server hears the same, but for the action: the private directory vouches for who speaks, and agent 1 may act.
    forged = [message for message in messages_sent if not is_action(message)]
    assert len(forged) == len(messages_sent) - 1
    for message in forged:
        links["environment"].send(message, 5.0)
    assert len(run.records.returns) < 39, "the run was over before it was disturbed"
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert same_bits(undisturbed(tmp_path / "undisturbed"), run.records) == []
    log_text = " ".join(str(entry.get("message")) for entry in read_log(run.path / "logs" / "agent_0.jsonl"))
    for reason in ("outside radius", "unknown sender", "other run", "kind not allowed", "malformed"):
        assert reason in log_text, (reason, log_text)
    (traffic,) = [event for event in run.records.events if event["event"] == "traffic"]
    assert traffic["dropped"]["malformed"] >= 50


def test_the_ledger_shows_every_kind_within_its_radius(start: Starter) -> None:
    run = start(merged(LINE, {"kappa_policy": 1, "kappa_critic": 3, "kappa_gradient": 2, "topology": {"n": 8}}))
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    ledger = run.records.ledger
    farthest = ledger.farthest()
    assert {kind: farthest[kind] for kind in ("state", "trace", "shadow_reward", "truncated_q")} == {
        "state": 1,
        "trace": 3,
        "shadow_reward": 2,
        "truncated_q": 2,
    }
    distances = run.records.distances
    table = ledger.table()
    for sender, receiver, hop in zip(table["sender"], table["receiver"], table["hop"], strict=True):
        assert hop == (0 if min(sender, receiver) < 0 else distances[sender, receiver])
    # The server received exactly what the agents say they sent it.
    (traffic,) = [event for event in run.records.events if event["event"] == "traffic"]
    assert traffic["dropped"] == {}
    assert traffic["received"]["action"][0] == ledger.by_kind()["action"].messages
    assert traffic["sent"]["step"][0] == ledger.by_kind()["step"].messages


def test_a_run_is_not_disturbed_by_one_that_died_before_it(start: Starter, tmp_path: Path) -> None:
    # The first run's agents are stopped, so that they outlive their launcher for a moment while the second one starts.
    first = start(merged(SETTINGS, {"learning": {"iterations": 100_000}}))
    first.wait_for_rows(2)
    for role in ("agent_0", "environment"):
        first.send(role, signal.SIGSTOP)
    first.send("launcher", signal.SIGKILL)
    second = start(merged(SETTINGS, {"learning": {"iterations": 10}}))
    assert second.ended(60.0).code == 0
    first.ended(5.0)
    second.assert_nothing_left()
    calm = netagents.run(
        merged(SETTINGS, {"learning": {"iterations": 10}, "runtime": {"launcher": "in_process"}, "faults": []}), directory=tmp_path / "calm"
    )
    assert same_bits(calm, second.records) == []
