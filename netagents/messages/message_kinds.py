"""Message kinds: one row per kind with everything that the rest of the system must know about it.

The codec reads the message type and its arrays; nodes read the shapes to expect; the inbox reads the order of phases; the radius bounds
how far a kind may travel between agents; links read what must arrive; agents read what replaces a missing message; the cost model reads
how much is sent.  To add a kind, write its message type and add its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Self

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
    Alternatives,
    ArrayField,
    ExpectedArray,
    array_field,
)
from netagents.messages.control_messages import LINK_COSTS, DropCounts, Failed, Heartbeat, Hello, Ready, Start, Stop, Welcome
from netagents.messages.learning_messages import (
    Action,
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
from netagents.messages.relay_messages import Bundle, RelayStats
from netagents.messages.run_facts import RunFacts, Traffic


class RadiusKind(StrEnum):
    """The three communication radii."""

    POLICY = "policy"
    CRITIC = "critic"
    GRADIENT = "gradient"


class Pace(StrEnum):
    """How often a kind travels: outside the iterations, once per step, or once per iteration, where an ordinal replaces the step."""

    CONTROL = "control"
    STEP = "step"
    ITERATION = "iteration"


class Absence(StrEnum):
    """What replaces a missing message between agents: the sender's last known state and action, or zeros."""

    HOLD = "hold"
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class MessageRow:
    """Everything that the system knows about one kind.

    Attributes:
        message: its type, a named tuple.
        arrays: its arrays, in order; None where it has other fields.
        scalars: the types of its fields where these are short texts and numbers.
        aligned: all arrays agree on the size of axis 0 (the B copies).
        optional: how many of its last arrays may be left out, from the end.
        clipped: long texts are shortened instead of refused, because a node's last message must get through.
        pace: how often it travels.
        phase: its position in the order of an iteration's phases.
        radius: bounds how far it may travel between agents; None for kinds that agents never exchange.
        late: it travels after its iteration has ended, so the inbox accepts it for one iteration more.
        must_arrive: on lossy links it is sent again until it is acknowledged.
        absence: what replaces it when its sender is missing.
        traffic: (facts, agent) -> what an agent sends to each receiver per iteration (for a Step: what it receives).
        rounded: its numbers travel in the run's wire precision.
        shapes: (facts, agent) -> its arrays when ``agent`` sends it (for a Step: receives it); None: the shapes of ``traffic``.
    """

    message: Any
    arrays: tuple[ArrayField, ...] | None = None
    scalars: tuple[type, ...] | None = None
    aligned: bool = False
    optional: int = 0
    clipped: bool = False
    pace: Pace = Pace.CONTROL
    phase: int = 0
    radius: RadiusKind | None = None
    late: bool = False
    must_arrive: bool = False
    absence: Absence | None = None
    traffic: Callable[[RunFacts, int], Traffic] | None = None
    rounded: bool = False
    shapes: Callable[[RunFacts, int], Alternatives] | None = None

    def expected(self, facts: RunFacts, agent: int) -> Alternatives | None:
        """The arrays that the message must have in this run; None where only the schema applies."""
        if self.shapes is not None:
            return self.shapes(facts, agent)
        if self.traffic is None:
            return None
        sent = [message for message, _ in self.traffic(facts, agent)]
        return [[ExpectedArray(array.dtype, array.shape) for array in message if array is not None] for message in sent] or None


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

    @property
    def label(self) -> str:
        """The name in logs, records and errors: ``shadow_reward``."""
        return self.name.lower()


NEIGHBOUR_KINDS = tuple(kind for kind in Kind if kind.row.radius is not None)
"""The kinds that agents send each other."""


def radius_of(kind: Kind) -> RadiusKind | None:
    """The radius that bounds how far a kind may travel between agents; None for kinds that agents never exchange."""
    return kind.row.radius
