"""Traffic of a lockstep run: which messages of which sizes one iteration moves, and how long that takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STEP, ACTION, STATE, REPORT, PHASE = 1, 2, 3, 4, 10
"""Tags of messages; those of the phases count up from the last."""


@dataclass(frozen=True)
class Exchange:
    """One message per pair: ``size`` bytes from each agent to everyone in its audience."""

    size: int
    audience: tuple[tuple[int, ...], ...]
    senders: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Traffic:
    """What one iteration moves.

    Attributes:
        n: agents. steps: executed steps H; one more Step (and State) closes the batch.
        step_size, action_size: bytes between server and agent, per step.
        state: per step, between agents. phases: once per iteration, between agents, in order.
        report_size: bytes of the report that rides with the first action.
    """

    n: int
    steps: int
    step_size: int
    action_size: int
    state: Exchange
    phases: tuple[Exchange, ...]
    report_size: int

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Traffic:
        """What :func:`dataclasses.asdict` made of it."""

        def exchange(each: Mapping[str, Any]) -> Exchange:
            return Exchange(each["size"], tuple(map(tuple, each["audience"])), tuple(map(tuple, each["senders"])))

        return cls(**{**values, "state": exchange(values["state"]), "phases": tuple(map(exchange, values["phases"]))})

    @property
    def sizes(self) -> Mapping[int, int]:
        """Tag -> bytes of its messages."""
        phases = {PHASE + number: max(1, phase.size) for number, phase in enumerate(self.phases)}
        return {STEP: self.step_size, ACTION: self.action_size, STATE: max(1, self.state.size), REPORT: self.report_size, **phases}

    def neighbours(self, index: int) -> list[int]:
        """The agents that an agent sends to or hears."""
        exchanges = (self.state, *self.phases)
        return sorted({peer for exchange in exchanges for peer in (*exchange.audience[index], *exchange.senders[index])})


@dataclass(frozen=True)
class Timing:
    """Seconds: the lockstep steps alone (steps - 1 of them per iteration), and whole iterations."""

    step_seconds: float
    total_seconds: float
