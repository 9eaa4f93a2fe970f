"""Envelope of every message: its run, incarnation, sender, kind and time."""

from __future__ import annotations

from typing import NamedTuple

from netagents.messages.control_messages import DropCounts, Failed, Heartbeat, Hello, Ready, Start, Stop, Welcome
from netagents.messages.learning_messages import (
    Action,
    BranchAction,
    BranchState,
    BranchStep,
    Digest,
    PolicyParameters,
    Report,
    Reward,
    ShadowReward,
    Snapshot,
    State,
    Step,
    TargetAction,
    Trace,
    TruncatedQ,
    WorstAction,
)
from netagents.messages.message_kinds import Kind
from netagents.messages.relay_messages import Bundle, RelayStats

Message = (
    Hello
    | Welcome
    | Ready
    | Start
    | Stop
    | Failed
    | DropCounts
    | Heartbeat
    | Step
    | Action
    | State
    | Trace
    | ShadowReward
    | TruncatedQ
    | TargetAction
    | WorstAction
    | BranchStep
    | BranchState
    | BranchAction
    | PolicyParameters
    | Report
    | Reward
    | Snapshot
    | Digest
    | Bundle
    | RelayStats
)


class Envelope(NamedTuple):
    """A message with its run, sender and time.

    Attributes:
        run: 8 random bytes that name the run.
        incarnation: of the sender; higher after each restart.
        sender: agent index, or ENVIRONMENT or MONITOR.
        kind: of the message.
        iteration: learning iteration, from 0.
        step: step within the iteration; for a kind that travels once per iteration its ordinal.
        message: its content.
    """

    run: bytes
    incarnation: int
    sender: int
    kind: Kind
    iteration: int
    step: int
    message: Message
