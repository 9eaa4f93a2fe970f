"""Supervisor of the containers of one run: the same events, root cause and endings as for processes.

It reads the engine's stream of events, so nothing is polled, and controls containers through the engine's command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netagents.errors import DeadlineError, EngineError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.compose.compose_file import role_of_service
from netagents.launchers.compose.container_engine import DOWN_SECONDS, Container, Engine, explain
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.supervision.node_watch import Node, Watch
from netagents.launchers.supervision.supervisor import Supervisor
from netagents.launchers.supervision.supervisor_events import NodeSpec, Paused, Signalled, Source
from netagents.nodes.process.socket_directory import SocketDirectory

UP_SECONDS = 30.0
"""Timeout in seconds for starting all containers, plus :data:`UP_SECONDS_EACH` for each."""

UP_SECONDS_EACH = 3.0
"""Additional seconds per container."""

STOP_SECONDS_EACH = 0.5
"""Additional seconds per container for stopping, besides ``timeouts.stop``: the engine stops one after another."""

_SIGNALLED = 128


@dataclass
class ContainerNode(Node):
    """A node that is a container; its number is that of the container's init, as far as this host sees it."""

    containers: ContainerWatch = field(kw_only=True)

    @property
    def pid(self) -> int:
        container = self.containers.containers.get(self.spec.role)
        return container.pid if container is not None else 0


class ContainerWatch(Watch):
    """The events that the supervisor of a run in containers waits for.

    Args:
        engine: the engine.
        project: the Compose project.
        logs: folder of the nodes' logs.
    """

    def __init__(self, engine: Engine, project: str, logs: Path) -> None:
        super().__init__()
        self._engine, self._logs = engine, logs
        self.containers: dict[str, Container] = {}
        self._nodes: dict[str, Node] = {}
        self._pending = b""
        command = ["events", "--since", f"{time.time():.0f}", "--format", "{{json .}}"]
        command += ["--filter", "type=container", "--filter", f"label=com.docker.compose.project={project}"]
        self._stream = subprocess.Popen(
            [*engine.docker, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True
        )
        assert self._stream.stdout is not None
        self._descriptor = self._stream.stdout.fileno()
        os.set_blocking(self._descriptor, False)

    @property
    def nodes(self) -> dict[str, Node]:
        return self._nodes

    def look(self, timeout: float, sources: Collection[Source]) -> None:
        if self.poll(timeout, [self._descriptor], sources):
            self._read_stream()

    def _read_stream(self) -> None:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            raise EngineError("the engine's stream of events has ended", where="container engine", fix="see its log")
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._process_event(json.loads(line))

    def _process_event(self, event: dict[str, Any]) -> None:
        facts = event["Actor"]["Attributes"]
        role = role_of_service(facts["com.docker.compose.service"])
        node = self.nodes.get(role)
        match event["Action"]:
            case "die" if node is not None:
                self.note_exit(node, _exit_code(int(facts["exitCode"])))
            case "pause" | "unpause" as action if node is not None:
                self.events.append(Paused(role, action == "pause"))

    def begin(self, spec: NodeSpec) -> Node:
        """Add a node that is about to start."""
        node = ContainerNode(spec, time.time(), self._logs / f"{spec.role}.jsonl", containers=self)
        self._nodes[spec.role] = node
        return node

    def close(self) -> None:
        self._stream.terminate()
        try:
            self._stream.wait(1.0)
        except subprocess.TimeoutExpired:
            self._stream.kill()
            self._stream.wait()
        assert self._stream.stdout is not None
        self._stream.stdout.close()


class ContainerSupervisor(Supervisor):
    """Supervises the containers of one run; used like that of processes.

    On exit it removes all containers and networks of the run.

    Args:
        specs: the nodes to watch; the Compose file says what to start.
        engine: the engine.
        project: name of the run's Compose project.
        file: the Compose file.
        timeouts, log_directory, sockets, interruptions: as for every supervisor.
    """

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        *,
        engine: Engine,
        project: str,
        file: Path,
        timeouts: Timeouts,
        log_directory: Path,
        sockets: SocketDirectory,
        interruptions: Interruptions | None = None,
    ) -> None:
        super().__init__(specs, timeouts=timeouts, log_directory=log_directory, sockets=sockets, interruptions=interruptions)
        self._engine, self._project, self._file = engine, project, file
        self._containers = ContainerWatch(engine, project, log_directory)

    @property
    def _watch(self) -> ContainerWatch:
        return self._containers

    def start(self, first: Sequence[str] = ()) -> None:  # noqa: ARG002 - containers start together
        """Start all containers; returns when they run, not when their roles are ready.

        Raises:
            EngineError: a container could not be started.
            InterruptedRunError: SIGINT or SIGTERM arrived meanwhile.
        """
        self._catch_signals()
        for spec in self.specs:
            self._containers.begin(spec)
        seconds = UP_SECONDS + UP_SECONDS_EACH * len(self.specs)
        command = self._engine.project(self._project, self._file, "up", "--detach", "--no-build")
        log = self.sockets.path / "up.log" if self.sockets is not None else Path(os.devnull)
        with log.open("wb") as output:
            up = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True)
        self._exit_stack.callback(self._remove)
        try:
            deadline = time.monotonic() + seconds
            while up.poll() is None:
                if time.monotonic() > deadline:
                    raise DeadlineError(f"the engine did not start the containers within {seconds:g} s", where="start", fix="see its log")
                self._watch.look(0.1, ())
                if any(isinstance(event, Signalled) for event in self._watch.events):
                    # The handler of the event stops the started containers.
                    break
        finally:
            if up.poll() is None:
                up.terminate()
            up.wait()
        if self.interrupted is None and up.returncode != 0:
            raise explain(log.read_text(errors="replace"), command)
        self._refresh_containers()

    def _refresh_containers(self) -> None:
        """Read the ids and processes of the containers."""
        containers = self._engine.containers(self._project)
        self._containers.containers = {role_of_service(service): container for service, container in containers.items()}

    def pids(self) -> dict[str, int]:
        """Process numbers of the nodes on this host, as far as this host can see them."""
        containers = self._containers.containers
        pids = {role: _child_of(containers[role].pid) for role in self._watch.nodes if role in containers}
        return {role: pid for role, pid in pids.items() if pid}

    def _start_one(self, spec: NodeSpec) -> Node:
        """Start a container again; its command replaces the earlier node."""
        node = self._containers.begin(spec)
        self._engine.run("start", self._containers.containers[spec.role].id)
        self._refresh_containers()
        return node

    def end(self, role: str) -> None:
        if role in self._watch.nodes and role in self._containers.containers:
            self._engine.signal("KILL", [self._containers.containers[role].id])

    def stop(self, reason: str, deadline: float | None = None, ask: Sequence[str] = ()) -> list[str]:
        """End every container, as for processes, with more time for the engine."""
        seconds = self.timeouts.seconds("stop") + STOP_SECONDS_EACH * len(self._watch.nodes) if deadline is None else deadline
        return super().stop(reason, seconds, ask)

    def _send(self, number: int, roles: Sequence[str]) -> None:
        for role in roles:
            node = self._watch.nodes[role]
            node.signal_time = node.signal_time or time.time()
        containers = self._containers.containers
        self._engine.signal(str(int(number)), [containers[role].id for role in roles if role in containers])

    def _end_rest(self, seconds: float) -> None:
        """Nothing: networks are removed on exit."""

    def _remove(self) -> None:
        """Remove all containers and networks of the run."""
        command = self._engine.project(self._project, self._file, "down", "--timeout", "0", "--volumes", "--remove-orphans")
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=DOWN_SECONDS, stdin=subprocess.DEVNULL, check=False, start_new_session=True
            )
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"the containers of the run were not removed within {DOWN_SECONDS:g} s",
                where=f"project {self._project}",
                fix=f"docker rm --force $(docker ps -aq --filter label=com.docker.compose.project={self._project})",
            ) from None
        if result.returncode != 0:
            raise explain(result.stderr, command)


def _exit_code(code: int) -> int:
    """The exit code as for a process: a container's init returns 128 plus the number of the signal that killed its child.

    143 stays, because a node that was asked to end returns it itself.
    """
    number = code - _SIGNALLED
    return -number if 0 < number < signal.SIGRTMIN and number != signal.SIGTERM else code


def _child_of(init: int) -> int:
    """The process of the node, a child of the container's init; 0 if this host does not see it."""
    try:
        return int(Path(f"/proc/{init}/task/{init}/children").read_text(encoding="utf-8").split()[0])
    except (OSError, IndexError, ValueError):
        return 0
