"""Message kinds: one row per kind, which says everything that the rest of the system must know of it.

The codec reads the message type and its arrays; nodes read the shapes they may expect; the inbox reads the order of phases; the radius
says how far a kind may travel between agents; links read what must arrive; agents read what stands for a message that is absent; the
cost model reads how much of it is sent.  To add a kind, write its message type and add its row here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Protocol, Self

import numpy as np

from netagents.messages.array_fields import (
    ANY,
    BOOL,
    FLOAT64,
    INT32,
    INT64,
    MAXIMUM_RANK,
    UINT8,
    VALUE,
    Alternatives,
    ArrayField,
    ExpectedArray,
    array_field,
)
from netagents.messages.control_messages import DropCounts, Failed, Heartbeat, Hello, Ready, Start, Stop, Welcome
from netagents.messages.learning_messages import Action, Digest, Report, Reward, ShadowReward, Snapshot, State, Step, Trace, TruncatedQ
from netagents.messages.link_cost_fields import LINK_COSTS
from netagents.messages.relay_messages import Bundle, RelayStats

ENVIRONMENT = -1
"""Node index of the environment server.  Agents are 0..n-1."""

MONITOR = -2
"""Node index of the monitor."""


class RadiusKind(StrEnum):
    """The three communication radii."""

    POLICY = "policy"
    CRITIC = "critic"
    GRADIENT = "gradient"


class Pace(StrEnum):
    """How often a kind travels: outside the iterations, once per step, or once per iteration with an ordinal in the place of the step."""

    CONTROL = "control"
    STEP = "step"
    ITERATION = "iteration"


class Absence(StrEnum):
    """What stands for a message between agents that did not come: the sender's last known state and action, or zeros."""

    HOLD = "hold"
    ZERO = "zero"


class RunFacts(Protocol):
    """What the shapes of a run's messages follow from; the setup of a run knows it."""

    @property
    def batch(self) -> int: ...
    @property
    def horizon(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def evaluation_steps(self) -> int: ...
    @property
    def shares_values(self) -> bool: ...
    def observation_array(self, agent: int, *leading: int) -> ExpectedArray: ...
    def action_array(self, agent: int, *leading: int) -> ExpectedArray: ...
    def contact_count(self, agent: int) -> int | None: ...
    def mask_size(self, agent: int) -> int | None: ...
    def probability_size(self, agent: int) -> int | None: ...
    def shadow_shapes(self, agent: int) -> tuple[tuple[int, int], tuple[int, int]]: ...


Traffic = tuple[tuple[Any, int], ...]
"""Messages of the right size with zeros in them, and how often each is sent per iteration."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """What the system knows of one kind.

    Attributes:
        message: its type, a named tuple.
        arrays: its arrays, in order; None where it is made of something else.
        scalars: the types of its fields where it is made of short texts and numbers.
        aligned: all arrays agree on the size of axis 0 (the B copies).
        optional: so many of the last arrays may be left out from behind.
        clipped: its texts are shortened rather than refused: the last words of a node must get through.
        pace: how often it travels.
        phase: its place in the order in which the phases of an iteration wait for messages.
        radius: bounds how far it may travel between agents; None for kinds that agents never exchange.
        late: it travels after its iteration has ended, and is taken one iteration longer.
        must_arrive: on links that lose messages it is sent again until it is acknowledged.
        absence: what stands for it when its sender is absent.
        traffic: (facts, agent) -> what an agent sends per iteration to each receiver (for a Step: what is sent to it).
        shapes: (facts, agent) -> how it must look when ``agent`` sends it (for a Step: when it is sent to ``agent``); the shapes of
            ``traffic`` where this is None.
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
    shapes: Callable[[RunFacts, int], Alternatives] | None = None

    def expected(self, facts: RunFacts, agent: int) -> Alternatives | None:
        """How the message must look in this run; None where the run says no more than the schema."""
        if self.shapes is not None:
            return self.shapes(facts, agent)
        if self.traffic is None:
            return None
        sent = [message for message, _ in self.traffic(facts, agent)]
        return [[ExpectedArray(array.dtype, array.shape) for array in message if array is not None] for message in sent] or None


def _zeros(like: ExpectedArray) -> Any:
    return np.zeros(like.shape, dtype=like.dtype)


def _step(facts: RunFacts, agent: int) -> Alternatives:
    """A Step as always, and one that tells which action was executed in the place of the agent's own."""
    contacts, mask = facts.contact_count(agent), facts.mask_size(agent)
    plain = [
        facts.observation_array(agent, facts.batch),
        ExpectedArray(np.dtype(np.float64), (facts.batch,)),
        ExpectedArray(np.dtype(np.uint8), (facts.batch,)),
    ]
    optional = [
        ExpectedArray(np.dtype(np.uint8), (facts.batch, contacts or 0)),
        ExpectedArray(np.dtype(np.bool_), (facts.batch, mask or 0)),
        facts.action_array(agent, facts.batch),
    ]
    usual = 2 if mask is not None else 1 if contacts is not None else 0
    return [[*plain, *optional[:usual]], [*plain, *optional]]


def _steps(facts: RunFacts, agent: int) -> Traffic:
    return ((Step(*map(_zeros, _step(facts, agent)[0])), facts.steps + 1),)


def _actions(facts: RunFacts, agent: int) -> Traffic:
    return ((Action(_zeros(facts.action_array(agent, facts.batch))), facts.steps),)


def _states(facts: RunFacts, agent: int) -> Traffic:
    return ((State(_zeros(facts.observation_array(agent, facts.batch))), facts.steps + 1),)


def _traces(facts: RunFacts, agent: int) -> Traffic:
    """The trace of the batch, and that of the further steps of fresh evaluation."""
    numbers = facts.probability_size(agent)

    def trace(steps: int, size: int | None) -> Trace:
        intentions = None if size is None else np.zeros((steps, facts.batch, size))
        arrays = facts.observation_array(agent, steps, facts.batch), facts.action_array(agent, steps, facts.batch)
        return Trace(_zeros(arrays[0]), _zeros(arrays[1]), intentions)

    further = facts.evaluation_steps
    return ((trace(facts.horizon + 1, numbers), 1), *(((trace(further + 1, None), 1),) if further else ()))


def _trace_shapes(facts: RunFacts, agent: int) -> Alternatives:
    arrays = [facts.observation_array(agent, ANY, facts.batch), facts.action_array(agent, ANY, facts.batch)]
    return [arrays, [*arrays, ExpectedArray(np.dtype(np.float64), (ANY, facts.batch, ANY))]]


def _shadow_rewards(facts: RunFacts, agent: int) -> Traffic:
    table, signal = facts.shadow_shapes(agent)
    return ((ShadowReward(np.zeros(table), np.zeros(signal)), 1),)


def _shadow_shapes(facts: RunFacts, _agent: int) -> Alternatives:
    """A table, with a signal or without, and marks of living steps from an agent whose part has ended."""
    real = np.dtype(np.float64)
    table = ExpectedArray(real, (ANY, ANY))
    plain = [[table, ExpectedArray(real, (ANY, facts.batch))], [table, ExpectedArray(real, (0, 0))]]
    return plain + [[*each, ExpectedArray(np.dtype(np.bool_), (ANY, facts.batch))] for each in plain]


def _values(facts: RunFacts, _agent: int) -> Traffic:
    return ((TruncatedQ(np.zeros((facts.horizon, facts.batch))), 1),) if facts.shares_values else ()


def _rewards(facts: RunFacts, _agent: int) -> Traffic:
    return ((Reward(np.zeros((facts.evaluation_steps or facts.horizon, facts.batch))), 1),)


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

    # Welcome (long texts, peers) and Snapshot (named arrays) have their own code in the codec.
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
            traffic=_steps,
            shapes=_step,
        ),
    )
    ACTION = (
        11,
        MessageRow(
            Action,
            (array_field("actions", VALUE, 1, MAXIMUM_RANK),),
            pace=Pace.STEP,
            phase=2,
            must_arrive=True,
            traffic=_actions,
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
            traffic=_states,
        ),
    )
    TRACE = (
        13,
        MessageRow(
            Trace,
            (
                array_field("states", VALUE, 2, MAXIMUM_RANK),
                array_field("actions", VALUE, 2, MAXIMUM_RANK),
                array_field("intentions", FLOAT64, 3),
            ),
            aligned=True,
            optional=1,
            pace=Pace.ITERATION,
            phase=3,
            radius=RadiusKind.CRITIC,
            must_arrive=True,
            absence=Absence.HOLD,
            traffic=_traces,
            shapes=_trace_shapes,
        ),
    )
    SHADOW_REWARD = (
        14,
        MessageRow(
            ShadowReward,
            (array_field("table", FLOAT64, 2), array_field("signal", FLOAT64, 2), array_field("alive", BOOL, 2)),
            optional=1,
            pace=Pace.ITERATION,
            phase=5,
            radius=RadiusKind.GRADIENT,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=_shadow_rewards,
            shapes=_shadow_shapes,
        ),
    )
    TRUNCATED_Q = (
        15,
        MessageRow(
            TruncatedQ,
            (array_field("values", FLOAT64, 2),),
            pace=Pace.ITERATION,
            phase=6,
            radius=RadiusKind.GRADIENT,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=_values,
            shapes=lambda facts, _: [[ExpectedArray(np.dtype(np.float64), (facts.horizon, facts.batch))]],
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
            phase=7,
            late=True,
            must_arrive=True,
        ),
    )
    SNAPSHOT = 17, MessageRow(Snapshot, pace=Pace.ITERATION, phase=8, late=True, must_arrive=True)
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
            phase=9,
        ),
    )
    BUNDLE = (
        19,
        MessageRow(
            Bundle,
            (array_field("sizes", INT32, 1), array_field("sent", INT64, 1, last=1), array_field("content", UINT8, 1)),
            pace=Pace.STEP,
            phase=10,
            must_arrive=True,
        ),
    )

    REWARD = (
        20,
        MessageRow(
            Reward,
            (array_field("rewards", FLOAT64, 2),),
            pace=Pace.ITERATION,
            phase=4,
            radius=RadiusKind.GRADIENT,
            must_arrive=True,
            absence=Absence.ZERO,
            traffic=_rewards,
        ),
    )

    @property
    def label(self) -> str:
        """The name in logs, records and errors: ``shadow_reward``."""
        return self.name.lower()


NEIGHBOUR_KINDS = tuple(kind for kind in Kind if kind.row.radius is not None)
"""What agents send each other."""


def radius_of(kind: Kind) -> RadiusKind | None:
    """The radius that bounds how far a kind may travel between agents; None for kinds that agents never exchange."""
    return kind.row.radius


def node_name(index: int) -> str:
    """A node's name in logs and errors: ``agent 3``, ``environment`` or ``monitor``."""
    if index == ENVIRONMENT:
        return "environment"
    return "monitor" if index == MONITOR else f"agent {index}"


def node_names(indices: Collection[int], most: int = 12) -> str:
    """Several nodes in one phrase: ``environment, agents 4, 7``; beyond ``most`` agents the rest is counted."""
    agents = sorted(index for index in indices if index >= 0)
    parts = [node_name(index) for index in sorted((index for index in indices if index < 0), reverse=True)]
    if agents:
        shown = ", ".join(map(str, agents[:most]))
        more = f" and {len(agents) - most} more" if len(agents) > most else ""
        parts.append(f"agent{'s' if len(agents) > 1 else ''} {shown}{more}")
    return ", ".join(parts)
