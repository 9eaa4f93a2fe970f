"""Deadlines of all waits of the runtime."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from netagents.experiment.base import Settings

Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class Timeouts(Settings):
    """Deadlines in seconds, all multiplied by ``scale``."""

    scale: Annotated[float, Field(gt=0.0, le=1_000.0)] = Field(1.0, description="multiplies every other value (slow machines)")
    join: Seconds = Field(60.0, description="for all nodes to say hello to the rendezvous")
    ready: Seconds = Field(30.0, description="for all links to carry their first hello")
    make: Seconds = Field(300.0, description="for one more copy of a PettingZoo environment to be made, before the start")
    exchange: Seconds = Field(30.0, description="for one phase's messages from all peers")
    answer: Seconds = Field(
        10.0, description="for a silent agent to answer a heartbeat, before failures.agent (restart, continue_without) treats it as lost"
    )
    progress: Seconds = Field(
        15.0, description="without a finished iteration before the launcher reports which processes stand still; ends nothing"
    )
    send: Seconds = Field(10.0, description="for a full queue to accept a message")
    stop: Seconds = Field(3.0, description="for a node to end after the request to end")
    linger: Annotated[float, Field(ge=0.0, le=60.0)] = Field(1.0, description="for the last messages to leave a closing socket")

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if self.linger >= self.stop:
            raise ValueError(f"linger {self.linger:g} must be below stop {self.stop:g}, or nodes are ended over their last words")
        return self

    def seconds(self, name: str) -> float:
        """The scaled deadline called ``name``."""
        return float(getattr(self, name)) * self.scale
