"""Interface of every transport, and the registry of transports by URI scheme.

A node listens at one address and has one sender per peer.  Links are one-way, ordered, and reliable while both ends live.  An address is
where a listener is asked to listen (possibly with an open port: ``tcp://127.0.0.1:0``); an endpoint is where peers reach it.
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
    """One message as it arrived; ``user`` is the sender's authenticated name, or None."""

    frames: Sequence[Frame]
    user: str | None


Received = bytes | ReceivedFrames
"""A message as it arrived; a single frame over a link without keys may be bare bytes."""


def in_frames(received: Received) -> ReceivedFrames:
    """A message in the form that every message can have."""
    return received if isinstance(received, ReceivedFrames) else ReceivedFrames((received,), None)


def single_frame(received: ReceivedFrames) -> tuple[bytes, str | None]:
    """The frame and user of a message of one frame; an empty frame for any other message."""
    frames, user = received
    return (first, user) if len(frames) == 1 and type(first := frames[0]) is bytes else (b"", None)


LINK_SECONDS = 0.1
"""Longest wait for the messages of one link alone."""


class WaitResult(NamedTuple):
    """Result of a wait: whether the listener has messages, and which extra descriptors are readable."""

    messages: bool
    descriptors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Settings of all links of a node.

    Attributes:
        limits: maximum sizes of messages.
        queue: messages that a link holds per direction before a sender has to wait.
        linger_seconds: how long a closing link waits until its last messages have left.
        credentials: for encryption and authentication; each transport has its own type.
        advertise: host under which others reach this node if it listens on all addresses; default: this machine's name.
        insecure: without credentials, links over tcp are allowed on loopback: every user of this machine can then read them, and steer and
            stop the run.
    """

    limits: Limits = LIMITS
    queue: int = 256
    linger_seconds: float = 1.0
    credentials: object | None = None
    advertise: str | None = None
    insecure: bool = False


class Listener(ABC):
    """The receiving end of all links of a node.  Not thread-safe: it belongs to the thread that made it."""

    endpoint: str
    """Where peers reach this listener, with the real port."""
    timeout_error: type[Exception] = TimeoutError
    """Raised by a function of :meth:`take_function` if no message arrives in time."""
    tells_links = False
    """Whether messages of one link can be awaited: :meth:`last_link` and :meth:`take_from`."""

    @abstractmethod
    def take(self, timeout_seconds: float) -> Received | None:
        """The next message, or None if none arrives in time; 0 never blocks."""

    def receive(self, timeout_seconds: float) -> ReceivedFrames | None:
        """:meth:`take`, with every message in one form."""
        received = self.take(timeout_seconds)
        return None if received is None else in_frames(received)

    def take_function(self, timeout_seconds: float) -> Callable[[], Received]:
        """A function like :meth:`take` with least overhead, for loops; valid until the next call of this method.

        The function raises :attr:`timeout_error` if no message arrives in time, and may return the first of several frames, for
        :meth:`complete`.
        """

        def take() -> Received:
            received = self.take(timeout_seconds)
            if received is None:
                raise self.timeout_error
            return received

        return take

    def last_link(self) -> object | None:
        """The link over which the last message came; None if it has ended, or the transport does not tell."""
        return None

    def take_from(self, link: object) -> Received:  # noqa: ARG002 -- for transports that tell links
        """Like a function of :meth:`take_function`, but only the messages of ``link`` end the wait: who needs a message of each of several
        links and waits for one after another is woken less often.

        After :data:`LINK_SECONDS` without one it gives any message that is there; it may return the first of several frames.
        """
        raise self.timeout_error

    def packet_function(self, link: object) -> Callable[[], bytes]:
        """A function that takes the next packet of ``link`` with least overhead, for transports that tell links.

        It raises :class:`OSError` if none comes within :data:`LINK_SECONDS`, or if the link cannot be read like this now.  The packet is a
        message of one frame if it is what such a message would be; :meth:`complete_from` says what any other packet is.
        """
        raise NotImplementedError

    def complete_from(self, link: object, packet: bytes) -> Received | None:
        """The message of which a function of :meth:`packet_function` has just returned a packet; None if there is none, or not yet."""
        raise NotImplementedError

    def complete(self, taken: Received) -> Received:
        """The whole message of which a function of :meth:`take_function` has just returned the first frame."""
        return taken

    @abstractmethod
    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        """Sleep until a message has arrived, one of ``descriptors`` is readable, or the time is over."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening and discard messages not received; a socket file is removed.  May be called again."""

    def drain(self, most: int = 1024) -> list[ReceivedFrames]:
        """Up to ``most`` messages that have arrived, without waiting."""
        received: list[ReceivedFrames] = []
        while len(received) < most and (message := self.receive(0.0)) is not None:
            received.append(message)
        return received


class Sender(ABC):
    """The sending end of one link.  Frames are copied before a call returns, so the caller may change their memory afterwards.

    A first frame says whether others follow (:data:`netagents.wire.codec.frames.FOLLOWED`).
    """

    endpoint: str
    full_error: type[Exception] = BlockingIOError
    """Raised by a function of :meth:`send_function` if the queue is full."""

    @abstractmethod
    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        """Send a message; waits while the queue is full.

        Raises:
            DeadlineError: the peer is gone, or its queue stayed full for ``timeout_seconds``.
        """

    @abstractmethod
    def try_send(self, frames: Sequence[Frame]) -> bool:
        """Send a message if the queue has space; returns False if it was not sent."""

    def send_function(self) -> Callable[[bytes], object]:
        """A function like :meth:`try_send` for a single frame, with least overhead; it raises :attr:`full_error` for False."""

        def send(frame: bytes) -> None:
            if not self.try_send((frame,)):
                raise self.full_error

        return send

    @abstractmethod
    def close(self) -> None:
        """End the link; messages already sent get ``linger_seconds`` to leave.  May be called again."""

    @abstractmethod
    def abort(self) -> None:
        """End the link at once; messages that have not left are lost.  May be called again."""


class Transport(ABC):
    """Makes listeners and senders for one family of addresses."""

    @abstractmethod
    def listen(self, address: str) -> Listener:
        """Listen at ``address``.

        Raises:
            UsageError: the address is malformed, too long or taken.
            SecurityError: the address is open to others and there are no credentials.
        """

    @abstractmethod
    def connect(self, endpoint: str, peer: str | None = None) -> Sender:
        """A link to ``endpoint``; its listener may start later.

        Args:
            peer: authenticated name of the node there; required with keys.

        Raises:
            UsageError: the endpoint is malformed.
            SecurityError: the endpoint is open to others and there are no credentials, or these do not know ``peer``.
        """

    def check(self, endpoint: str) -> None:
        """Raise the errors of :meth:`connect` without connecting."""
        self.connect(endpoint).abort()

    def watched(self) -> Mapping[int, Callable[[], None]]:
        """Descriptors for the owner's wait, each with a callback for when it is readable; it raises SecurityError if a link failed."""
        return {}

    def finish_start(self) -> None:  # noqa: B027 -- most transports have nothing that could fail
        """The start of the run is over: from now on failing links are logged and counted, and raise no errors."""

    def failure(self) -> NetagentsError | None:
        """The error of a link that still fails, if there is one: the likely reason of a timeout."""
        return None

    def refused(self) -> Mapping[str, int]:
        """Number of refused connections by reason."""
        return {}

    @abstractmethod
    def close(self) -> None:
        """Close everything, and wait until the last messages have left, at most the linger time."""


Factory = Callable[[LinkSettings], Transport]

_FACTORIES: dict[str, Factory] = {}


def register(scheme: str, factory: Factory) -> None:
    """Register the transport of ``scheme://`` addresses; a later registration replaces an earlier one."""
    _FACTORIES[scheme] = factory


def scheme_of(address: str) -> str:
    """The part before ``://``.

    Raises:
        UsageError: there is none, or no transport is registered for it.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or not rest or scheme not in _FACTORIES:
        known = ", ".join(f"{name}://" for name in sorted(_FACTORIES))
        raise UsageError(f"'{address[:200]}' is not an address", fix=f"write one that begins with {known}")
    return scheme


def open_transport(address: str, settings: LinkSettings | None = None) -> Transport:
    """The transport that serves ``address``; only its scheme matters.

    Raises:
        UsageError: the scheme is unknown.
    """
    return _FACTORIES[scheme_of(address)](settings or LinkSettings())
