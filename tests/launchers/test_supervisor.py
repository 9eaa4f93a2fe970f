"""The supervisor with real processes: whoever is killed, the first failure is named and nothing is left."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from idle_nodes import TIMEOUTS, all_idle, idle, until
from leaks import LeakWatch

from netagents.errors import InterruptedRunError, NodeFailedError
from netagents.launchers.supervision.node_watch import FORKSERVER
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
from netagents.launchers.supervision.process_watch import TRACKER
from netagents.launchers.supervision.supervisor_events import Exited, NodeReady, NodeSpec
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.records.process_log import read_log

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]


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
