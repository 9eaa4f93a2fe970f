"""The typed message values that nodes exchange; no codec, no I/O."""

from netagents.messages.control_messages import DropCounts, Failed, Heartbeat, Hello, Ready, Start, Stop, Welcome
from netagents.messages.envelope import Envelope, Message
from netagents.messages.learning_messages import (
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
from netagents.messages.link_cost_fields import LINK_COSTS
from netagents.messages.message_kinds import ENVIRONMENT, MONITOR, NEIGHBOUR_KINDS, Kind, RadiusKind, node_name, node_names, radius_of
from netagents.messages.relay_messages import Bundle, RelayStats

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
    "Digest",
    "DropCounts",
    "Envelope",
    "Failed",
    "Heartbeat",
    "Hello",
    "Kind",
    "Message",
    "RadiusKind",
    "Ready",
    "RelayStats",
    "Report",
    "ShadowReward",
    "Snapshot",
    "Start",
    "State",
    "Step",
    "Stop",
    "Trace",
    "TruncatedQ",
    "Welcome",
    "index_dtype",
    "node_name",
    "node_names",
    "payload_bytes",
    "radius_of",
]
