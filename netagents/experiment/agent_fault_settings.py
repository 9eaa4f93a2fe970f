"""Scheduled faults of agents: crash, freeze, slow, random actions."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.base import Settings

AgentIndex = Annotated[int, Field(ge=0)]
Iteration = Annotated[int, Field(ge=0)]
Phase = Literal["sample", "trace", "reward", "shadow_reward", "truncated_q", "target_action", "audit"]


class _Moment(Settings):
    agent: AgentIndex
    iteration: Iteration
    phase: Phase = Field("sample", description="the phase before which it happens")
    step: Annotated[int, Field(ge=0)] = Field(0, description="within phase sample, or of an audit's branches")


class CrashFault(_Moment):
    """An agent's process ends as by kill -9, once: not again after a restart or in a resumed run."""

    kind: Literal["crash"] = "crash"


class FreezeFault(_Moment):
    """An agent's process stops answering for a while, once, as if it had been stopped."""

    kind: Literal["freeze"] = "freeze"
    seconds: Annotated[float, Field(gt=0.0, le=86_400.0)]


class IterationWindow(Settings):
    """The iterations in which something acts: ``start`` to ``until`` - 1."""

    start: Iteration = Field(0, description="first iteration in which it acts")
    until: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="first iteration in which it no longer acts; default: never"
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.until is not None and self.until <= self.start:
            raise ValueError(f"until {self.until} is not after start {self.start}; raise it, or leave it out")
        return self

    def covers(self, iteration: int) -> bool:
        """Whether it may act in this iteration."""
        return self.start <= iteration and (self.until is None or iteration < self.until)


class _Window(IterationWindow):
    agent: AgentIndex


class SlowFault(_Window):
    """An agent takes longer for each step."""

    kind: Literal["slow"] = "slow"
    seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(description="added to each step")


class RandomActionsFault(_Window):
    """An agent plays uniformly random actions instead of its policy's, and its policy does not learn during that time."""

    kind: Literal["random_actions"] = "random_actions"


ProcessFault = CrashFault | FreezeFault | SlowFault
"""Faults of an agent's process: they need one to themselves."""

AgentFault = ProcessFault | RandomActionsFault
