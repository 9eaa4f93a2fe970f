"""The small interface behind which every transport stands, and the registry of transports by URI scheme.

A node listens at one address, and holds one sender for each peer it speaks to.  Links are one-way, ordered and reliable while both
ends live.  An address is where a listener is asked to listen (it may leave the port open: ``tcp://127.0.0.1:0``); an endpoint is
where it can really be reached.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from netagents.errors import NetagentsError, UsageError
from netagents.wire.codec.frames import Frame
from netagents.wire.codec.limits import LIMITS, Limits


class ReceivedFrames(NamedTuple):
    """One message as it arrived; ``user`` is the sender's authenticated name where the transport knows it, else None."""

    frames: Sequence[Frame]
    user: str | None


Received = bytes | ReceivedFrames
"""A message as it arrived; one of a single frame, over a link without keys, may come as its bare bytes."""


def in_frames(received: Received) -> ReceivedFrames:
    """A message in the one form that every message can have."""
    return received if isinstance(received, ReceivedFrames) else ReceivedFrames((received,), None)


class WaitResult(NamedTuple):
    """What ended a wait: ``messages`` says that the listener has something, ``descriptors`` lists readable extra descriptors."""

    messages: bool
    descriptors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What all links of a node share.

    Attributes:
        limits: sizes that a listener accepts and a sender sends.
        queue: messages a link holds per direction before a sender has to wait.
        linger_seconds: how long a closing link waits for its last messages to leave.
        credentials: what the transport needs to encrypt and authenticate; each transport names the type it understands.
        advertise: host that others reach this node by, when it listens on all addresses; default: this machine's name.
    """

    limits: Limits = LIMITS
    queue: int = 256
    linger_seconds: float = 1.0
    credentials: object | None = None
    advertise: str | None = None


class Listener(ABC):
    """The receiving end of all links of a node.  Not thread-safe: it belongs to the thread that made it."""

    endpoint: str
    """Where peers reach this listener: complete, with the real port."""
    timeout_error: type[Exception] = TimeoutError
    """What a function of :meth:`take_function` raises when nothing came in time."""

    @abstractmethod
    def take(self, timeout_seconds: float) -> Received | None:
        """The next message, or None when none came in time; 0 never blocks."""

    def receive(self, timeout_seconds: float) -> ReceivedFrames | None:
        """:meth:`take`, with every message in one form."""
        received = self.take(timeout_seconds)
        return None if received is None else in_frames(received)

    def take_function(self, timeout_seconds: float) -> Callable[[], Received]:
        """:meth:`take` for a loop that cannot afford anything around it; good until this is called again.

        The function raises :attr:`timeout_error` when nothing came in time, and may give the first of several frames, for :meth:`complete`.
        """

        def take() -> Received:
            received = self.take(timeout_seconds)
            if received is None:
                raise self.timeout_error
            return received

        return take

    def complete(self, taken: Received) -> Received:
        """The whole of the message that a function of :meth:`take_function` gave last."""
        return taken

    @abstractmethod
    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        """Sleeps until a message is there, one of ``descriptors`` is readable, or the time is up.  The one wait of a process."""

    @abstractmethod
    def close(self) -> None:
        """Stops listening and forgets what was not received; a socket file is removed.  Harmless when repeated."""

    def drain(self, most: int = 1024) -> list[ReceivedFrames]:
        """Up to ``most`` messages that are already there, without waiting."""
        received: list[ReceivedFrames] = []
        while len(received) < most and (message := self.receive(0.0)) is not None:
            received.append(message)
        return received


class Sender(ABC):
    """The sending end of one link.  Frames are taken over before a call returns: the caller may change their memory afterwards.

    A first frame says itself whether others follow (:data:`netagents.wire.codec.frames.FOLLOWED`), so that a receiver need not ask.
    """

    endpoint: str
    full_error: type[Exception] = BlockingIOError
    """What a function of :meth:`send_function` raises when it did not send."""

    @abstractmethod
    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        """Hands a message to the link; waits while its queue is full.

        Raises:
            DeadlineError: the peer is gone, or its queue stayed full for ``timeout_seconds``.
        """

    @abstractmethod
    def try_send(self, frames: Sequence[Frame]) -> bool:
        """Hands a message to the link if that needs no waiting; False means it was not sent."""

    def send_function(self) -> Callable[[bytes], object]:
        """:meth:`try_send` of a single frame, with nothing around it; the function raises :attr:`full_error` where that gives False."""

        def send(frame: bytes) -> None:
            if not self.try_send((frame,)):
                raise self.full_error

        return send

    @abstractmethod
    def close(self) -> None:
        """Ends the link; messages already handed over still get ``linger_seconds`` to leave.  Harmless when repeated."""

    @abstractmethod
    def abort(self) -> None:
        """Ends the link at once; messages that have not left are lost.  Harmless when repeated."""


class Transport(ABC):
    """Makes listeners and senders of one family of addresses."""

    @abstractmethod
    def listen(self, address: str) -> Listener:
        """Listens at ``address``.

        Raises:
            UsageError: the address is malformed, too long or taken.
            SecurityError: the address is off loopback and there are no credentials.
        """

    @abstractmethod
    def connect(self, endpoint: str, peer: str | None = None) -> Sender:
        """A link to ``endpoint``, where nobody needs to listen yet.

        Args:
            peer: who must be there, by its authenticated name; links that carry keys need it.

        Raises:
            UsageError: the endpoint is malformed.
            SecurityError: the endpoint is off loopback and there are no credentials, or these do not know ``peer``.
        """

    def check(self, endpoint: str) -> None:
        """Refuses what :meth:`connect` would refuse, without connecting."""
        self.connect(endpoint).abort()

    def watched(self) -> Mapping[int, Callable[[], None]]:
        """Descriptors for the owner's wait, each with what to call when it is readable: raises SecurityError when a link failed."""
        return {}

    def finish_start(self) -> None:  # noqa: B027 -- most transports have nothing that could fail
        """The start is over: from now on links that fail are logged and counted, and no longer raise."""

    def failure(self) -> NetagentsError | None:
        """Why a link failed that still fails, if there is one; what to say when a wait was in vain."""
        return None

    def refused(self) -> Mapping[str, int]:
        """How many peers were refused before they could say anything, by reason."""
        return {}

    @abstractmethod
    def close(self) -> None:
        """Closes what is still open and waits, at most the linger time, until the last messages have left."""


Factory = Callable[[LinkSettings], Transport]

_FACTORIES: dict[str, Factory] = {}


def register(scheme: str, factory: Factory) -> None:
    """Makes ``scheme://`` addresses known; a later registration replaces an earlier one."""
    _FACTORIES[scheme] = factory


def scheme_of(address: str) -> str:
    """The part before ``://``.

    Raises:
        UsageError: there is none, or no transport is registered for it.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or not rest or scheme not in _FACTORIES:
        known = ", ".join(f"{name}://" for name in sorted(_FACTORIES))
        raise UsageError(f"'{address[:200]}' is no address", fix=f"write one that begins with {known}")
    return scheme


def open_transport(address: str, settings: LinkSettings | None = None) -> Transport:
    """The transport that serves ``address``; only its scheme matters.

    Raises:
        UsageError: the scheme is unknown.
    """
    return _FACTORIES[scheme_of(address)](settings or LinkSettings())
