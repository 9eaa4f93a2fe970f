"""Wire: codec, transports and sessions.  Importing it registers the schemes ``memory``, ``unix``, ``ipc`` and ``tcp``."""

from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes
from netagents.wire.codec.limits import LIMITS, Limits
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.session.exchange import Exchange, StopReceivedError, stop_on_request
from netagents.wire.session.handshake import NodeHandshake, OtherRunError, Phase, Reply, role_of
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.radius_admission import UNKNOWN_RUN, Drop
from netagents.wire.session.rendezvous import Rendezvous
from netagents.wire.session.traffic import Traffic
from netagents.wire.transport.memory_transport import MemoryTransport
from netagents.wire.transport.transport import (
    LinkSettings,
    Listener,
    ReceivedFrames,
    Sender,
    Transport,
    WaitResult,
    open_transport,
    register,
)
from netagents.wire.transport.unix_transport import UnixTransport
from netagents.wire.transport.zeromq_transport import ZmqCredentials, ZmqTransport

__all__ = [
    "LIMITS",
    "UNKNOWN_RUN",
    "Codec",
    "Drop",
    "Exchange",
    "FaultyFeed",
    "Inbox",
    "Limits",
    "LinkSettings",
    "Listener",
    "MemoryTransport",
    "NodeHandshake",
    "OtherRunError",
    "Phase",
    "ReceivedFrames",
    "Rendezvous",
    "Reply",
    "Sender",
    "StopReceivedError",
    "Traffic",
    "Transport",
    "UnixTransport",
    "WaitResult",
    "ZmqCredentials",
    "ZmqTransport",
    "frame_bytes",
    "open_transport",
    "register",
    "role_of",
    "stop_on_request",
]
