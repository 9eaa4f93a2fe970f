"""Processes that are stopped and not dead: a stopped forkserver, agent or host is named, and the end of a run has a bound."""

from __future__ import annotations

import os
import signal
import time

import pytest
from idle_nodes import TIMEOUTS, all_idle, idle, until

from netagents.errors import NodeFailedError
from netagents.experiment.failure_settings import FailureSettings
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.supervision.node_watch import FORKSERVER
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
from netagents.launchers.supervision.process_watch import ProcessNode as Node
from netagents.launchers.supervision.restarts import Restarts
from netagents.launchers.supervision.supervisor_events import NodeSpec

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]


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


def test_a_stopped_process_is_ended_too() -> None:
    with ProcessSupervisor(idle(3), timeouts=TIMEOUTS) as supervisor:
        supervisor.start()
        until(lambda: all_idle(supervisor))
        os.kill(supervisor.pids()["agent_1"], signal.SIGSTOP)
        assert supervisor.stop("test", deadline=1.0) == ["agent_1"]


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
