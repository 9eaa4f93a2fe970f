"""Strangers and liars at the doors of a run over tcp: refused, counted and logged, and the run's bits stay the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq
from conftest import Starter
from live_run import LINE, LiveRun, merged, undisturbed

import netagents
from netagents.errors import SecurityError
from netagents.messages import ENVIRONMENT, Action, Envelope, Failed, Hello, Kind, Message, State, Step, Stop, TruncatedQ
from netagents.nodes.by_hand import start_member
from netagents.records.process_log import read_log
from netagents.records.same_bits import same_bits
from netagents.reports.summary import summary_rows
from netagents.wire.codec import Codec
from netagents.wire.security.key_bundles import CurveCredentials, KeyBundle, load_bundle, make_bundles
from netagents.wire.transport.transport import LinkSettings, Sender, Transport, open_transport

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

TCP = {"runtime": {"transport": "tcp"}}
SETTINGS = merged(LINE, TCP, {"learning": {"iterations": 60}, "faults": [{"kind": "delay", "low": 0.0, "high": 0.002}]})
BATCH, HORIZON = SETTINGS["learning"]["batch"], SETTINGS["learning"]["horizon"]


def refused(run: netagents.Run) -> dict[str, dict[str, int]]:
    (traffic,) = [event for event in run.events if event["event"] == "traffic"]
    counted: dict[str, dict[str, int]] = traffic["refused"]
    return counted


class Intruder:
    """Connects to nodes of a run with whatever keys it was given."""

    def __init__(self, run: LiveRun) -> None:
        self.run = run
        self.transports: list[Transport] = []
        (self.keys,) = run.leaks.root.glob("netagents-*/keys")

    def endpoint(self, role: str) -> str:
        if role == "environment":
            return (self.keys.parent / "endpoint").read_text()
        for entry in read_log(self.run.path / "logs" / f"{role.replace('-', '_')}.jsonl"):
            if str(entry.get("message", "")).startswith("listening at "):
                return str(entry["message"]).split()[2]
        raise AssertionError(f"{role} did not say where it listens")

    def own(self, index: int) -> KeyBundle:
        return load_bundle(self.keys, index)

    def link(self, bundle: KeyBundle | None, role: str, *, knows_peer: bool = False) -> Sender:
        """A link to ``role``; ``knows_peer`` gives the intruder the public key that it should not have."""
        if bundle is not None and knows_peer:
            known = self.own(ENVIRONMENT if role == "environment" else int(role.removeprefix("agent-"))).public
            bundle = replace(bundle, peers={**bundle.peers, role: known})
        credentials = None if bundle is None else CurveCredentials(bundle)
        self.transports.append(open_transport("tcp://x", LinkSettings(linger_seconds=1.0, credentials=credentials, insecure=True)))
        return self.transports[-1].connect(self.endpoint(role), role)

    def close(self) -> None:
        for transport in self.transports:
            transport.close()


@pytest.fixture
def run(start: Starter) -> LiveRun:
    started = start(SETTINGS)
    started.wait_for_rows(3)
    return started


@pytest.fixture
def intruder(run: LiveRun) -> Iterator[Intruder]:
    made = Intruder(run)
    yield made
    made.close()


def test_strangers_and_liars_change_no_bit(run: LiveRun, intruder: Intruder, tmp_path: Path) -> None:
    own = run.records.directory.run_id
    codec = Codec()

    def frames(sender: int, kind: Kind, iteration: int, message: Message, run_id: bytes = own) -> list[bytes | memoryview]:
        return codec.encode(Envelope(run_id, 0, sender, kind, iteration, 0, message))

    lie = State(np.ones(BATCH, np.uint8))
    at_the_door = {
        "no key": (None, False),
        "a stale run's key": (make_bundles({0: {ENVIRONMENT, 1}, 1: {0}, ENVIRONMENT: {0, 1}})[1], True),
        "another agent's public key": (replace(intruder.own(1), secret=zmq.curve_keypair()[1]), False),
    }
    for bundle, knows_peer in at_the_door.values():
        for role in ("agent-0", "environment"):
            intruder.link(bundle, role, knows_peer=knows_peer).try_send(frames(1, Kind.STATE, 1, lie)[:1])
    # Agent 5 is beyond every radius of agent 0, whoever told it the key.
    intruder.link(intruder.own(5), "agent-0", knows_peer=True).try_send(
        frames(5, Kind.TRUNCATED_Q, 1, TruncatedQ(np.ones((HORIZON, BATCH))))
    )

    now = len(run.records.returns)
    inside = intruder.own(1)  # an agent within the radius, that lies
    for role, addressed in (("agent-0", 0), ("environment", ENVIRONMENT)):
        link = intruder.link(inside, role)
        for later in (0, 1, 2):
            # Under another name, though the key says who it is: to the end of the run, and to a neighbour's values.
            link.send(frames(2, Kind.STATE, now + later, lie), 5.0)
            link.send(frames(2, Kind.ACTION, now + later, Action(np.ones(BATCH, np.uint8))), 5.0)
        link.send(frames(ENVIRONMENT, Kind.STOP, 0, Stop("go home")), 5.0)
        link.send(frames(2, Kind.FAILED, 0, Failed("it is over", 1)), 5.0)
        link.send(frames(2, Kind.HELLO, 0, Hello("agent", "tcp://127.0.0.1:9", netagents.__version__, 1)), 5.0)
        # What it said long ago, again; and what it may not say at all.
        own_kind, again = (Kind.STATE, lie) if addressed == 0 else (Kind.ACTION, Action(np.zeros(BATCH, np.uint8)))
        for _ in range(20):
            link.send(frames(1, own_kind, 0, again), 5.0)
        order = Step(np.ones(BATCH, np.uint8), np.ones(BATCH), np.zeros(BATCH, np.uint8))
        link.send(frames(1, Kind.STEP, now, order), 5.0)
        # Messages of another run, under its own name.
        link.send(frames(1, own_kind, now + 1, again, bytes(range(8))), 5.0)
        # Malformed: nested a thousand times, claiming sizes that are not there, too many frames, noise.
        nested = b"\x91" * 1000 + b"\x90"
        for header in (nested, msgpack.packb([[[[[1]]]]] * 7), b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
            link.send([len(header).to_bytes(4, "little") + bytes(12) + header], 5.0)
        link.send([(1 << 31).to_bytes(4, "little") + bytes(12)], 5.0)
        link.send([b"x"] * 3000, 5.0)
        link.send([bytes(1 << 20)], 5.0)
    assert len(run.records.returns) < 59, "the run was over before it was disturbed"

    ended = run.ended(90.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert same_bits(undisturbed(SETTINGS, tmp_path / "undisturbed"), run.records) == []
    counted = refused(run.records)
    assert set(counted) == {"agent 0", "environment"}
    for node, log in (("agent 0", "agent_0"), ("environment", "environment")):
        reasons = counted[node]
        assert reasons["handshake refused"] >= 3, reasons
        assert reasons["forged sender"] >= 6, reasons
        assert reasons["past iteration"] >= 20, reasons
        assert reasons["malformed"] >= 7, reasons
        assert reasons["other run"] == 1, reasons
        log_messages = [str(entry.get("message")) for entry in read_log(run.path / "logs" / f"{log}.jsonl")]
        assert sum("refused a key from 127.0.0.1" in line for line in log_messages) == 1
        assert sum("forged sender" in line and "agent 2" in line for line in log_messages) >= 1
        # One line each, however many came.
        assert len([line for line in log_messages if "past iteration" in line and "dropped" in line]) == 1
        assert len([line for line in log_messages if "malformed" in line and "dropped" in line]) == 1


def test_links_without_keys_are_said_and_leave_the_same_bits(start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, {"runtime": {"transport": "tcp"}})
    bare = start(merged(settings, {"runtime": {"insecure": True}}))
    ended = bare.ended(60.0)
    assert ended.code == 0, ended.err
    messages = [str(entry.get("message")) for entry in read_log(bare.path / "logs" / "environment.jsonl")]
    assert sum("every user of this machine can read, steer and stop the run" in line for line in messages) == 1
    bare.assert_nothing_left()
    keyed = start(settings)
    assert keyed.ended(60.0).code == 0
    whole = undisturbed(settings, tmp_path / "one")
    assert same_bits(whole, keyed.records) == []
    assert same_bits(whole, bare.records) == []
    # A directory of somebody else's may not open a run to others.
    with pytest.raises(SecurityError, match=r"its settings name links without keys: runtime\.insecure is true"):
        netagents.resume(bare.path, "learning.iterations=5")


@pytest.mark.parametrize("transport", ["unix", "ipc", "tcp"])
def test_replayed_messages_are_counted_and_change_no_bit(transport: str, tmp_path: Path) -> None:
    replays = [
        {"kind": "replay", "message": "state", "sender": 2, "receiver": 3, "iteration": 1, "step": 4, "times": 3},
        {"kind": "replay", "message": "truncated_q", "sender": 1, "receiver": 3, "iteration": 2, "times": 100},
        {"kind": "replay", "message": "action", "sender": 0, "receiver": -1, "iteration": 1, "step": 2},
        {"kind": "replay", "message": "step", "sender": -1, "receiver": 5, "iteration": 0, "step": 7},
        {"kind": "replay", "message": "report", "sender": 4, "receiver": -1, "iteration": 1},
    ]
    settings = merged(LINE, {"runtime": {"transport": transport}})
    played = netagents.run(merged(settings, {"faults": replays}), directory=tmp_path / "replayed")
    assert played.state == "finished"
    assert same_bits(undisturbed(settings, tmp_path / "one"), played) == []
    assert refused(played) == {"environment": {"duplicate": 2}, "agent 3": {"duplicate": 103}, "agent 5": {"duplicate": 1}}
    assert ("refused", "environment: duplicate 2 | agent 3: duplicate 103 | agent 5: duplicate 1") in summary_rows(played)
    # Our own nodes repeat nothing and cut no link.
    calm = netagents.run(settings, directory=tmp_path / "calm")
    assert refused(calm) == {}


def test_a_node_with_the_wrong_keys_is_told_why(run: LiveRun, intruder: Intruder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETAGENTS_DEBUG", raising=False)
    stale = tmp_path / "stale"
    from netagents.wire.security.key_bundles import write_bundles

    write_bundles(make_bundles({0: {ENVIRONMENT}, ENVIRONMENT: {0}}).values(), stale)
    log = tmp_path / "log.jsonl"
    join = intruder.endpoint("environment")
    code = start_member("agent-0", join, listen=None, log=log, timeout_scale=1.0, keys=stale)
    assert code == 13
    messages = " ".join(str(entry.get("message")) for entry in read_log(log))
    assert (
        f"{join}: the listener there does not hold the key of environment: it is of another run, another node, or has no keys" in messages
    )
    code = start_member("agent-0", join, listen=None, log=log.with_name("none.jsonl"), timeout_scale=1.0, insecure=True)
    assert code == 13
    messages = " ".join(str(entry.get("message")) for entry in read_log(log.with_name("none.jsonl")))
    assert f"{join}: environment asks for keys and this node has none; give --keys DIR" in messages
    ended = run.ended(90.0)
    assert ended.code == 0, ended.err
    assert set(refused(run.records)) == {"environment"}


def test_a_run_by_hand_with_keys_leaves_the_same_bits(start: Starter, tmp_path: Path) -> None:
    import subprocess
    import sys

    settings = merged(LINE, {"topology": {"n": 3}})
    file = tmp_path / "line.yaml"
    file.write_text(json.dumps(settings))
    here = [sys.executable, "-m", "netagents"]
    subprocess.run([*here, "keys", str(file), "--out", str(tmp_path / "keys")], check=True, capture_output=True)
    out, announced = tmp_path / "by_hand", tmp_path / "endpoint"
    # All addresses of this machine, as on a cluster; the keys are what keeps strangers out.
    server = [*here, "node", "environment", "--experiment", str(file), "--listen", "tcp://0.0.0.0:0", "--advertise", "127.0.0.1"]
    commands = [[*server, "--announce", str(announced), "--out", str(out), "--keys", str(tmp_path / "keys" / "environment")]]
    for role in ("monitor", "agent-0", "agent-1", "agent-2"):
        member = [*here, "node", role, "--join", f"file://{announced}", "--keys", str(tmp_path / "keys" / role)]
        commands.append([*member, "--listen", "tcp://0.0.0.0:0", "--advertise", "127.0.0.1"])
    nodes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
    try:
        ended = [node.communicate(timeout=90.0) for node in nodes]
    finally:
        for node in nodes:
            node.kill()
            node.communicate()
    assert [node.returncode for node in nodes] == [0] * 5, ended
    records = netagents.Run.open(out)
    assert same_bits(undisturbed(settings, tmp_path / "one"), records) == []
    assert refused(records) == {}
    del start
