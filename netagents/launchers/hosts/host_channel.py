"""Channel from the launcher to the runner of one host: the process that reaches the host, and the lines over its standard streams."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netagents.wire.pauses import waiting_clock

RUNNER = "netagents.launchers.hosts.host_runner"
"""Module that a host runs."""

_READ_BYTES = 1 << 16
_LAST_LINES = 20
_LONGEST_LINE = 1 << 24


@dataclass(frozen=True)
class Host:
    """A host on which nodes may be placed, and how it is reached.

    Attributes:
        name: for people.
        command: starts the runner there; its standard input and output lead to the runner's.
        slots: how many agents it takes.
        address: numeric address at which other hosts reach its nodes; None: the one at which ssh reached it, else its name.
        server: numeric address at which it reaches the server; None: the one from which ssh reached it, else that of this host towards it.
        variables: environment variables of the command, beside those of this process.
        over_ssh: the command is ssh, whose addresses count; those of a login before it, which engines pass on, do not.
    """

    name: str
    command: tuple[str, ...]
    slots: int = 1_000_000
    address: str | None = None
    server: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    over_ssh: bool = False


def runner_command(python: str = sys.executable) -> tuple[str, ...]:
    """The command of a runner on this host, or on one where Python has the same path."""
    return (python, "-P", "-m", RUNNER)


def address_towards(host: str) -> str:
    """The numeric address of this host from which packets to another one leave.

    Raises:
        OSError: there is no route.
    """
    family, *_, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


class HostChannel:
    """One connection to a runner.

    Attributes:
        host: at its other end.
        hello: the runner's greeting; None before it.
        opened: the runner has its settings.
        last_line: when the last line came, on the clock of waits.
        lost: why the connection is of no use any more; empty while it is.
        silent: it is lost because nothing came any more; the command that reaches the host then has nobody to wait for.
        fault: why the runner ended, in its own words.
        process: of the command that reaches the host.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.hello: dict[str, Any] | None = None
        self.opened = self.silent = False
        self.lost = self.fault = ""
        self.last_line = waiting_clock()
        self._in, self._out = b"", b""
        self._errors: deque[str] = deque(maxlen=_LAST_LINES)
        self.process = subprocess.Popen(
            host.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **host.variables},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stdin, self._stdout, self._stderr = (
            self.process.stdin.fileno(),
            self.process.stdout.fileno(),
            self.process.stderr.fileno(),
        )
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)

    @property
    def descriptors(self) -> list[int]:
        """What to poll; nothing once it is lost."""
        return [] if self.lost else [self._stdout, self._stderr]

    @property
    def words(self) -> list[str]:
        """The last lines that the command wrote to standard error."""
        return list(self._errors)

    @property
    def pending(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out) and not self.lost

    def send(self, **message: Any) -> None:
        """Send a message; what cannot leave at once leaves later."""
        self._out += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as that goes without waiting."""
        with contextlib.suppress(BlockingIOError, OSError):
            while self._out and not self.lost:
                self._out = self._out[os.write(self._stdin, self._out) :]

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have come; notices the end of the connection."""
        self._read_errors()
        data, ended = _read(self._stdout)
        if data:
            self.last_line = waiting_clock()
        self._in += data
        *lines, self._in = self._in.split(b"\n")
        messages = []
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if not isinstance(message, dict) or (self.hello is None and "hello" not in message):
                # What a shell prints when it starts.
                self._errors.append(line.decode(errors="replace").strip())
                continue
            if self.hello is None:
                self.hello = message
            else:
                messages.append(message)
        if ended or len(self._in) > _LONGEST_LINE:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1.0)
            self._read_errors()
            code = self.process.poll()
            self.lost = "the connection ended" + (f" with exit code {code}" if code else "")
        return messages

    def _read_errors(self) -> None:
        data, _ = _read(self._stderr)
        self._errors.extend(line.strip() for line in data.decode(errors="replace").splitlines() if line.strip())

    def hang_up(self) -> None:
        """End the runner's input, upon which it ends all its nodes."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.flush()
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def close(self, seconds: float) -> None:
        """Hang up and end the command, which gets ``seconds`` to leave by itself; none where the host is silent."""
        self.hang_up()
        steps = ((None, seconds), (signal.SIGTERM, 1.0), (signal.SIGKILL, 1.0))
        for number, patience in steps[-1:] if self.silent else steps:
            if number is not None:
                with contextlib.suppress(OSError):
                    os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                break
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.lost = self.lost or "closed"


def _read(descriptor: int) -> tuple[bytes, bool]:
    """What can be read now, and whether the end was reached."""
    data = b""
    while True:
        try:
            more = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return data, False
        except OSError:
            more = b""
        if not more:
            return data, True
        data += more
