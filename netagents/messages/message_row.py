"""The row of a message kind: what everybody needs to know about it, and the words in which it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from netagents.messages.array_fields import Alternatives, ArrayField, ExpectedArray
from netagents.messages.run_facts import RunFacts, Traffic


class RadiusKind(StrEnum):
    """The three communication radii."""

    POLICY = "policy"
    CRITIC = "critic"
    GRADIENT = "gradient"


class Pace(StrEnum):
    """How often a kind travels: outside the iterations, once per step, once per step of an audit's branches (which follow the steps and are
    counted through all of its rollouts), or once per iteration, where an ordinal replaces the step."""

    CONTROL = "control"
    STEP = "step"
    BRANCH = "branch"
    ITERATION = "iteration"

    @property
    def order(self) -> int:
        """Its place within an iteration."""
        return (Pace.CONTROL, Pace.STEP, Pace.BRANCH, Pace.ITERATION).index(self) - 1


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
