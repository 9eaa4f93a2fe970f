"""The environment server's half of the two-phase start; :mod:`netagents.wire.session.handshake` has the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from netagents.errors import ProtocolError
from netagents.messages import ENVIRONMENT, MONITOR, Envelope, Hello, Kind, Ready, Start, Welcome, node_name, node_names
from netagents.wire.session.handshake import Phase, Reply, StrangerError, role_of
from netagents.wire.session.inbox import UNKNOWN_RUN


class Rendezvous:
    """The environment server's side: waits for every expected node, welcomes all, waits for all to be ready, starts all.

    Args:
        run: 8 bytes that name the run.
        version: of netagents; every node must run the same.
        agents: n; agents 0..n-1 are expected.
        monitor: whether the monitor is expected as well.
        welcome: makes the Welcome of a node (index, peers); peers maps every node that said hello to its endpoint.
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
        """The one to start with; after a restart the driver has moved it."""

    @property
    def incarnation(self) -> int:
        """The highest of any node that said hello: all speak under it once they were welcomed."""
        return max([self._least, *self.incarnations.values()])

    @property
    def peers(self) -> dict[int, str]:
        """Endpoint of every node that said hello."""
        return {index: self.hellos[index].endpoint for index in sorted(self.hellos)}

    def handle(self, envelope: Envelope) -> list[Reply]:
        """What to answer to Hello or Ready; other kinds are the driver's and give nothing.

        The driver links to ``hellos[sender].endpoint`` before it sends the replies.

        Raises:
            StrangerError: the sender belongs to another run.
            ProtocolError: another version, an unknown role or index, or two nodes that claim one index.
        """
        message, sender = envelope.message, envelope.sender
        if isinstance(message, Hello):
            if envelope.run not in (self._run, UNKNOWN_RUN):
                raise StrangerError(
                    f"{node_name(sender)} belongs to run {envelope.run.hex()}, not {self._run.hex()}", where=message.endpoint
                )
            return self._hello(sender, envelope.incarnation, message)
        if isinstance(message, Ready):
            if envelope.run != self._run:
                raise StrangerError(f"{node_name(sender)} belongs to run {envelope.run.hex()}, not {self._run.hex()}")
            # A Ready of before a restart says nothing about after it.
            return self._ready(sender) if envelope.incarnation == self.incarnation else []
        return []

    def lose(self, index: int) -> list[Reply]:
        """A node is gone for good: nobody waits for it any more, and all who were welcomed begin again without it.

        Gives the Welcomes to send; none while others have not said hello yet.
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
        if known is not None and hello != known:
            if incarnation <= self.incarnations[sender]:
                raise ProtocolError(
                    f"two nodes claim to be {node_name(sender)} (process {known.pid} at {known.endpoint}, process {hello.pid})",
                    where=hello.endpoint,
                    fix="start each role once",
                )
            self.ready.discard(sender)
        elif known is not None:
            # A repeat: it crossed our Welcome on the way, or that Welcome went to a link that had not been made yet.
            return [] if self.phase is Phase.HELLO else [self._welcome_to(sender)]
        announced = self.incarnation
        self.hellos[sender] = hello
        self.incarnations[sender] = incarnation
        if self.phase is not Phase.HELLO:
            # A restarted node has another endpoint and knows nothing: all agents begin again together.  Of two that were restarted at
            # once the later one may come first; then the earlier one's coming is news, too.
            if self.incarnation <= announced:
                self._least = announced + 1
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
        heard: Collection[int] = self.hellos if self.phase is Phase.HELLO else self.ready
        return [] if self.phase is Phase.STARTED else sorted(self.expected - set(heard))

    def status(self, seconds_left: float) -> str:
        """One line, such as ``waiting for 3 of 25: agents 4, 7, 19 (never said hello), 12 s left``."""
        missing = self.missing()
        if not missing:
            return f"all {len(self.expected)} nodes are ready"
        why = "never said hello" if self.phase is Phase.HELLO else "said hello, but not ready"
        left = f"{seconds_left:.0f} s left" if seconds_left > 0.0 else "no time left"
        alone = "; start it by `netagents node monitor`, or do without by runtime.monitor=false" if missing == [MONITOR] else ""
        return f"waiting for {len(missing)} of {len(self.expected)}: {node_names(missing)} ({why}), {left}{alone}"
