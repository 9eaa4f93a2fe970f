"""The containers of one run, supervised like processes: the same order of events, the same culprit, the same ways to end.

What happens is read from the engine's stream of events, so nothing is polled; what is done to containers goes through its command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import zmq

from netagents.errors import DeadlineError, EngineError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.compose.compose_file import role_of_service
from netagents.launchers.compose.container_engine import DOWN_SECONDS, Container, Engine, explain
from netagents.launchers.supervision.forkserver import ChildLink
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.supervision.processes import signal_name
from netagents.launchers.supervision.root_cause import Exit
from netagents.launchers.supervision.supervisor import Supervisor
from netagents.launchers.supervision.supervisor_events import Exited, NodeReady, NodeSpec, Paused, Signalled, Source
from netagents.launchers.supervision.watch import Node, Watch
from netagents.nodes.process.socket_directory import SocketDirectory

UP_SECONDS = 30.0
"""For the engine to start all containers, besides :data:`UP_SECONDS_EACH`."""

UP_SECONDS_EACH = 3.0
"""More for every container."""

STOP_SECONDS_EACH = 0.5
"""For the engine to take down one container, on top of ``timeouts.stop``: it does this one after another."""

_SIGNALLED = 128


class ContainerWatch(Watch):
    """Everything that the supervisor of a run in containers waits for.

    Args:
        engine: the engine.
        project: the Compose project.
        logs: folder of the nodes' logs.
    """

    def __init__(self, engine: Engine, project: str, logs: Path) -> None:
        super().__init__()
        self._engine, self._logs = engine, logs
        self.containers: dict[str, Container] = {}
        self._pending = b""
        words = ["events", "--since", f"{time.time():.0f}", "--format", "{{json .}}"]
        words += ["--filter", "type=container", "--filter", f"label=com.docker.compose.project={project}"]
        self._stream = subprocess.Popen(
            [*engine.docker, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True
        )
        assert self._stream.stdout is not None
        self._descriptor = self._stream.stdout.fileno()
        os.set_blocking(self._descriptor, False)

    def look(self, timeout: float, sources: Collection[Source]) -> None:
        poller = zmq.Poller()
        interruptions = self.interruptions
        watched: list[Source] = [self._descriptor, *sources]
        if interruptions is not None and interruptions.descriptor >= 0:
            watched.append(interruptions.descriptor)
        for source in watched:
            poller.register(source, zmq.POLLIN)
        ready = [source for source, _ in poller.poll(max(0, round(1000 * timeout)))]
        if self._descriptor in ready:
            self._read_stream()
        if interruptions is not None and interruptions.descriptor in ready:
            self.events.extend(Signalled(number) for number in interruptions.take())
        self.events.extend(NodeReady(source) for source in sources if source in ready)

    def _read_stream(self) -> None:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            raise EngineError("the engine tells no more what happens to containers", where="container engine", fix="see its log")
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        facts = event["Actor"]["Attributes"]
        role = role_of_service(facts["com.docker.compose.service"])
        node = self.nodes.get(role)
        match event["Action"]:
            case "die" if node is not None:
                self.note_exit(node, _exit_code(int(facts["exitCode"])))
            case "pause" | "unpause" as action if node is not None:
                self.events.append(Paused(role, action == "pause"))

    def begin(self, spec: NodeSpec) -> Node:
        """A node is about to be started."""
        node = Node(spec, _NoLink(), time.time(), self._logs / f"{spec.role}.jsonl")
        self.nodes[spec.role] = node
        return node

    def note_exit(self, node: Node, code: int | None) -> None:
        role = node.spec.role
        self.nodes.pop(role, None)
        container = self.containers.get(role)
        pid = container.pid if container is not None else 0
        self.exits.append(Exit(role, pid, code, time.time(), node.started, node.asked, node.log))
        self.events.append(Exited(role, pid, code, signal_name(code), node.spec.essential))

    def forget(self, node: Node) -> None:
        """Nothing is held of a container."""

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
    """The containers of one run; use it as the one of processes.

    Leaving it removes all containers and networks of the run.

    Args:
        specs: the nodes: what to watch; the Compose file says what to start.
        engine: the engine.
        project: name of the Compose project, this run's own.
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
        self._watch = self._containers

    def start(self, first: Sequence[str] = ()) -> None:  # noqa: ARG002 - containers start together
        """Start all containers; returns when they run, not when their roles are ready.

        Raises:
            EngineError: the engine could not.
            InterruptedRunError: SIGINT or SIGTERM came meanwhile.
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
                    # What has been started is taken down by whoever takes in the event.
                    break
        finally:
            if up.poll() is None:
                up.terminate()
            up.wait()
        if self.interrupted is None and up.returncode != 0:
            raise explain(log.read_text(errors="replace"), command)
        self._refresh_containers()

    def _refresh_containers(self) -> None:
        """Learn the numbers of the containers."""
        found = self._engine.containers(self._project)
        self._containers.containers = {role_of_service(service): container for service, container in found.items()}

    def pids(self) -> dict[str, int]:
        """Numbers on this host of the nodes' processes, as far as this host can see them."""
        containers = self._containers.containers
        found = {role: _child_of(containers[role].pid) for role in self._watch.nodes if role in containers}
        return {role: pid for role, pid in found.items() if pid}

    def _start_one(self, spec: NodeSpec) -> Node:
        """Start a container again; its command makes it take its own place."""
        node = self._containers.begin(spec)
        self._engine.ask("start", self._containers.containers[spec.role].id)
        self._refresh_containers()
        return node

    def end(self, role: str) -> None:
        if role in self._watch.nodes and role in self._containers.containers:
            self._engine.signal("KILL", [self._containers.containers[role].id])

    def stop(self, reason: str, deadline: float | None = None, ask: Sequence[str] = ()) -> list[str]:
        """End every container, as the processes of a run are; the engine gets more time for it."""
        seconds = self.timeouts.seconds("stop") + STOP_SECONDS_EACH * len(self._watch.nodes) if deadline is None else deadline
        return super().stop(reason, seconds, ask)

    def _send(self, number: int, roles: Sequence[str]) -> None:
        for role in roles:
            node = self._watch.nodes[role]
            node.asked = node.asked or time.time()
        containers = self._containers.containers
        self._engine.signal(str(int(number)), [containers[role].id for role in roles if role in containers])

    def _end_rest(self, seconds: float) -> None:
        """Nothing: networks are removed when the supervisor is left."""

    def _remove(self) -> None:
        """Remove all containers and networks of the run, whatever became of it."""
        command = self._engine.project(self._project, self._file, "down", "--timeout", "0", "--volumes", "--remove-orphans")
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=DOWN_SECONDS, stdin=subprocess.DEVNULL, check=False, start_new_session=True
            )
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"the containers of the run were not removed within {DOWN_SECONDS:g} s",
                where=f"project {self._project}",
                fix=f"docker rm --force $(docker ps -aq --filter label=com.docker.compose.project={self._project})",
            ) from None
        if done.returncode != 0:
            raise explain(done.stderr, command)


class _NoLink(ChildLink):
    """Containers have no pipe to their launcher."""

    def __init__(self) -> None:
        super().__init__(-1, -1)

    def close(self) -> None:
        """Nothing is open."""


def _exit_code(code: int) -> int:
    """As the operating system tells a process's: the container's init gives 128 more than the number of a signal that killed its child.

    A node that was asked to end says so itself, by 143.
    """
    number = code - _SIGNALLED
    return -number if 0 < number < signal.SIGRTMIN and number != signal.SIGTERM else code


def _child_of(init: int) -> int:
    """The node's own process, which the container's init has started; 0 if this host does not see it."""
    try:
        return int(Path(f"/proc/{init}/task/{init}/children").read_text(encoding="utf-8").split()[0])
    except (OSError, IndexError, ValueError):
        return 0
