"""The supervisor with real processes: whoever is killed, the first failure is named and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from leaks import LeakWatch

from netagents.errors import InterruptedRunError, NodeFailedError
from netagents.experiment.failure_settings import FailureSettings
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.supervision.node_watch import FORKSERVER
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
from netagents.launchers.supervision.process_watch import TRACKER
from netagents.launchers.supervision.process_watch import ProcessNode as Node
from netagents.launchers.supervision.restarts import Restarts
from netagents.launchers.supervision.supervisor_events import Exited, NodeReady, NodeSpec
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.records.process_log import read_log

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

TIMEOUTS = Timeouts(stop=5.0, join=60.0)


def idle(count: int) -> list[NodeSpec]:
    return [NodeSpec(f"agent_{index}", "trivial_roles:idle") for index in range(count)]


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def all_idle(supervisor: ProcessSupervisor) -> bool:
    assert supervisor.sockets is not None
    listening = {path.stem for path in supervisor.sockets.path.glob("*.ipc")}
    return listening >= {spec.role for spec in supervisor.specs if spec.target.endswith(":idle")}


def test_twenty_processes_end_together_and_leave_nothing(leaks: LeakWatch, tmp_path: Path) -> None:
    with ProcessSupervisor(idle(20), timeouts=TIMEOUTS, log_directory=tmp_path) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        assert len(set(supervisor.pids().values())) == 21
        assert supervisor.stop("test") == []
        assert supervisor.running == []
    assert not leaks.processes()
    assert {path.stem for path in tmp_path.iterdir()} == {f"agent_{index}" for index in range(20)}
    assert "not preloaded" not in read_log(tmp_path / "agent_0.jsonl")[0]["message"]


def test_a_module_that_could_not_be_preloaded_is_named_in_the_log(tmp_path: Path) -> None:
    specs = [NodeSpec("agent_0", "trivial_roles:finish")]
    with ProcessSupervisor(
        specs, timeouts=TIMEOUTS, log_directory=tmp_path, preload=("numpy", "no_such_module", "netagents.nodes.process.orphan_guard")
    ) as supervisor:
        supervisor.start()
        supervisor.wait()
    assert read_log(tmp_path / "agent_0.jsonl")[0]["message"].endswith("not preloaded: no_such_module")


def test_a_killed_agent_is_named_and_the_others_end(leaks: LeakWatch, tmp_path: Path) -> None:
    with ProcessSupervisor(idle(20), timeouts=TIMEOUTS, log_directory=tmp_path) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()["agent_7"], signal.SIGKILL)
        begin = time.monotonic()
        with pytest.raises(NodeFailedError, match=r"^agent_7: killed by SIGKILL") as caught:
            supervisor.wait()
        assert time.monotonic() - begin < TIMEOUTS.stop
        assert not leaks.processes()
    assert "idle" in caught.value.details  # type: ignore[attr-defined]


def test_a_killed_forkserver_is_named_and_no_child_is_left(leaks: LeakWatch) -> None:
    with ProcessSupervisor(idle(20), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()[FORKSERVER], signal.SIGKILL)
        with pytest.raises(NodeFailedError, match=r"^forkserver: killed by SIGKILL"):
            supervisor.wait()
        assert not leaks.processes()


def test_a_stopped_forkserver_delays_neither_news_nor_end() -> None:
    with ProcessSupervisor(idle(6), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()[FORKSERVER], signal.SIGSTOP)
        os.kill(supervisor.pids()["agent_3"], signal.SIGKILL)
        begin = time.monotonic()
        with pytest.raises(NodeFailedError, match=r"^agent_3: ended, its exit code is lost"):
            supervisor.wait()
        assert time.monotonic() - begin < TIMEOUTS.stop


def test_a_killed_resource_tracker_is_an_event_and_not_an_end(leaks: LeakWatch) -> None:
    with ProcessSupervisor([NodeSpec("agent_0", "trivial_roles:finish", {"seconds": 0.5})], timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        tracker = supervisor._watch.tracker
        assert tracker is not None
        os.kill(tracker.pid, signal.SIGKILL)
        events: list[object] = []
        supervisor.wait(events.append)
    assert [event.role for event in events if isinstance(event, Exited)] == [TRACKER, "agent_0"]
    # The new tracker's pipe belongs to this whole program, not to the run.
    leaks.accept_descriptors()


def test_a_role_that_ignores_requests_is_killed_within_the_deadline(tmp_path: Path) -> None:
    specs = [NodeSpec(f"agent_{index}", "trivial_roles:deaf") for index in range(6)] + [NodeSpec("environment", "trivial_roles:idle")]
    with ProcessSupervisor(specs, timeouts=TIMEOUTS, log_directory=tmp_path) as supervisor:
        supervisor.start()
        until(lambda: all(len(read_log(tmp_path / f"{spec.role}.jsonl")) == 2 for spec in specs))
        begin = time.monotonic()
        killed = supervisor.stop("test", deadline=1.0, ask=("environment",))
        assert 0.6 < time.monotonic() - begin < 2.5
        assert sorted(killed) == [f"agent_{index}" for index in range(6)]
        assert next(exit_.exit_code for exit_ in supervisor.exits if exit_.role == "environment") == 128 + signal.SIGTERM


def test_a_stopped_process_is_ended_too() -> None:
    with ProcessSupervisor(idle(3), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()["agent_1"], signal.SIGSTOP)
        assert supervisor.stop("test", deadline=1.0) == ["agent_1"]


def test_an_error_comes_with_line_exit_code_and_traceback() -> None:
    specs = [*idle(3), NodeSpec("agent_3", "trivial_roles:raises", {"kind": "ours", "seconds": 0.1})]
    with ProcessSupervisor(specs, timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        with pytest.raises(NodeFailedError) as caught:
            supervisor.wait()
    assert str(caught.value).startswith("agent_3: exit code 9 (process ")
    assert str(caught.value).endswith("agent_3, step 7: reward is nan")
    details = caught.value.details  # type: ignore[attr-defined]
    assert "trivial_roles.py" in details
    assert "NumericalError" in details
    assert "last lines of the log of agent_3" in details


def test_who_failed_first_is_named_although_others_left_before(tmp_path: Path) -> None:
    log = str(tmp_path / "agent_2.jsonl")
    specs = [
        NodeSpec("agent_0", "trivial_roles:falls_over_another", {"log": log}),
        NodeSpec("agent_1", "trivial_roles:falls_over_another", {"log": log}),
        NodeSpec("agent_2", "trivial_roles:fails_and_dawdles"),
    ]
    with ProcessSupervisor(specs, timeouts=TIMEOUTS, log_directory=tmp_path) as supervisor:
        supervisor.start()
        with pytest.raises(NodeFailedError, match=r"^agent_2: exit code 1 .*ValueError: I was first"):
            supervisor.wait()
    assert {exit_.role for exit_ in supervisor.exits[:2]} & {"agent_0", "agent_1"}


def test_a_role_that_does_not_exist_says_so() -> None:
    with ProcessSupervisor([NodeSpec("agent_0", "trivial_roles:nobody")], timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        with pytest.raises(NodeFailedError, match="has no function nobody"):
            supervisor.wait()


def test_the_monitor_may_die_without_ending_the_run() -> None:
    specs = [NodeSpec("agent_0", "trivial_roles:finish", {"seconds": 1.0}), NodeSpec("monitor", "trivial_roles:idle", essential=False)]
    events: list[object] = []
    with ProcessSupervisor(specs, timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()["monitor"], signal.SIGKILL)
        supervisor.wait(events.append)
        assert supervisor.failure() is None
    exits = [(event.role, event.exit_code, event.signal) for event in events if isinstance(event, Exited)]
    assert exits == [("monitor", -signal.SIGKILL, "SIGKILL"), ("agent_0", 0, None)]


def test_the_poller_tells_when_a_watched_source_can_be_read() -> None:
    receiver, sender = os.pipe()
    with ProcessSupervisor(idle(1), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        supervisor.watch(receiver)
        assert supervisor.poll(0.01) == []
        os.write(sender, b"x")
        assert supervisor.poll(5.0) == [NodeReady(receiver)]
        supervisor.unwatch(receiver)
        assert supervisor.poll(0.01) == []
    os.close(receiver)
    os.close(sender)


def test_a_launcher_in_another_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with ProcessSupervisor([NodeSpec("agent_0", "trivial_roles:finish")], timeouts=TIMEOUTS) as supervisor:
                supervisor.start()
                assert signal.getsignal(signal.SIGTERM) is before
                supervisor.wait()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not errors


def test_signals_in_the_launcher_become_one_error_and_handlers_return() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with ProcessSupervisor(idle(2), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptedRunError) as caught:
            supervisor.wait()
    assert caught.value.code == 130
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_forkserver_that_is_stopped_while_it_starts_nodes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fork = ProcessSupervisor._fork

    def stopping(supervisor: ProcessSupervisor, spec: NodeSpec) -> Node:
        node = fork(supervisor, spec)
        if spec.role == "agent_0":
            os.kill(supervisor.pids()[FORKSERVER], signal.SIGSTOP)
        return node

    monkeypatch.setattr(ProcessSupervisor, "_fork", stopping)
    message = r"^forkserver: is stopped, and does not start agent_0, agent_1, agent_2"
    with ProcessSupervisor(idle(3), timeouts=Timeouts(answer=1.0, stop=2.0)) as supervisor, pytest.raises(NodeFailedError, match=message):
        supervisor.start()


def test_a_forkserver_that_is_stopped_when_an_agent_is_to_start_again_is_named() -> None:
    """And nothing waits for the end of a process that was never born."""
    specs = [NodeSpec(role, "trivial_roles:idle") for role in ("environment", "agent_0", "agent_1")]
    with ProcessSupervisor(specs, timeouts=Timeouts(answer=1.0, stop=2.0)) as supervisor:
        supervisor.recovery = Restarts(FailureSettings(agent="restart", restarts=1, delay=0.0), ["agent_0", "agent_1"])
        supervisor.start()
        until(lambda: all_idle(supervisor))
        pids = supervisor.pids()
        os.kill(pids[FORKSERVER], signal.SIGSTOP)
        os.kill(pids["agent_0"], signal.SIGKILL)
        with pytest.raises(NodeFailedError, match=r"^forkserver: is stopped, and does not start agent_0"):
            supervisor.wait()


def test_a_killed_agent_under_a_stopped_forkserver_names_both() -> None:
    with ProcessSupervisor(idle(2), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        pids = supervisor.pids()
        os.kill(pids[FORKSERVER], signal.SIGSTOP)
        os.kill(pids["agent_1"], signal.SIGKILL)
        with pytest.raises(NodeFailedError, match=r"^agent_1: ended, its exit code is lost .*: the forkserver, which knows it, is stopped"):
            supervisor.wait()


@pytest.mark.parametrize("late", ["agent_1", "environment"])
def test_the_end_has_a_bound_for_whoever_is_stopped_after_its_work(late: str) -> None:
    roles = ["environment", "agent_0", "agent_1"]
    specs = [
        NodeSpec(role, "trivial_roles:idle" if role == late else "trivial_roles:finish", {"seconds": 60.0 * (role == late)})
        for role in roles
    ]
    timeouts = Timeouts(stop=1.0, exchange=1.0, linger=0.5)
    with ProcessSupervisor(specs, timeouts=timeouts) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()[late], signal.SIGSTOP)
        assert supervisor.wait(host="environment") == [late]
        assert supervisor.running == []


def test_a_host_that_is_stopped_before_its_work_is_done_has_failed() -> None:
    specs = [NodeSpec("environment", "trivial_roles:idle"), NodeSpec("agent_0", "trivial_roles:finish")]
    with ProcessSupervisor(specs, timeouts=Timeouts(stop=1.0, exchange=1.0, linger=0.5)) as supervisor:
        supervisor.completed = lambda role: role != "environment"
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()["environment"], signal.SIGSTOP)
        with pytest.raises(NodeFailedError, match=r"^environment: did nothing for 1 s after all agents had left, and was ended"):
            supervisor.wait(host="environment")


SCRIPT = """
import sys
print("main runs", flush=True)
from netagents.errors import NetagentsError, exit_code_of
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.supervision.supervisor_events import NodeSpec
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
target, count = {target!r}, {count}
with ProcessSupervisor([NodeSpec(f"agent_{{i}}", target) for i in range(count)], timeouts=Timeouts(stop={stop})) as supervisor:
    supervisor.start()
    print("started", *(f"{{role}}={{pid}}" for role, pid in supervisor.pids().items()), flush=True)
    try:
        supervisor.wait()
    except NetagentsError as error:
        print(error, flush=True)
        sys.exit(exit_code_of(error))
print("finished", flush=True)
"""


def launcher(target: str, count: int, cwd: Path, stop: float = 2.0) -> subprocess.Popen[str]:
    script = cwd / "unguarded.py"
    script.write_text(SCRIPT.format(target=target, count=count, stop=stop))
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=cwd)


def started(process: subprocess.Popen[str]) -> dict[str, int]:
    assert process.stdout is not None
    assert process.stdout.readline() == "main runs\n"
    words = process.stdout.readline().split()
    assert words[0] == "started"
    return {role: int(pid) for role, pid in (word.split("=") for word in words[1:])}


@pytest.mark.parametrize("also", [(), (FORKSERVER,), ("agent_1",)], ids=["alone", "with the forkserver", "with an agent"])
def test_a_killed_launcher_leaves_no_process_and_no_directory(leaks: LeakWatch, tmp_path: Path, also: Sequence[str]) -> None:
    with launcher("trivial_roles:idle", 8, tmp_path) as process:
        pids = started(process)
        until(lambda: len(list(leaks.root.glob("netagents-*/agent_*.ipc"))) == 8)
        process.send_signal(signal.SIGSTOP)  # so that it cannot act on the deaths that follow
        for role in also:
            os.kill(pids[role], signal.SIGKILL)
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 2.0
    while (leaks.processes() or list(leaks.root.glob("netagents-????????"))) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not leaks.processes()
    assert not list(leaks.root.glob("netagents-????????"))


def test_a_killed_launcher_takes_deaf_and_stopped_children_with_it(leaks: LeakWatch, tmp_path: Path) -> None:
    with launcher("trivial_roles:deaf", 4, tmp_path) as process:
        pids = started(process)
        until(lambda: sum("deaf" in path.read_text() for path in leaks.root.glob("netagents-*/logs/*.jsonl")) == 4)
        os.kill(pids["agent_2"], signal.SIGSTOP)
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 2.0
    while leaks.processes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not leaks.processes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_to_a_launcher_end_it_with_the_documented_code(tmp_path: Path, number: int, code: int) -> None:
    with launcher("trivial_roles:idle", 5, tmp_path) as process:
        started(process)
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == code
    assert output == f"the run was interrupted by {signal.Signals(number).name}\n"


def test_a_second_interrupt_kills_at_once(leaks: LeakWatch, tmp_path: Path) -> None:
    with launcher("trivial_roles:deaf", 3, tmp_path, stop=30.0) as process:
        started(process)
        until(lambda: sum("deaf" in path.read_text() for path in leaks.root.glob("netagents-*/logs/*.jsonl")) == 3)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
        assert time.monotonic() - begin < 10.0
    assert process.returncode == 130


@pytest.mark.parametrize("how", ["script", "command", "stdin", "module"])
def test_scripts_need_no_guard_and_main_runs_once(tmp_path: Path, how: str) -> None:
    text = SCRIPT.format(target="trivial_roles:finish", count=3, stop=2.0)
    (tmp_path / "unguarded.py").write_text(text)
    words = {"script": ["unguarded.py"], "command": ["-c", text], "stdin": ["-"], "module": ["-m", "unguarded"]}[how]
    result = subprocess.run(
        [sys.executable, *words], input=text if how == "stdin" else None, capture_output=True, text=True, cwd=tmp_path, timeout=30
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "main runs"
    assert lines.count("main runs") == 1
    assert lines[-1] == "finished"
    assert result.stderr == ""


def test_threads_are_one_in_nodes_and_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with ProcessSupervisor(idle(1), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        assert os.environ["OMP_NUM_THREADS"] == "5"
        assert "MKL_NUM_THREADS" not in os.environ
        variables = Path(f"/proc/{supervisor.pids()['agent_0']}/environ").read_bytes().split(b"\0")
        assert {b"OMP_NUM_THREADS=1", b"MKL_NUM_THREADS=1", b"OPENBLAS_NUM_THREADS=1"} <= set(variables)


def test_without_process_descriptors_everything_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    sockets = SocketDirectory.create()
    with ProcessSupervisor(idle(5), timeouts=TIMEOUTS, sockets=sockets) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()[FORKSERVER], signal.SIGKILL)
        with pytest.raises(NodeFailedError, match=r"^forkserver: killed by SIGKILL"):
            supervisor.wait()
    assert not sockets.path.exists()
