"""Rendezvous: the environment server's half of the handshake; :mod:`netagents.wire.session.handshake` describes both halves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from netagents.errors import ProtocolError
from netagents.messages import ENVIRONMENT, MONITOR, Envelope, Hello, Kind, Ready, Start, Welcome, node_name, node_names
from netagents.wire.session.handshake import OtherRunError, Phase, Reply, role_of
from netagents.wire.session.radius_admission import UNKNOWN_RUN


class Rendezvous:
    """Waits for every expected node, welcomes all, waits until all are ready, and starts all.

    Args:
        run: 8 bytes that name the run.
        version: of netagents; every node must run the same.
        agents: n; agents 0..n-1 are expected.
        monitor: whether the monitor is expected as well.
        welcome: makes the Welcome of a node (index, peers); peers maps every node that has sent Hello to its endpoint.
        iteration: the one to start with.
    """

    def __init__(
        self,
        run: bytes,
        version: str,
        agents: int,
        *,
        monitor: bool,
        welcome: Callable[[int, Mapping[int, str]], Welcome],
        iteration: int = 0,
    ) -> None:
        self.phase = Phase.HELLO
        self.expected = frozenset(range(agents)) | ({MONITOR} if monitor else frozenset())
        self.hellos: dict[int, Hello] = {}
        self.incarnations: dict[int, int] = {}
        self.ready: set[int] = set()
        self._run = run
        self._version = version
        self._welcome = welcome
        self._least = 0
        self.iteration = iteration
        """The first iteration; the driver changes it after a restart."""

    @property
    def incarnation(self) -> int:
        """The highest of all nodes that have sent Hello; all use it once they are welcomed."""
        return max([self._least, *self.incarnations.values()])

    @property
    def peers(self) -> dict[int, str]:
        """Endpoint of every node that has sent Hello."""
        return {index: self.hellos[index].endpoint for index in sorted(self.hellos)}

    def handle(self, envelope: Envelope) -> list[Reply]:
        """The answers to Hello or Ready; none to other kinds, which the driver handles.

        The driver links to ``hellos[sender].endpoint`` before it sends the replies.

        Raises:
            OtherRunError: the sender belongs to another run.
            ProtocolError: another version, an unknown role or index, or two nodes that claim one index.
        """
        message, sender = envelope.message, envelope.sender
        if isinstance(message, Hello):
            if envelope.run not in (self._run, UNKNOWN_RUN):
                raise OtherRunError(
                    f"{node_name(sender)} belongs to run {envelope.run.hex()}, not {self._run.hex()}", where=message.endpoint
                )
            return self._hello(sender, envelope.incarnation, message)
        if isinstance(message, Ready):
            if envelope.run != self._run:
                raise OtherRunError(f"{node_name(sender)} belongs to run {envelope.run.hex()}, not {self._run.hex()}")
            # A Ready from before a restart does not count after it.
            return self._ready(sender) if envelope.incarnation == self.incarnation else []
        return []

    def lose(self, index: int) -> list[Reply]:
        """Remove a node for good: nobody waits for it any more, and all welcomed nodes begin again without it.

        Gives the Welcomes to send; none while other Hellos are missing.
        """
        least = self.incarnation + 1
        self.expected -= {index}
        self.hellos.pop(index, None)
        self.incarnations.pop(index, None)
        self.ready.discard(index)
        if self.phase is Phase.HELLO:
            if len(self.hellos) < len(self.expected):
                return []
            self.phase = Phase.WELCOMED
            return [self._welcome_to(each) for each in sorted(self.expected)]
        self._least = least
        self.phase = Phase.WELCOMED
        self.ready = {each for each in self.expected if each < 0}
        return [self._welcome_to(each) for each in sorted(self.expected) if each >= 0]

    def _hello(self, sender: int, incarnation: int, hello: Hello) -> list[Reply]:
        if hello.version != self._version:
            raise ProtocolError(
                f"{node_name(sender)} runs netagents {hello.version[:40]}, the server {self._version}",
                where=hello.endpoint,
                fix="install the same version everywhere",
            )
        if sender == ENVIRONMENT or hello.role != role_of(sender):
            raise ProtocolError(
                f"node {sender} says it is '{hello.role[:40]}'", where=hello.endpoint, fix="a node is an agent or the monitor"
            )
        if sender not in self.expected:
            agents = sum(index >= 0 for index in self.expected)
            raise ProtocolError(
                f"{node_name(sender)} is not part of this run", where=hello.endpoint, fix=f"its agents are 0 to {agents - 1}"
            )
        known = self.hellos.get(sender)
        # In a container a new process may have the number and the address of the one before it; its incarnation is higher all the same.
        if known is not None and (hello != known or incarnation > self.incarnations[sender]):
            if incarnation <= self.incarnations[sender]:
                raise ProtocolError(
                    f"two nodes claim to be {node_name(sender)} (process {known.pid} at {known.endpoint}, process {hello.pid})",
                    where=hello.endpoint,
                    fix="start each role once",
                )
            self.ready.discard(sender)
        elif known is not None:
            # Repeated: it crossed our Welcome, or that Welcome was sent before the link existed.
            return [] if self.phase is Phase.HELLO else [self._welcome_to(sender)]
        previous = self.incarnation
        self.hellos[sender] = hello
        self.incarnations[sender] = incarnation
        if self.phase is not Phase.HELLO:
            # A restarted node has another endpoint and no state: all agents begin again together.  Of two nodes that restart at once, the
            # one with the higher incarnation may arrive first; the other one must still raise the incarnation.
            if self.incarnation <= previous:
                self._least = previous + 1
            self.phase = Phase.WELCOMED
            self.ready = {index for index in self.expected if index < 0}
            return [self._welcome_to(index) for index in sorted(self.expected) if index >= 0]
        if len(self.hellos) < len(self.expected):
            return []
        self.phase = Phase.WELCOMED
        return [self._welcome_to(index) for index in sorted(self.expected)]

    def _ready(self, sender: int) -> list[Reply]:
        if sender not in self.hellos or self.phase is Phase.HELLO:
            raise ProtocolError(f"{node_name(sender)} is ready before it was welcomed")
        if self.phase is Phase.STARTED:
            return []
        self.ready.add(sender)
        if len(self.ready) < len(self.expected):
            return []
        self.phase = Phase.STARTED
        return [Reply(index, Kind.START, Start(self.iteration)) for index in sorted(self.expected)]

    def _welcome_to(self, index: int) -> Reply:
        return Reply(index, Kind.WELCOME, self._welcome(index, self.peers))

    def missing(self) -> list[int]:
        """The nodes that the current phase waits for."""
        present: Collection[int] = self.hellos if self.phase is Phase.HELLO else self.ready
        return [] if self.phase is Phase.STARTED else sorted(self.expected - set(present))

    def status(self, seconds_left: float) -> str:
        """One line, such as ``waiting for 3 of 25: agents 4, 7, 19 (never said hello), 12 s left``."""
        missing = self.missing()
        if not missing:
            return f"all {len(self.expected)} nodes are ready"
        progress = "never said hello" if self.phase is Phase.HELLO else "said hello, but not ready"
        remaining = f"{seconds_left:.0f} s left" if seconds_left > 0.0 else "no time left"
        alone = "; start it by `netagents node monitor`, or do without by runtime.monitor=false" if missing == [MONITOR] else ""
        return f"waiting for {len(missing)} of {len(self.expected)}: {node_names(missing)} ({progress}), {remaining}{alone}"
