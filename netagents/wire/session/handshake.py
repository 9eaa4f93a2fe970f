"""Handshake of the two-phase start: two state machines without I/O.

===========  ==========================  =====================================================  ==========
role         receives                    then                                                   next state
===========  ==========================  =====================================================  ==========
rendezvous   Hello of the last expected  Welcome to every node                                  WELCOMED
rendezvous   Ready of the last expected  Start to every node                                    STARTED
node         Welcome                     the driver links to its peers; Hello on every link     LINKING
node         Hello of the last peer      Ready to the rendezvous                                READY
node         Start                       -                                                      STARTED
===========  ==========================  =====================================================  ==========

Any start order works, because a node sends Hello again until it is welcomed, and early Hellos of peers are remembered.  Repeated
messages are harmless; contradictory ones are a ProtocolError.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from netagents.errors import ProtocolError
from netagents.messages import ENVIRONMENT, Envelope, Hello, Kind, Message, Ready, Start, Welcome, node_name, node_names
from netagents.wire.session.radius_admission import UNKNOWN_RUN


class OtherRunError(ProtocolError):
    """A message of another run arrived.  Drivers drop and count it: an old run must not disturb a new one."""


class Phase(StrEnum):
    """State of a handshake."""

    HELLO = "hello"
    WELCOMED = "welcomed"
    LINKING = "linking"
    READY = "ready"
    STARTED = "started"


class Reply(NamedTuple):
    """A control message to send; all of them travel with iteration 0 and step 0."""

    receiver: int
    kind: Kind
    message: Message


def role_of(index: int) -> str:
    """The role that a node index belongs to."""
    if index >= 0:
        return "agent"
    return "environment" if index == ENVIRONMENT else "monitor"


class NodeHandshake:
    """A node's half of the handshake.

    Args:
        index: of the node.
        endpoint: where it receives.
        version: of netagents.
        pid: of its process.
        run: the run it belongs to, or UNKNOWN_RUN if it was started by hand and knows only an address.
    """

    def __init__(self, index: int, endpoint: str, version: str, pid: int, run: bytes = UNKNOWN_RUN) -> None:
        self.phase = Phase.HELLO
        self.run = run
        self.welcome: Welcome | None = None
        self.iteration = -1
        self.incarnation = 0
        """Incarnation of all nodes, from the server's Welcome."""
        self.hellos: dict[int, Hello] = {}
        self.incarnations: dict[int, int] = {}
        self.refused = 0
        """Number of dropped Hellos from nodes that are not in-peers."""
        self._index = index
        self._runs: dict[int, bytes] = {}
        self._hello = Hello(role_of(index), endpoint, version, pid)
        self._in_peers: frozenset[int] = frozenset()

    def hello(self) -> Reply:
        """The Hello to the rendezvous; to be sent again from time to time while :attr:`phase` is HELLO."""
        return Reply(ENVIRONMENT, Kind.HELLO, self._hello)

    def handle(self, envelope: Envelope) -> list[Reply]:
        """The answers to Welcome, Hello or Start; none to other kinds, which the driver handles.

        After the call that sets :attr:`phase` to WELCOMED the driver reads :attr:`welcome` and :attr:`run`, links to its peers and
        calls :meth:`link`.

        Raises:
            OtherRunError: the sender belongs to another run.
            ProtocolError: another version, an unknown role, or a message that the rendezvous does not send at this point.
        """
        message, sender = envelope.message, envelope.sender
        early = self.run == UNKNOWN_RUN
        if isinstance(message, (Welcome, Hello, Start)) and envelope.run != self.run and not (early and not isinstance(message, Start)):
            raise OtherRunError(
                f"{node_name(sender)} belongs to run {envelope.run.hex()}, not {self.run.hex()}", where=node_name(self._index)
            )
        if isinstance(message, Welcome):
            return self._on_welcome(envelope, message)
        if isinstance(message, Hello):
            return self._on_hello(envelope, message)
        if isinstance(message, Start):
            if self.phase not in (Phase.READY, Phase.STARTED):
                raise ProtocolError(f"{node_name(sender)} starts {node_name(self._index)} before it is ready")
            self.phase = Phase.STARTED
            self.iteration = message.iteration
        return []

    def link(self, out_peers: Collection[int], in_peers: Collection[int]) -> list[Reply]:
        """Set the peers, once the driver has links to all of ``out_peers``; gives the Hellos to send, and Ready if no Hello is missing.

        Args:
            out_peers: the agents (and the monitor) that this node sends to, without the environment server.
            in_peers: the agents it receives from, without the environment server, whose Welcome has confirmed that link.
        """
        if self.phase is not Phase.WELCOMED:
            raise ProtocolError("peers are linked once, after the welcome", where=node_name(self._index))
        self.phase = Phase.LINKING
        self._in_peers = frozenset(in_peers) - {self._index, ENVIRONMENT}
        for unexpected in set(self.hellos) - self._in_peers:
            self._refuse(unexpected)
        replies = [Reply(peer, Kind.HELLO, self._hello) for peer in sorted(set(out_peers) - {self._index, ENVIRONMENT})]
        return replies + self._ready_if_complete()

    def _on_welcome(self, envelope: Envelope, welcome: Welcome) -> list[Reply]:
        if envelope.sender != ENVIRONMENT:
            raise ProtocolError(
                f"{node_name(envelope.sender)} sent a welcome", where=node_name(self._index), fix="only the server welcomes"
            )
        if self.phase is Phase.HELLO:
            self.run = envelope.run
            self.iteration, self.incarnation = envelope.iteration, envelope.incarnation
            self.welcome = welcome
            self.incarnations[ENVIRONMENT] = envelope.incarnation
            self.phase = Phase.WELCOMED
            # Hellos that arrived before the run was known count only if they belong to this run.
            for unexpected in [peer for peer in self.hellos if self._runs[peer] != self.run]:
                self._refuse(unexpected)
            self._forget_older()
        return []

    def supersedes(self, envelope: Envelope) -> bool:
        """Whether this is a Welcome under a higher incarnation: a node was restarted, and all begin again."""
        repeated = isinstance(envelope.message, Welcome) and self.phase is not Phase.HELLO
        return repeated and envelope.sender == ENVIRONMENT and envelope.run == self.run and envelope.incarnation > self.incarnation

    def restart(self, envelope: Envelope) -> None:
        """Accept such a Welcome; the driver links and calls :meth:`link` as after the first one."""
        assert isinstance(envelope.message, Welcome)
        self.welcome, self.phase = envelope.message, Phase.WELCOMED
        self.iteration, self.incarnation = envelope.iteration, envelope.incarnation
        self._forget_older()

    def _forget_older(self) -> None:
        for peer in [peer for peer in self.hellos if self.incarnations[peer] < self.incarnation]:
            del self.hellos[peer], self.incarnations[peer]

    def _on_hello(self, envelope: Envelope, hello: Hello) -> list[Reply]:
        sender = envelope.sender
        if hello.version != self._hello.version:
            raise ProtocolError(
                f"{node_name(sender)} runs netagents {hello.version[:40]}, {node_name(self._index)} {self._hello.version}",
                fix="install the same version everywhere",
            )
        if hello.role != role_of(sender):
            raise ProtocolError(f"node {sender} says it is '{hello.role[:40]}'", where=hello.endpoint)
        if self.phase is not Phase.HELLO and envelope.incarnation < self.incarnation:
            return []
        self.hellos[sender] = hello
        self.incarnations[sender] = envelope.incarnation
        self._runs[sender] = envelope.run
        if self.phase in (Phase.HELLO, Phase.WELCOMED):
            return []
        if sender not in self._in_peers:
            self._refuse(sender)
            return []
        return self._ready_if_complete()

    def _refuse(self, sender: int) -> None:
        self.refused += 1
        del self.hellos[sender]
        del self.incarnations[sender]

    def _ready_if_complete(self) -> list[Reply]:
        if self.phase is Phase.LINKING and self._in_peers <= self.hellos.keys():
            self.phase = Phase.READY
            return [Reply(ENVIRONMENT, Kind.READY, Ready())]
        return []

    def missing(self) -> list[int]:
        """The nodes that the current phase waits for."""
        if self.phase is Phase.LINKING:
            return sorted(self._in_peers - self.hellos.keys())
        return [] if self.phase is Phase.STARTED else [ENVIRONMENT]

    def status(self, seconds_left: float) -> str:
        """One line about what this node waits for."""
        remaining = f"{seconds_left:.0f} s left" if seconds_left > 0.0 else "no time left"
        if self.phase is Phase.LINKING:
            missing = self.missing()
            return f"waiting for {len(missing)} of {len(self._in_peers)}: {node_names(missing)} (never said hello), {remaining}"
        what = {Phase.HELLO: "a welcome from", Phase.WELCOMED: "the links after the welcome of", Phase.READY: "the start from"}
        return f"waiting for {what.get(self.phase, 'nothing more from')} the environment server, {remaining}"
