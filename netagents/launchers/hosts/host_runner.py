"""Runner of the nodes of one host: it forks them for a launcher elsewhere, and tells how each of them ends.

The launcher starts it through whatever reaches the host (ssh, a step of a Slurm job), and speaks with it over its standard
input and output, one JSON object per line.  Nodes are forked from one process that has imported everything, as on the launcher's own host.
When the input ends, because the launcher or the connection has ended, all nodes are ended: nothing outlives its launcher.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import netagents
from netagents.errors import NetagentsError, RunDirectoryError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.local import NEURAL_PRELOAD, TABULAR_PRELOAD
from netagents.launchers.supervision.node_watch import FORKSERVER
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
from netagents.launchers.supervision.processes import allow_descriptors
from netagents.launchers.supervision.supervisor_events import Exited, NodeReady, NodeSpec
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.records.manifest import read_manifest

PROTOCOL = 1
"""Version of the lines between launcher and runner."""

ALIVE_SECONDS = 2.0
"""Seconds between two signs of life, in both directions."""

PACKAGES = ("numpy", "torch")
"""Packages whose versions decide about bits."""

_TICK_SECONDS = 0.1
_LOG_BYTES = 1 << 16
_STOP_SECONDS = 1.5
_IDLE_SECONDS = 60.0
_READ_BYTES = 1 << 16


def greeting() -> dict[str, Any]:
    """What a runner says first: who it is, on which machine, and how it was reached."""
    facts = {"hello": PROTOCOL, "version": netagents.__version__, "host": socket.gethostname(), "pid": os.getpid(), "machine": machine()}
    facts["packages"] = {name: _version(name) for name in PACKAGES}
    facts["reached"] = os.environ.get("SSH_CONNECTION", "").split()
    return facts


def machine() -> str:
    """A name of this boot of this machine and its process numbers: where two are equal, so are process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


class HostRunner:
    """Forks and watches the nodes of one host.

    Args:
        send: sends a message to the launcher.
        settings: of the launcher: ``networks`` (nodes use torch), ``nodes`` (how many there may be), ``logs`` (folder of logs in the run
            directory, where this host sees it, or None: logs are sent), ``run`` (id of the run), ``paths`` (folders of modules), ``scale``
            (``timeouts.scale``), and ``sockets`` (the launcher's folder of sockets, if it is on this host).

    Raises:
        RunDirectoryError: this host does not see the run directory.
    """

    def __init__(self, send: Callable[..., None], settings: Mapping[str, Any]) -> None:
        sys.path.extend(path for path in settings["paths"] if path not in sys.path)
        allow_descriptors(int(settings["nodes"]))
        self._send = send
        logs = settings["logs"]
        if logs is not None:
            _check_seen(Path(logs).parent, str(settings["run"]))
        # Beside the launcher it is the launcher's own, which then goes even if the launcher is killed.
        self._sockets = SocketDirectory(Path(settings["sockets"])) if settings.get("sockets") else SocketDirectory.create()
        self._sent: dict[str, int] | None = None if logs is not None else {}
        self._logs = Path(logs) if logs is not None else self._sockets.path / "logs"
        self._logs.mkdir(exist_ok=True)
        self._supervisor = ProcessSupervisor(
            (),
            timeouts=Timeouts(scale=float(settings["scale"])),
            log_directory=self._logs,
            sockets=self._sockets,
            preload=NEURAL_PRELOAD if settings["networks"] else TABULAR_PRELOAD,
        )

    def serve(self, lines: InputLines) -> None:
        """Do what the launcher asks for, until it ends or nothing is left to do."""
        with self._supervisor as supervisor:
            supervisor.start()
            supervisor.watch(lines.descriptor)
            self._obey(lines.take()[0])
            last_sign = time.monotonic()
            while True:
                events = supervisor.poll(_TICK_SECONDS)
                if any(isinstance(event, NodeReady) for event in events):
                    last_sign = time.monotonic()
                    messages, ended = lines.take()
                    self._obey(messages)
                    if ended:
                        break
                self._send_logs()
                for event in events:
                    if isinstance(event, Exited) and event.role == FORKSERVER:
                        raise NetagentsError("its forkserver ended", where=socket.gethostname())
                    if isinstance(event, Exited) and event.essential:
                        self._send(exited=event.role, pid=event.pid, code=event.exit_code)
                if not supervisor.running and time.monotonic() - last_sign > _IDLE_SECONDS:
                    break
            supervisor.stop("the launcher is gone", _STOP_SECONDS)
            self._send_logs()

    def _obey(self, messages: list[dict[str, Any]]) -> None:
        specs = []
        for message in messages:
            if "start" in message:
                specs.append(self._spec(message))
            elif "signal" in message:
                self._supervisor.signal(int(message["signal"]), message["roles"])
        if specs:
            for role, pid in self._supervisor.add(specs).items():
                self._send(started=role, pid=pid)

    def _spec(self, message: Mapping[str, Any]) -> NodeSpec:
        role, arguments = str(message["start"]), dict(message["arguments"])
        if message.get("keys"):
            arguments["keys"] = str(self._write_keys(role, message["keys"]))
        if self._sent is None:
            (self._logs / f"{role}.jsonl").touch()
        return NodeSpec(role, str(message["target"]), arguments)

    def _write_keys(self, role: str, files: Mapping[str, str]) -> Path:
        folder = self._sockets.path / f"keys-{role}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in files.items():
            descriptor = os.open(folder / Path(name).name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
        return folder

    def _send_logs(self) -> None:
        if self._sent is None:
            return
        for path in sorted(self._logs.glob("*.jsonl")):
            while True:
                with path.open("rb") as file:
                    file.seek(self._sent.get(path.stem, 0))
                    data = file.read(_LOG_BYTES)
                whole = data[: data.rfind(b"\n") + 1] or (data if len(data) == _LOG_BYTES else b"")
                if not whole:
                    break
                self._sent[path.stem] = self._sent.get(path.stem, 0) + len(whole)
                self._send(log=path.stem, text=whole.decode(errors="replace"))


def _check_seen(directory: Path, run: str) -> None:
    """Refuse to run where the run directory is not the launcher's.

    Raises:
        RunDirectoryError: it is missing here, or is another run's.
    """
    try:
        visible = read_manifest(directory)["run"] == run
    except RunDirectoryError:
        visible = False
    if not visible:
        raise RunDirectoryError(
            f"does not see the run directory {directory}",
            where=f"host {socket.gethostname()}",
            fix="name one of a file system that all hosts share, with --out",
        )


class InputLines:
    """Messages of the launcher, from a descriptor that is read without blocking."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self._rest = descriptor, b""
        self._pending: list[dict[str, Any]] = []
        os.set_blocking(descriptor, False)

    def take(self) -> tuple[list[dict[str, Any]], bool]:
        """The messages that have come, and whether no more will come."""
        ended = False
        while True:
            try:
                data = os.read(self.descriptor, _READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                ended = True
                break
            self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        messages = [*self._pending, *(json.loads(line) for line in lines if line.strip())]
        self._pending = []
        return messages, ended or any("end" in message for message in messages)

    def first(self) -> dict[str, Any] | None:
        """The first message; None if the input ends before it."""
        while True:
            select.select([self.descriptor], [], [])
            messages, ended = self.take()
            if messages:
                self._pending = messages[1:]
                return messages[0]
            if ended:
                return None


def main() -> int:
    """Greet the launcher, and run what it asks for."""
    # What anybody prints here goes to standard error; the lines have a descriptor of their own.
    output = os.dup(1)
    os.dup2(2, 1)
    # A signal to all processes of a job or a terminal is answered by the launcher, which sees that the run ends well.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)

    writing = threading.Lock()

    def send(**message: Any) -> None:
        data = json.dumps(message).encode() + b"\n"
        with writing, contextlib.suppress(OSError):
            while data:
                data = data[os.write(output, data) :]

    lines = InputLines(0)
    send(**greeting())
    settings = lines.first()
    if settings is None:
        return 0
    # A thread of its own: a runner that forks or imports is alive, too.
    ended = threading.Event()
    threading.Thread(target=_stay_alive, args=(send, ended), daemon=True).start()
    try:
        HostRunner(send, settings).serve(lines)
    except NetagentsError as error:
        send(fault=str(error))
        return error.exit_code
    finally:
        ended.set()
    return 0


def _stay_alive(send: Callable[..., None], ended: threading.Event) -> None:
    while not ended.wait(ALIVE_SECONDS):
        send(alive=1)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
