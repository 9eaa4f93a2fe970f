"""What surrounds every message: which run, which incarnation, who, and when."""

from __future__ import annotations

from typing import NamedTuple

from netagents.messages.control import Failed, Hello, Ready, Sign, Start, Stop, Tally, Welcome
from netagents.messages.kinds import Kind
from netagents.messages.learning import Action, Digest, Report, ShadowReward, Snapshot, State, Step, Trace, TruncatedQ
from netagents.messages.relay import Bundle, Carried

Message = (
    Hello
    | Welcome
    | Ready
    | Start
    | Stop
    | Failed
    | Tally
    | Sign
    | Step
    | Action
    | State
    | Trace
    | ShadowReward
    | TruncatedQ
    | Report
    | Snapshot
    | Digest
    | Bundle
    | Carried
)


class Envelope(NamedTuple):
    """A message on its way.

    Attributes:
        run: 8 random bytes that name the run.
        incarnation: of the sender; a restarted node has a higher one.
        sender: agent index, or ENVIRONMENT or MONITOR.
        kind: of the message.
        iteration: learning iteration, from 0.
        step: step within the iteration; for a kind that travels once per iteration its ordinal.
        message: the value.
    """

    run: bytes
    incarnation: int
    sender: int
    kind: Kind
    iteration: int
    step: int
    message: Message
