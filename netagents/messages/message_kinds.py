"""Message kinds: one row per kind with everything that the rest of the system must know about it.

The codec reads the message type and its arrays; nodes read the shapes to expect; the inbox reads the order of phases; the radius bounds
how far a kind may travel between agents; links read what must arrive; agents read what replaces a missing message; the cost model reads
how much is sent.  To add a kind, write its message type and add its row here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from netagents.messages import run_facts
from netagents.messages.array_fields import (
    BOOL,
    FLOAT64,
    INT32,
    INT64,
    MAXIMUM_RANK,
    ROUNDED,
    UINT8,
    VALUE,
    array_field,
)
from netagents.messages.control_messages import LINK_COSTS, DropCounts, Failed, Heartbeat, Hello, Ready, Start, Stop, Welcome
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
from netagents.messages.message_row import Absence, MessageRow, Pace, RadiusKind
from netagents.messages.relay_messages import Bundle, RelayStats

__all__ = ["NEIGHBOUR_KINDS", "Absence", "Kind", "MessageRow", "Pace", "RadiusKind", "radius_of"]

_NO_ROW = MessageRow(tuple)


class Kind(IntEnum):
    """Message kinds: a number and a row each.  Numbers travel on the wire and stand in records: append, never renumber."""

    row: MessageRow

    def __new__(cls, number: int, row: MessageRow = _NO_ROW) -> Self:
        """A member is its number; its row is an attribute.  ``Kind(12)`` looks a member up."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.row = row
        return member

    # The codec has its own code for Welcome (long texts, peers) and Snapshot (named arrays).
    HELLO = 1, MessageRow(Hello, scalars=(str, str, str, int))
    WELCOME = 2, MessageRow(Welcome)
    READY = 3, MessageRow(Ready, scalars=())
    START = 4, MessageRow(Start, scalars=(int,))
    STOP = 5, MessageRow(Stop, scalars=(str,), clipped=True)
    FAILED = 6, MessageRow(Failed, scalars=(str, int), clipped=True)
    DROP_COUNTS = (
        7,
        MessageRow(DropCounts, (array_field("counts", INT64, 1), array_field("links", INT64, 2, last=2 + len(LINK_COSTS))), optional=1),
    )
    RELAY_STATS = 8, MessageRow(RelayStats, (array_field("kinds", INT64, 2, last=3), array_field("totals", INT64, 1, last=4)))
    HEARTBEAT = 9, MessageRow(Heartbeat, (array_field("ages", INT64, 2),))
    STEP = (
        10,
        MessageRow(
            Step,
            (
                array_field("observation", VALUE, 1, MAXIMUM_RANK),
                array_field("reward", FLOAT64, 1),
                array_field("flags", UINT8, 1),
                array_field("hops", UINT8, 2),
                array_field("mask", BOOL, 2),
                array_field("executed", VALUE, 1, MAXIMUM_RANK),
            ),
            aligned=True,
            optional=3,
            pace=Pace.STEP,
            phase=0,
            must_arrive=True,
            traffic=run_facts.step_traffic,
            shapes=run_facts.step_shapes,
        ),
    )
    ACTION = (
        11,
        MessageRow(
            Action,
            (array_field("actions", VALUE, 1, MAXIMUM_RANK),),
            pace=Pace.STEP,
            phase=3,
            must_arrive=True,
            traffic=run_facts.action_traffic,
        ),
    )
    STATE = (
        12,
        MessageRow(
            State,
            (array_field("values", VALUE, 1, MAXIMUM_RANK),),
            pace=Pace.STEP,
            phase=1,
            radius=RadiusKind.POLICY,
            must_arrive=True,
            absence=Absence.HOLD,
            traffic=run_facts.state_traffic,
        ),
    )
    TRACE = (
        13,
        MessageRow(
            Trace,
            (
                array_field("states", VALUE, 2, MAXIMUM_RANK),
                array_field("actions", VALUE, 2, MAXIMUM_RANK),
                array_field("action_probabilities", FLOAT64, 3),
            ),
            aligned=True,
            optional=1,
            pace=Pace.ITERATION,
            phase=4,
            radius=RadiusKind.CRITIC,
            must_arrive=True,
            absence=Absence.HOLD,
            traffic=run_facts.trace_traffic,
            shapes=run_facts.trace_shapes,
        ),
    )
    SHADOW_REWARD = (
        14,
        MessageRow(
            ShadowReward,
            (array_field("table", ROUNDED, 2), array_field("signal", ROUNDED, 2), array_field("alive", BOOL, 2)),
            optional=1,
            rounded=True,
            pace=Pace.ITERATION,
            phase=6,
            radius=RadiusKind.GRADIENT,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=run_facts.shadow_reward_traffic,
            shapes=run_facts.shadow_reward_shapes,
        ),
    )
    TRUNCATED_Q = (
        15,
        MessageRow(
            TruncatedQ,
            (array_field("values", ROUNDED, 2),),
            rounded=True,
            pace=Pace.ITERATION,
            phase=7,
            radius=RadiusKind.GRADIENT,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=run_facts.truncated_q_traffic,
            shapes=run_facts.truncated_q_shapes,
        ),
    )
    REPORT = (
        16,
        MessageRow(
            Report,
            (
                array_field("metrics", FLOAT64, 1),
                array_field("power", FLOAT64, 2, last=6),
                array_field("ledger", INT64, 2, last=5),
                array_field("timing", FLOAT64, 1, last=3),
            ),
            pace=Pace.ITERATION,
            phase=9,
            late=True,
            must_arrive=True,
        ),
    )
    SNAPSHOT = 17, MessageRow(Snapshot, pace=Pace.ITERATION, phase=10, late=True, must_arrive=True)
    DIGEST = (
        18,
        MessageRow(
            Digest,
            (
                array_field("team", FLOAT64, 1, last=3),
                array_field("metrics", FLOAT64, 2),
                array_field("power", FLOAT64, 2, last=7),
                array_field("ledger", INT64, 2, last=6),
                array_field("timing", FLOAT64, 2, last=3),
            ),
            pace=Pace.ITERATION,
            phase=11,
        ),
    )
    BUNDLE = (
        19,
        MessageRow(
            Bundle,
            (array_field("sizes", INT32, 1), array_field("sent", INT64, 1, last=1), array_field("content", UINT8, 1)),
            pace=Pace.STEP,
            phase=12,
            must_arrive=True,
        ),
    )
    REWARD = (
        20,
        MessageRow(
            Reward,
            (array_field("rewards", FLOAT64, 2),),
            pace=Pace.ITERATION,
            phase=5,
            radius=RadiusKind.GRADIENT,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=run_facts.reward_traffic,
        ),
    )
    WORST_ACTION = (
        21,
        MessageRow(
            WorstAction,
            (array_field("choices", ("u1",), 1),),
            pace=Pace.STEP,
            phase=2,
            radius=RadiusKind.CRITIC,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=run_facts.worst_action_traffic,
            shapes=run_facts.worst_action_shapes,
        ),
    )
    POLICY_PARAMETERS = (
        28,
        MessageRow(
            PolicyParameters,
            (array_field("parameters", ("<f4", "<f8"), 1), array_field("statistics", FLOAT64, 1)),
            pace=Pace.ITERATION,
            phase=28,
            radius=RadiusKind.GRADIENT,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=run_facts.policy_parameters_traffic,
        ),
    )
    TARGET_ACTION = (
        29,
        MessageRow(
            TargetAction,
            (array_field("actions", VALUE, 1, MAXIMUM_RANK),),
            pace=Pace.ITERATION,
            phase=8,
            radius=RadiusKind.CRITIC,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=run_facts.target_action_traffic,
        ),
    )

    BRANCH_STEP = (
        30,
        MessageRow(
            BranchStep,
            (
                array_field("observation", VALUE, 1, MAXIMUM_RANK),
                array_field("origins", INT32, 1),
                array_field("hops", UINT8, 2),
                array_field("mask", BOOL, 2),
            ),
            optional=2,
            pace=Pace.BRANCH,
            phase=30,
            must_arrive=True,
            traffic=run_facts.branch_step_traffic,
            shapes=run_facts.branch_step_shapes,
        ),
    )
    BRANCH_STATE = (
        31,
        MessageRow(
            BranchState,
            (array_field("values", VALUE, 1, MAXIMUM_RANK),),
            pace=Pace.BRANCH,
            phase=31,
            radius=RadiusKind.POLICY,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=run_facts.branch_state_traffic,
        ),
    )
    BRANCH_ACTION = (
        32,
        MessageRow(
            BranchAction,
            (array_field("actions", VALUE, 1, MAXIMUM_RANK),),
            pace=Pace.BRANCH,
            phase=32,
            must_arrive=True,
            traffic=run_facts.branch_action_traffic,
        ),
    )

    @property
    def label(self) -> str:
        """The name in logs, records and errors: ``shadow_reward``."""
        return self.name.lower()


NEIGHBOUR_KINDS = tuple(kind for kind in Kind if kind.row.radius is not None)
"""The kinds that agents send each other."""


def radius_of(kind: Kind) -> RadiusKind | None:
    """The radius that bounds how far a kind may travel between agents; None for kinds that agents never exchange."""
    return kind.row.radius
