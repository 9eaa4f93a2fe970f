"""Codec, transports, handshake: how messages travel.  Importing it makes the schemes ``memory``, ``ipc`` and ``tcp`` known."""

from netagents.wire.codec import Codec
from netagents.wire.control import StopReceivedError, stop_on_request
from netagents.wire.exchange import Exchange
from netagents.wire.faulty import FaultyFeed
from netagents.wire.frames import frame_bytes
from netagents.wire.handshake import NodeHandshake, Phase, Reply, StrangerError, role_of
from netagents.wire.inbox import UNKNOWN_RUN, Drop, Inbox
from netagents.wire.limits import LIMITS, Limits
from netagents.wire.memory import MemoryTransport
from netagents.wire.rendezvous import Rendezvous
from netagents.wire.traffic import Traffic
from netagents.wire.transport import LinkSettings, Listener, ReceivedFrames, Sender, Transport, Waited, open_transport, register
from netagents.wire.zeromq import ZmqCredentials, ZmqTransport

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
    "Phase",
    "ReceivedFrames",
    "Rendezvous",
    "Reply",
    "Sender",
    "StopReceivedError",
    "StrangerError",
    "Traffic",
    "Transport",
    "Waited",
    "ZmqCredentials",
    "ZmqTransport",
    "frame_bytes",
    "open_transport",
    "register",
    "role_of",
    "stop_on_request",
]
