"""Watch over nodes on other hosts: their ends come as messages of the runners, or with the end of the connection to one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netagents.errors import NetagentsError
from netagents.launchers.hosts.host_channel import HostChannel
from netagents.launchers.hosts.host_runner import ALIVE_SECONDS
from netagents.launchers.supervision.node_watch import Node, Watch
from netagents.launchers.supervision.supervisor_events import NodeSpec, Source
from netagents.wire.pauses import waiting_clock


@dataclass
class HostNode(Node):
    """A node on a host: its channel, and the number of its process there."""

    channel: HostChannel = field(kw_only=True)
    number: int = 0

    @property
    def pid(self) -> int:
        return self.number


class HostWatch(Watch):
    """What the supervisor of nodes on hosts waits for.

    Args:
        logs: folder of the nodes' logs.
        silence: seconds without a sign of life after which a host counts as lost.
    """

    def __init__(self, logs: Path, silence: float) -> None:
        super().__init__()
        self.channels: list[HostChannel] = []
        self.placed: dict[str, HostNode] = {}
        self._logs, self._silence = logs, silence
        self._last_sign = 0.0

    @property
    def nodes(self) -> dict[str, Node]:
        return self.placed  # type: ignore[return-value]  # nobody but this class and its supervisor adds to it

    def begin(self, spec: NodeSpec, channel: HostChannel) -> HostNode:
        """Add a node that is about to start."""
        node = HostNode(spec, time.time(), self._logs / f"{spec.role}.jsonl", channel=channel)
        self.placed[spec.role] = node
        return node

    def look(self, timeout: float, sources: Collection[Source]) -> None:
        owners = {descriptor: channel for channel in self.channels for descriptor in channel.descriptors}
        unsent = any(channel.pending for channel in self.channels)
        ready = self.poll(min(timeout, 0.02) if unsent else min(timeout, ALIVE_SECONDS / 2), owners, sources)
        for channel in dict.fromkeys(owners[source] for source in ready if isinstance(source, int)):
            for message in channel.receive():
                self._take(channel, message)
            if channel.lost:
                self._lose(channel)
        now = waiting_clock()
        for place, channel in enumerate(self.channels):
            channel.flush()
            # The first is that of this host, whose end cannot stay unnoticed.
            if place and channel.opened and not channel.lost and now - channel.last_line > self._silence:
                channel.lost, channel.silent = f"no sign of life for {self._silence:g} s", True
                self._lose(channel)
        if now - self._last_sign >= ALIVE_SECONDS:
            self._last_sign = now
            for channel in self.channels:
                if channel.opened and not channel.lost:
                    channel.send(alive=1)

    def _take(self, channel: HostChannel, message: dict[str, Any]) -> None:
        """One message of a runner; what is not of the expected form is of another program."""
        node = self.placed.get(str(message.get("started", message.get("exited", ""))))
        if node is not None and node.channel is channel:
            pid = message.get("pid")
            node.number = pid if isinstance(pid, int) else 0
            if "exited" in message:
                code = message.get("code")
                node.note = node.note or str(message.get("note", ""))
                self.note_exit(node, code if isinstance(code, int) else None)
        elif "log" in message:
            self._append(str(message["log"]), str(message.get("text", "")))
        elif "fault" in message:
            channel.lost = channel.fault = str(message["fault"])

    def _append(self, role: str, text: str) -> None:
        # A runner names its own nodes only, and none of them is a path.
        if role.replace("_", "").isalnum():
            with contextlib.suppress(OSError), (self._logs / f"{role}.jsonl").open("a", encoding="utf-8") as file:
                file.write(text)

    def _lose(self, channel: HostChannel) -> None:
        """The host is gone, and all that ran there."""
        for node in [node for node in self.placed.values() if node.channel is channel]:
            words = f" ({channel.words[-1]})" if channel.words else ""
            node.note = node.note or f"host {channel.host.name} is lost: {channel.lost}{words}"
            self.note_exit(node, None)


def check_greeting(channel: HostChannel, version: str, protocol: int) -> None:
    """Refuse a runner of another version.

    Raises:
        NetagentsError: says which one the host has.
    """
    hello = channel.hello or {}
    if hello.get("hello") != protocol or hello.get("version") != version:
        raise NetagentsError(
            f"has netagents {hello.get('version')}, and the launcher {version}", where=f"host {channel.host.name}", fix="install the same"
        )
