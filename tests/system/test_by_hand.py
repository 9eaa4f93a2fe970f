"""Nodes that were started one by one, in any order, with nothing but an address: the same bits, and strangers are sent away."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from leaks import LeakWatch
from live_run import LINE, merged, patience, wait_until
from node_windows import ByHand

import netagents
from netagents.cli.main import main
from netagents.messages import ENVIRONMENT, Envelope, Hello, Kind
from netagents.records.same_bits import same_bits
from netagents.wire import LinkSettings, open_transport
from netagents.wire.codec import Codec
from netagents.wire.session.radius_admission import UNKNOWN_RUN

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SETTINGS = merged(LINE, {"topology": {"n": 3}, "kappa": 1, "learning": {"iterations": 3}})


def environment(listen: str, folder: Path) -> list[str]:
    file = folder / "experiment.yaml"
    file.write_text(json.dumps(SETTINGS))
    return ["--experiment", str(file), "--listen", listen, "--announce", str(folder / "address"), "--out", str(folder / "run")]


@pytest.mark.parametrize("transport", ["unix", "ipc", "tcp", "tcp with keys", "tcp over IPv6"])
def test_nodes_started_by_hand_in_any_order_leave_the_same_bits(transport: str, tmp_path: Path, shell: ByHand, leaks: LeakWatch) -> None:
    if transport == "tcp over IPv6" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    files = {scheme: f"{scheme}://{leaks.root}/environment" for scheme in ("unix", "ipc")}
    listen = {**files, "tcp over IPv6": "tcp://[::1]:0"}.get(transport, "tcp://127.0.0.1:0")
    words = environment(listen, tmp_path)
    keys = ["--keys", str(tmp_path / "keys")] if transport == "tcp with keys" else []
    if keys:
        assert main(["keys", words[1], "--out", keys[1]]) == 0
    join = files.get(transport, f"file://{tmp_path}/address")
    roles = ["environment", "monitor", "agent-0", "agent-1", "agent-2"]
    random.Random(transport).shuffle(roles)
    for role in roles:
        shell.node(role, role, *(words if role == "environment" else ["--join", join]), *keys)
    assert {role: shell.code(role) for role in roles} == dict.fromkeys(roles, 0), [shell.log_lines(role) for role in roles]
    by_hand = netagents.Run.open(tmp_path / "run")
    assert by_hand.state == "finished"
    assert by_hand.manifest["launcher"] == "by_hand"
    one = netagents.run(merged(SETTINGS, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(one, by_hand) == []
    assert not (tmp_path / "address").exists(), "an address at which nobody listens any more"


def test_a_run_by_hand_that_was_killed_goes_on_by_hand_to_the_same_bits(tmp_path: Path, shell: ByHand) -> None:
    long = merged(SETTINGS, {"learning": {"iterations": 40}, "checkpoints": {"every": 5}})
    file = tmp_path / "experiment.yaml"
    file.write_text(json.dumps(long))
    address = ["--listen", "tcp://127.0.0.1:0", "--announce", str(tmp_path / "address")]
    join = ["--join", f"file://{tmp_path}/address"]
    out = tmp_path / "run"
    members = ["monitor", "agent-0", "agent-1", "agent-2"]
    shell.node("environment", "environment", "--experiment", str(file), *address, "--out", str(out))
    for role in members:
        shell.node(role, role, *join)
    rows = out / "metrics.jsonl"
    wait_until(lambda: rows.exists() and rows.read_bytes().count(b"\n") >= 12, "12 rows")
    shell.nodes["environment"].kill()
    for role in members:
        # Nobody tells them but their own deadlines; whoever started them ends them.
        shell.nodes[role].terminate()
        shell.code(role)
    assert netagents.Run.open(out).state == "killed"
    (tmp_path / "address").unlink()
    shell.node("again", "environment", "--resume", str(out), *address)
    for role in members:
        shell.node(f"{role} again", role, *join)
    assert {role: shell.code(f"{role} again") for role in members} == dict.fromkeys(members, 0), shell.log_lines("again")
    assert shell.code("again") == 0, shell.log_lines("again")
    run = netagents.Run.open(out)
    assert run.state == "finished"
    one = netagents.run(merged(long, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(one, run) == []
    # Nothing is left to do, and words that contradict each other are refused.
    shell.node("done", "environment", "--resume", str(out), *address)
    assert shell.code("done") == 6
    assert "has finished its 40 iterations" in shell.log_lines("done")[-1]
    shell.node("both", "environment", "--resume", str(out), "--experiment", str(file), *address)
    assert shell.code("both") == 2


def test_strangers_and_doubles_are_sent_away_in_one_line_and_the_run_goes_on(tmp_path: Path, shell: ByHand) -> None:
    join = ["--join", f"file://{tmp_path}/address"]
    shell.node("environment", "environment", *environment("tcp://127.0.0.1:0", tmp_path))
    shell.node("first", "agent-1", *join)
    wait_until((tmp_path / "address").exists, "the server's address")
    shell.node("stranger", "agent-9", *join)
    assert shell.code("stranger") == 12
    assert shell.log_lines("stranger")[-1].startswith("netagents: error: tcp://127.0.0.1:")
    assert shell.log_lines("stranger")[-1].endswith("agent 9 is not part of this run; its agents are 0 to 2")
    wait_until(lambda: shell.nodes["first"].poll() is None and "joining" not in shell.log_lines("first"), "the first")
    shell.node("double", "agent-1", *join)
    assert shell.code("double") == 12
    assert "two nodes claim to be agent 1" in shell.log_lines("double")[-1]
    assert shell.log_lines("double")[-1].endswith("start each role once")
    for name in ("stranger", "double"):
        assert sum("error" in line for line in shell.log_lines(name)) == 1
        assert not any("Traceback" in line for line in shell.log_lines(name))
    # A node of another version is told so as well.
    transport = open_transport("tcp://127.0.0.1:0", LinkSettings(linger_seconds=0.0, insecure=True))
    listener = transport.listen("tcp://127.0.0.1:0")
    link = transport.connect((tmp_path / "address").read_text())
    old = Hello("agent", listener.endpoint, "0.0.1", 1)
    assert link.try_send(Codec().encode(Envelope(UNKNOWN_RUN, 0, 0, Kind.HELLO, 0, 0, old)))
    answer = listener.receive(patience(5.0))
    assert answer is not None
    answer_message = Codec().decode(answer.frames)
    assert (answer_message.kind, answer_message.sender) == (Kind.STOP, ENVIRONMENT)
    assert "runs netagents 0.0.1, the server" in answer_message.message.reason
    transport.close()
    # Whom it was waiting for may still come.
    for role in ("agent-0", "agent-2", "monitor"):
        shell.node(role, role, *join)
    assert {name: shell.code(name) for name in ("environment", "first", "agent-0", "agent-2", "monitor")} == dict.fromkeys(
        ("environment", "first", "agent-0", "agent-2", "monitor"), 0
    )
    one = netagents.run(merged(SETTINGS, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(one, netagents.Run.open(tmp_path / "run")) == []


def test_a_double_cannot_disturb_a_run_that_goes_on(tmp_path: Path, shell: ByHand) -> None:
    join = ["--join", f"file://{tmp_path}/address"]
    long = {"learning": {"iterations": 400}}
    words = environment("tcp://127.0.0.1:0", tmp_path)
    shell.node("environment", "environment", "learning.iterations=400", *words)
    for role in ("agent-0", "agent-1", "agent-2", "monitor"):
        shell.node(role, role, *join)
    wait_until(lambda: (tmp_path / "run" / "metrics.jsonl").exists() and netagents.Run.open(tmp_path / "run").returns.size > 1, "a start")
    shell.node("double", "agent-1", *join)
    assert shell.code("double") == 12, shell.log_lines("double")
    assert "two nodes claim to be agent 1" in shell.log_lines("double")[-1]
    assert shell.code("environment") == 0
    one = netagents.run(merged(SETTINGS, long, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(one, netagents.Run.open(tmp_path / "run")) == []


def test_a_server_that_waits_in_vain_names_who_never_came(tmp_path: Path, shell: ByHand) -> None:
    words = environment("tcp://127.0.0.1:0", tmp_path)
    shell.node("environment", "environment", "timeouts.join=1.5", *words)
    shell.node("agent-1", "agent-1", "--join", f"file://{tmp_path}/address")
    assert shell.code("environment") == 11
    last = shell.log_lines("environment")[-1]
    assert last.startswith("netagents: error: environment: waiting for ")
    assert "(never said hello), no time left" in last
    assert "monitor, agents 0, " in last
    assert netagents.Run.open(tmp_path / "run").state == "failed"


def test_who_waits_says_for_whom_and_an_agent_of_a_failed_run_does_not_end_well(tmp_path: Path, shell: ByHand) -> None:
    words = environment("tcp://127.0.0.1:0", tmp_path)
    join = ["--join", f"file://{tmp_path}/address"]
    shell.node("early", "agent-0", "--join", f"file://{tmp_path}/never", "--timeout-scale", "0.18")
    shell.node("environment", "environment", "timeouts.join=13", *words)
    shell.node("agent-1", "agent-1", *join)
    shell.node("agent-2", "agent-2", *join, "--replace")
    assert shell.code("environment", 60.0) == 11
    assert shell.code("agent-1") == 10, shell.log_lines("agent-1")
    assert shell.log_lines("agent-1")[-1] == "netagents: error: agent_1: the run did not finish: environment failed"
    assert shell.code("agent-2") == 0, "whoever starts agents again when they fail must not do so when they were sent home"
    notes = [line for line in shell.log_lines("environment") if "waiting for 2 of 4: monitor, agent 0 (never said hello), " in line]
    assert any(line.endswith(" s left") and "no time left" not in line for line in notes), shell.log_lines("environment")
    assert any("waiting for a welcome from the environment server, " in line for line in shell.log_lines("agent-1"))
    assert shell.code("early") == 11
    assert any("waiting for the environment server to announce its address in" in line for line in shell.log_lines("early"))


def test_an_agent_of_an_interrupted_run_does_not_end_well(tmp_path: Path, shell: ByHand) -> None:
    shell.node("environment", "environment", "learning.iterations=100000", *environment("tcp://127.0.0.1:0", tmp_path))
    for role in ("agent-0", "agent-1", "agent-2", "monitor"):
        shell.node(role, role, "--join", f"file://{tmp_path}/address")
    wait_until(lambda: (tmp_path / "run" / "metrics.jsonl").exists() and netagents.Run.open(tmp_path / "run").returns.size > 1, "a start")
    shell.nodes["environment"].terminate()
    assert shell.code("environment") == 143
    assert [shell.code(f"agent-{i}") for i in range(3)] == [10, 10, 10]
    assert shell.log_lines("agent-0")[-1] == "netagents: error: agent_0: the run did not finish: interrupted"


def test_the_lines_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "by-hand.md").read_text(encoding="utf-8")
    lines = page.split("```console\n", 1)[1].split("```", 1)[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert lines.count("5701") == 3
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-c", f"set -e\n{lines.replace('5701', str(port))}"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=patience(60.0),
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert netagents.Run.open(tmp_path / "runs" / "by-hand").state == "finished"
    assert (tmp_path / "runs" / "by-hand" / "report.html").exists()
