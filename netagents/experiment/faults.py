"""Faults to inject into delivery, for tests and studies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings


class DelayFault(Settings):
    """Every message waits a random time, uniform in [low, high] seconds, before it is delivered; order per link is kept."""

    kind: Literal["delay"] = "delay"
    low: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    high: Annotated[float, Field(ge=0.0, le=10.0)] = 0.002


class DropFault(Settings):
    """One message never arrives."""

    kind: Literal["drop"] = "drop"
    message: str = Field(description="kind, such as state or truncated_q")
    sender: int
    receiver: int
    iteration: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)] = 0


class SwapFault(Settings):
    """The contents of the same message from two senders arrive under each other's name."""

    kind: Literal["swap"] = "swap"
    message: str = Field(description="kind, such as state or truncated_q")
    senders: tuple[int, int]
    receiver: int
    iteration: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)] = 0


FaultSettings = Annotated[DelayFault | DropFault | SwapFault, Field(discriminator="kind")]
