"""Supervisor of nodes on several hosts: the same events, root cause, restarts and endings as for processes of one machine."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netagents
from netagents.errors import EngineError, NetagentsError
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.hosts.host_channel import Host, HostChannel, address_towards
from netagents.launchers.hosts.host_runner import PACKAGES, PROTOCOL, greeting
from netagents.launchers.hosts.host_watch import HostNode, HostWatch, check_greeting
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.supervision.supervisor import Supervisor
from netagents.launchers.supervision.supervisor_events import Exited, NodeEvent, NodeSpec, Signalled
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.wire.pauses import note_waking, waiting_clock

_LOOK_SECONDS = 0.1
_EXTRA_STOP_SECONDS = 3.0
_TERMINATED = 128 + signal.SIGTERM
_SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class HostRun:
    """What nodes on hosts need besides their specs.

    Attributes:
        settings: for the runners, see :class:`~netagents.launchers.hosts.host_runner.HostRunner`.
        home: the same for the one on this host.
        announced: file in which the server, on this host, writes its address.
        keys: role -> content of the files of its keys; empty where all hosts see them at the path that the arguments name.
        explain: from the host, the exit code and the last words of a command that did not reach it, the error.
        note: tells the user something.
    """

    settings: Mapping[str, Any]
    home: Mapping[str, Any]
    announced: Path
    keys: Mapping[str, Mapping[str, str]]
    explain: Callable[[Host, int | None, Sequence[str]], EngineError]
    note: Callable[[str], None]


class HostSupervisor(Supervisor):
    """The nodes of one run on several hosts.

    Args:
        specs: the nodes.
        home: the connection to the launcher's own host, with the roles that run there, the server first.
        others: connections to hosts, each with the roles that are placed there.
        run: what they need.
        timeouts, log_directory, sockets, interruptions: as for every supervisor.
    """

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        *,
        home: tuple[Host, Sequence[str]],
        others: Sequence[tuple[Host, Sequence[str]]],
        run: HostRun,
        timeouts: Timeouts,
        log_directory: Path,
        sockets: SocketDirectory,
        interruptions: Interruptions | None = None,
    ) -> None:
        super().__init__(specs, timeouts=timeouts, log_directory=log_directory, sockets=sockets, interruptions=interruptions)
        self._hosts = HostWatch(log_directory, timeouts.seconds("answer"))
        self._home, self._others, self._run = home, others, run
        self._places: dict[str, HostChannel] = {}

    @property
    def _watch(self) -> HostWatch:
        return self._hosts

    def _holds(self) -> bool:
        return any(channel.process.poll() is None for channel in self._hosts.channels)

    # ------------------------------------------------------------------ start

    def start(self, first: Sequence[str] = ()) -> None:
        """Reach all hosts and start all nodes, or those of ``first``, which run at home.

        Raises:
            EngineError: a host cannot be reached, or has another version.
        """
        self._catch_signals()
        try:
            for host, roles in (self._home, *self._others):
                channel = HostChannel(host)
                self._hosts.channels.append(channel)
                self._places.update(dict.fromkeys(roles, channel))
            home = self._hosts.channels[0]
            self._await(lambda: home.hello is not None, "the runner on this host")
            self._open(home, len(self._home[1]))
            server = [spec for spec in self.specs if spec.role in (first or self._home[1][:1])]
            for spec in server:
                self._send_start(spec, home)
            if not first:
                self.start_others()
        except BaseException:
            with contextlib.suppress(NetagentsError):  # what went wrong first is what counts
                self.close()
            raise

    def start_others(self) -> None:
        """Start those that :meth:`start` has not, once the server has said where it listens.

        Raises:
            EngineError: as :meth:`start`.
        """
        started = {*self.running, *(exit_.role for exit_ in self.exits)}
        channels = self._hosts.channels
        self._await(lambda: all(channel.hello is not None for channel in channels), "the runners of all hosts", channels)
        for channel, (_, roles) in zip(channels[1:], self._others, strict=True):
            self._open(channel, len(roles))
        self._await(self._run.announced.exists, "the address of the server")
        if self._run.announced.exists():
            for spec in self.specs:
                if spec.role not in started:
                    self._send_start(spec, self._places[spec.role])
            self._await(lambda: all(node.number for node in self._hosts.placed.values()), "the processes of all agents")

    def _await(self, condition: Callable[[], bool], what: str, channels: Sequence[HostChannel] = ()) -> None:
        """Look until a condition holds; returns early when a node has ended or a signal has come, which the caller's loop answers."""
        limit = waiting_clock() + self.timeouts.seconds("join")
        while not condition():
            start = waiting_clock()
            self._watch.look(_LOOK_SECONDS, ())
            note_waking(start + _LOOK_SECONDS)
            self._refuse_lost()
            if any(isinstance(event, Signalled | Exited) for event in self._watch.events):
                self.check(self._watch.events)
                return
            if waiting_clock() > limit:
                silent = [channel.host.name for channel in channels or self._hosts.channels if channel.hello is None]
                seconds = self.timeouts.seconds("join")
                raise EngineError(f"waited {seconds:g} s for {what}", where=", ".join(silent) or None, fix="raise timeouts.join")

    def _refuse_lost(self) -> None:
        for channel in self._hosts.channels:
            if channel.fault:
                raise EngineError(channel.fault)
            if channel.lost:
                raise self._run.explain(channel.host, channel.process.poll(), channel.words or [channel.lost])

    def _open(self, channel: HostChannel, nodes: int) -> None:
        try:
            check_greeting(channel, netagents.__version__, PROTOCOL)
        except NetagentsError as error:
            raise EngineError(error.what, where=error.where, fix=error.fix) from None
        here, there = greeting()["packages"], (channel.hello or {}).get("packages", {})
        for name in PACKAGES:
            if there.get(name) != here[name]:
                self._run.note(f"note: host {channel.host.name} has {name} {there.get(name)}, not {here[name]}; bits may differ")
        # Its silence begins now: it had nothing to say while others were waited for.
        channel.opened, channel.last_line = True, waiting_clock()
        channel.send(**(self._run.home if channel is self._hosts.channels[0] else self._run.settings), nodes=nodes)

    def _send_start(self, spec: NodeSpec, channel: HostChannel) -> HostNode:
        arguments = dict(spec.arguments)
        if spec.role != "environment":
            port = self._run.announced.read_text(encoding="utf-8").rpartition(":")[2]
            address, server = self._addresses(channel)
            arguments |= {"join": f"tcp://{_bracketed(server)}:{port}", "advertise": address}
        node = self._hosts.begin(spec, channel)
        channel.send(start=spec.role, target=spec.target, arguments=arguments, keys=self._run.keys.get(spec.role))
        return node

    def _addresses(self, channel: HostChannel) -> tuple[str, str]:
        """The address of a host for others, and that of the server for this host."""
        host = channel.host
        reached = ((channel.hello or {}).get("reached") or []) if host.over_ssh else []
        if channel is self._hosts.channels[0]:
            return host.address or "127.0.0.1", host.server or "127.0.0.1"
        address = host.address or (str(reached[2]) if len(reached) == 4 else host.name)
        server = host.server or (str(reached[0]) if len(reached) == 4 else address_towards(address))
        return address, server

    def _start_one(self, spec: NodeSpec) -> HostNode:
        """Start a node again, on another host where its own is lost."""
        channel = self._places[spec.role]
        if channel.lost:
            alive = [each for each in self._hosts.channels[1:] if not each.lost and each.hello is not None] or self._hosts.channels[:1]
            channel = min(alive, key=lambda each: sum(node.channel is each for node in self._hosts.placed.values()))
            self._places[spec.role] = channel
            self._run.note(f"{spec.role} moves to host {channel.host.name}")
        return self._send_start(spec, channel)

    # ------------------------------------------------------------------ watch and end

    def pids(self) -> dict[str, int]:
        """Process numbers of the nodes whose processes this host can see."""
        here = greeting()["machine"]
        return {
            role: node.number
            for role, node in self._hosts.placed.items()
            if node.number and here and (node.channel.hello or {}).get("machine") == here
        }

    def check(self, events: Sequence[NodeEvent], ask: Sequence[str] = ()) -> None:  # type: ignore[override]
        """As every supervisor; a SIGTERM that reached nodes first, such as that of a cancelled job, is awaited here, too."""
        known = list(events)
        # Whom nothing is heard of, no signal has reached.
        silent = {role for role, channel in self._places.items() if channel.silent}
        ends = [event for event in known if isinstance(event, Exited) and event.role not in silent]
        if any(event.exit_code in (_TERMINATED, None) for event in ends):
            limit = time.monotonic() + _SETTLE_SECONDS
            while time.monotonic() < limit and not any(isinstance(event, Signalled) for event in known):
                self._watch.look(_LOOK_SECONDS, ())
                late = [event for event in self._watch.events if isinstance(event, Signalled)]
                self._watch.events = [event for event in self._watch.events if event not in late]
                known += late
        super().check(known, ask)

    def end(self, role: str) -> None:
        node = self._hosts.placed.get(role)
        if node is not None:
            node.channel.send(signal=int(signal.SIGKILL), roles=[role])

    def stop(self, reason: str, deadline: float | None = None, ask: Sequence[str] = ()) -> list[str]:
        """End every node, as for processes, with more time for the ways between hosts."""
        return super().stop(reason, self.timeouts.seconds("stop") + _EXTRA_STOP_SECONDS if deadline is None else deadline, ask)

    def _send(self, number: int, roles: Sequence[str]) -> None:
        for channel in self._hosts.channels:
            here = [role for role in roles if self._hosts.placed[role].channel is channel]
            for role in here:
                node = self._hosts.placed[role]
                node.signal_time = node.signal_time or time.time()
            if here:
                channel.send(signal=int(number), roles=here)

    def _end_rest(self, seconds: float) -> None:
        for channel in self._hosts.channels:
            channel.hang_up()
        limit = time.monotonic() + max(seconds, _EXTRA_STOP_SECONDS)
        for channel in self._hosts.channels:
            with contextlib.suppress(OSError):
                channel.close(max(0.0, limit - time.monotonic()))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
