"""Faults to inject into delivery, for tests and studies."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.base import Settings

MessageName = Literal["step", "action", "state", "trace", "shadow_reward", "truncated_q", "report", "snapshot"]
Node = Annotated[int, Field(ge=-2)]


class DelayFault(Settings):
    """Every message waits a random time, uniform in [low, high] seconds, before it is delivered; order per link is kept."""

    kind: Literal["delay"] = "delay"
    low: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    high: Annotated[float, Field(ge=0.0, le=10.0)] = 0.002

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}; swap them")
        return self


class DropFault(Settings):
    """One message never arrives."""

    kind: Literal["drop"] = "drop"
    message: MessageName = Field(description="its kind")
    sender: Node = Field(description="agent index, or -1 for the environment")
    receiver: Node
    iteration: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)] = 0


class SwapFault(Settings):
    """The contents of the same message from two senders arrive under each other's name."""

    kind: Literal["swap"] = "swap"
    message: MessageName = Field(description="its kind")
    senders: tuple[Node, Node]
    receiver: Node
    iteration: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _two_senders(self) -> Self:
        if self.senders[0] == self.senders[1]:
            raise ValueError(f"senders {list(self.senders)} are one and the same; name two")
        return self


class ReplayFault(Settings):
    """One message arrives again, as somebody who recorded it would send it."""

    kind: Literal["replay"] = "replay"
    message: MessageName = Field(description="its kind")
    sender: Node = Field(description="agent index, or -1 for the environment")
    receiver: Node
    iteration: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=1, le=1_000)] = Field(1, description="how often it comes again")


FaultSettings = Annotated[DelayFault | DropFault | SwapFault | ReplayFault, Field(discriminator="kind")]
