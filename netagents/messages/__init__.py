"""The typed message values that nodes exchange; no codec, no I/O."""

from netagents.messages.control import Failed, Hello, Ready, Sign, Start, Stop, Tally, Welcome
from netagents.messages.envelope import Envelope, Message
from netagents.messages.kinds import ENVIRONMENT, MONITOR, NEIGHBOUR_KINDS, Kind, RadiusKind, node_name, node_names, radius_of
from netagents.messages.learning import (
    ENDED,
    REPLACED,
    TERMINATED,
    TRUNCATED,
    Action,
    Digest,
    Report,
    ShadowReward,
    Snapshot,
    State,
    Step,
    Trace,
    TruncatedQ,
    index_dtype,
    payload_bytes,
)
from netagents.messages.links import LINK_COSTS
from netagents.messages.relay import Bundle, Carried

__all__ = [
    "ENDED",
    "ENVIRONMENT",
    "LINK_COSTS",
    "MONITOR",
    "NEIGHBOUR_KINDS",
    "REPLACED",
    "TERMINATED",
    "TRUNCATED",
    "Action",
    "Bundle",
    "Carried",
    "Digest",
    "Envelope",
    "Failed",
    "Hello",
    "Kind",
    "Message",
    "RadiusKind",
    "Ready",
    "Report",
    "ShadowReward",
    "Sign",
    "Snapshot",
    "Start",
    "State",
    "Step",
    "Stop",
    "Tally",
    "Trace",
    "TruncatedQ",
    "Welcome",
    "index_dtype",
    "node_name",
    "node_names",
    "payload_bytes",
    "radius_of",
]
