"""Settings of link faults: injected delivery faults, and models of bad links, for tests and studies."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.agent_fault_settings import CrashFault, FreezeFault, RandomActionsFault, SlowFault
from netagents.experiment.base import Settings

MessageName = Literal[
    "step", "action", "state", "trace", "reward", "shadow_reward", "truncated_q", "target_action", "report", "snapshot", "branch_step",
    "branch_state", "branch_action",
]  # fmt: skip
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
    """One message arrives again, as if an attacker had recorded it."""

    kind: Literal["replay"] = "replay"
    message: MessageName = Field(description="its kind")
    sender: Node = Field(description="agent index, or -1 for the environment")
    receiver: Node
    iteration: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=1, le=1_000)] = Field(1, description="how often it comes again")


Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Agent = Annotated[int, Field(ge=0)]
LinkEnd = Annotated[int, Field(ge=-1)]
FirstIteration = Annotated[int, Field(ge=0)]
EndIteration = Annotated[int, Field(ge=1)]


class LinkFault(Settings):
    """A model of links, as in a network emulator: transmissions are lost, delayed, duplicated or reordered at random."""

    kind: Literal["link"] = "link"
    edges: Literal["all", "between_agents", "server"] | tuple[tuple[LinkEnd, LinkEnd], ...] = Field(
        "all", description="which links: a word, or pairs of agents; -1 is the environment server"
    )
    one_way: bool = Field(False, description="pairs mean from the first to the second only")
    agents: tuple[Agent, ...] | None = Field(None, description="of these links only those with one of these agents at an end")
    loss: Probability = Field(0.0, description="probability that a transmission is lost")
    delay: Annotated[float, Field(ge=0.0, le=10.0)] = Field(0.0, description="seconds that every transmission takes")
    jitter: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.0, description="seconds: the delay is uniform in delay - jitter to delay + jitter; transmissions may overtake one another"
    )
    duplicate: Probability = Field(0.0, description="probability that a transmission arrives twice")
    reorder: Probability = Field(0.0, description="probability that a transmission takes no delay and overtakes those before it")
    bandwidth: Annotated[int, Field(ge=1)] | None = Field(None, description="bytes per second of each link and direction")
    burst: Annotated[int, Field(ge=1)] = Field(16_384, description="bytes that may pass at once where there is a bandwidth")
    start: FirstIteration = Field(0, description="first iteration in which it acts")
    until: EndIteration | None = Field(None, description="first iteration in which it no longer acts")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _check_window(self.start, self.until)
        if self.jitter > self.delay:
            raise ValueError(f"jitter {self.jitter:g} is above delay {self.delay:g}; nothing arrives before it was sent")
        if self.reorder > 0.0 and self.delay == 0.0:
            raise ValueError("reorder needs a delay, which those that overtake do not take")
        if not isinstance(self.edges, str):
            if not self.edges:
                raise ValueError("edges is empty; write pairs such as [[0, 1]], or one of all, between_agents, server")
            for first, second in self.edges:
                if first == second:
                    raise ValueError(f"edges: [{first}, {second}] is no link; name two ends")
        elif self.one_way:
            raise ValueError("one_way needs edges as pairs")
        return self

    def applies_to(self, sender: int, receiver: int) -> bool:
        """Whether it is about a directed link; -1 is the environment server, and links of the monitor have no faults."""
        if min(sender, receiver) < -1:
            return False
        if self.agents is not None and sender not in self.agents and receiver not in self.agents:
            return False
        if isinstance(self.edges, str):
            return self.edges == "all" or (self.edges == "server") == (-1 in (sender, receiver))
        return (sender, receiver) in self.edges or (not self.one_way and (receiver, sender) in self.edges)


class PartitionFault(Settings):
    """Groups of agents that cannot reach one another for a while.  Agents in no group make up one more."""

    kind: Literal["partition"] = "partition"
    groups: Annotated[tuple[Annotated[tuple[Agent, ...], Field(min_length=1)], ...], Field(min_length=1)] = Field(
        description="lists of agents"
    )
    server: Literal["all", "none"] | Annotated[int, Field(ge=0)] = Field(
        "all", description="agents that the environment server still reaches: all, none, or the group of this number"
    )
    start: FirstIteration = Field(0, description="first iteration of the partition")
    until: EndIteration | None = Field(None, description="first iteration after the partition")
    seconds: Annotated[float, Field(gt=0.0, le=86_400.0)] | None = Field(
        None, description="seconds after which it ends in any case; in lockstep no iteration ends while a node waits across the partition"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _check_window(self.start, self.until)
        placed: dict[int, int] = {}
        for number, group in enumerate(self.groups):
            for agent in group:
                if placed.setdefault(agent, number) != number:
                    raise ValueError(f"groups: agent {agent} stands in group {placed[agent]} and in group {number}")
        if isinstance(self.server, int) and self.server >= len(self.groups):
            raise ValueError(f"server: there is no group {self.server}; groups are 0 to {len(self.groups) - 1}")
        return self


def acts_in(fault: LinkFault | PartitionFault, iteration: int) -> bool:
    """Whether a fault acts in an iteration."""
    return fault.start <= iteration and (fault.until is None or iteration < fault.until)


def _check_window(start: int, until: int | None) -> None:
    if until is not None and until <= start:
        raise ValueError(f"until {until} must be above start {start}, or it never acts")


FaultSettings = Annotated[
    DelayFault
    | DropFault
    | SwapFault
    | ReplayFault
    | LinkFault
    | PartitionFault
    | CrashFault
    | FreezeFault
    | SlowFault
    | RandomActionsFault,
    Field(discriminator="kind"),
]
