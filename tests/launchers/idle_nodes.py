"""Idle nodes for tests of the supervisor: their specifications, deadlines, and the wait until all of them listen."""

from __future__ import annotations

import time
from collections.abc import Callable

from netagents.experiment.timeouts import Timeouts
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
from netagents.launchers.supervision.supervisor_events import NodeSpec

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
