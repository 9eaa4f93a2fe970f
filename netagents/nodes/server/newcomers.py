"""Newcomers at the rendezvous: how many are told why they do not belong here, and how often an agent may come as a new process.

Each answer to a node that does not belong here costs the server a link to the address that the node names, and each new process of an agent
takes all agents back to a checkpoint.  An agent that lies could ask for either as often as it likes.
"""

from __future__ import annotations

import logging
from collections import Counter, deque

from netagents.errors import NetagentsError, ProtocolError
from netagents.messages import ENVIRONMENT, Envelope, Hello, Kind, Stop, node_name
from netagents.nodes.bootstrap.welcome import REFUSED
from netagents.wire.codec import Codec
from netagents.wire.pauses import waiting_clock
from netagents.wire.security.key_bundles import role_name
from netagents.wire.transport.transport import Transport

MOST_ANSWERS = 8
"""Refused nodes that are told why within the time in which a closing link lingers; a node that is not told says hello again."""

MOST_PROCESSES = 8
"""New processes of one agent within ``timeouts.ready`` seconds."""

_MOST_LINES = 5
"""Lines of the log about nodes that claim to be one and the same."""

_log = logging.getLogger(__name__)


class Newcomers:
    """Limits of what nodes that say hello may ask of the server.

    Args:
        transport: of the server.
        linger: seconds for which a closing link may wait for its last messages.
        window: seconds in which new processes are counted.
    """

    def __init__(self, transport: Transport, linger: float, window: float) -> None:
        self._transport, self._linger, self._window = transport, linger, window
        self._answers: deque[float] = deque()
        self._processes: dict[int, deque[float]] = {}
        self._lines: Counter[int] = Counter()
        self._noted = False

    def refuse(self, run: bytes, index: int, newcomer: Hello, error: ProtocolError) -> None:
        """A node that does not belong here is told why and leaves, unless many were told just now; those who do belong here go on."""
        if self._lines[index] < _MOST_LINES:
            self._lines[index] += 1
            _log.warning("refused: %s", error)
        now = waiting_clock()
        _forget(self._answers, now - self._linger)
        if len(self._answers) >= MOST_ANSWERS:
            if not self._noted:
                self._noted = True
                _log.warning("more nodes than %d at once do not belong here; the others are not told why", MOST_ANSWERS)
            return
        self._answers.append(now)
        try:
            link = self._transport.connect(newcomer.endpoint, role_name(index))
        except NetagentsError as unreachable:
            _log.warning("it cannot be told: %s", unreachable)
            return
        link.try_send(Codec().encode(Envelope(run, 0, ENVIRONMENT, Kind.STOP, 0, 0, Stop(f"{REFUSED}{error}"))))
        link.close()

    def count_process(self, index: int) -> None:
        """Count a new process of an agent that takes part already.

        Raises:
            ProtocolError: there were too many just now.
        """
        now = waiting_clock()
        times = self._processes.setdefault(index, deque())
        _forget(times, now - self._window)
        if len(times) >= MOST_PROCESSES:
            raise ProtocolError(
                f"{node_name(index)} said hello as a new process {MOST_PROCESSES} times in {self._window:g} s", fix="it may come back later"
            )
        times.append(now)


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()
