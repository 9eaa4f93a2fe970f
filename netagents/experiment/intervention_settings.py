"""Interventions as settings: who plays an agent's action in the place of its policy, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.agent_fault_settings import IterationWindow
from netagents.experiment.agent_groups import FrozenPolicySettings
from netagents.experiment.utility_settings import AgentIndex

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Iteration = Annotated[int, Field(ge=0, le=10_000_000)]
Step = Annotated[int, Field(ge=0, le=10_000_000)]
Agents = Annotated[tuple[AgentIndex, ...], Field(min_length=1)]


class _Replacement(IterationWindow):
    """Whose actions are replaced, at which steps, and how often."""

    agents: Agents | None = Field(None, description="whose actions; default: everybody's")
    probability: Probability = Field(
        1.0, description="share of steps and copies at which it acts, drawn for each by a lottery that every node can evaluate"
    )
    from_step: Step = Field(0, description="first step of an iteration at which it acts")
    until_step: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="first step at which it no longer acts; default: never"
    )

    @model_validator(mode="after")
    def _some_steps(self) -> Self:
        if self.until_step is not None and self.until_step <= self.from_step:
            raise ValueError(f"until_step {self.until_step} is not after from_step {self.from_step}; raise it, or leave it out")
        return self

    def replaces(self, agent: int) -> bool:
        """Whether it may replace an agent's actions."""
        return self.agents is None or agent in self.agents


class RandomIntervention(_Replacement):
    """Uniformly random actions, among the legal ones where some are not; within [-1, 1] of a box without bounds."""

    kind: Literal["random"] = "random"


class NoopIntervention(_Replacement):
    """Action 0, or the values of a box that are nearest to zero."""

    kind: Literal["noop"] = "noop"


class FixedIntervention(_Replacement):
    """One action, always the same."""

    kind: Literal["fixed"] = "fixed"
    action: Annotated[int, Field(ge=0)] | tuple[float, ...] = Field(description="its index, or the values of a box in C order")


class PolicyIntervention(_Replacement):
    """A frozen policy: one that a run has learned, or the one that training would begin with."""

    kind: Literal["policy"] = "policy"
    policy: FrozenPolicySettings | None = Field(None, description="where it comes from; default: the untrained one")
    greedy: bool = Field(False, description="play the most probable action instead of drawing one")

    @model_validator(mode="after")
    def _one_member(self) -> Self:
        if self.policy is not None and self.policy.members is not None:
            raise ValueError("an intervention plays one policy; name one member of the bank")
        if self.policy is not None and self.policy.settings is not None:
            raise ValueError("an intervention plays a policy with the settings of the agent's own; leave policy.settings out")
        return self


class WorstIntervention(_Replacement):
    """The action that is worst for another agent, which says by its own critic which one that is."""

    kind: Literal["worst"] = "worst"
    agents: Agents = Field(description="whose actions")
    against: AgentIndex = Field(description="for whom the actions are the worst")


class SbprSettings(IterationWindow):
    """Sample-based power regularization (arXiv 2406.11240): in its own episodes each agent meets co-players' worst actions."""

    kind: Literal["sbpr"] = "sbpr"
    probability: Probability = Field(
        description="of a deviation per step: of one co-player drawn uniformly (mean), of each one (sum), of the most powerful one (max)"
    )
    aggregate: Literal["mean", "sum", "max"] = Field("mean", description="which co-player deviates, as the aggregate of power has it")
    sampled: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None, description="probability at which deviations are drawn instead, and weighted back; default: the one that is meant"
    )
    ramp: Iteration = Field(0, description="iterations after start in which the probability grows from 0 to all of it")
    agents: Agents | None = Field(None, description="whose episodes there are; default: those of all agents that learn")

    def probability_at(self, iteration: int) -> float:
        """The probability that is meant at an iteration."""
        if not self.covers(iteration):
            return 0.0
        return self.probability if self.ramp == 0 else self.probability * min((iteration - self.start) / self.ramp, 1.0)


ReplacementSettings = RandomIntervention | NoopIntervention | FixedIntervention | PolicyIntervention | WorstIntervention
"""Interventions that replace the actions of stated agents."""

InterventionSettings = Annotated[ReplacementSettings | SbprSettings, Field(discriminator="kind")]
"""One intervention."""


def check_interventions_fit(interventions: Sequence[InterventionSettings]) -> None:
    """Refuse two interventions that both have worst actions told: a message could not say which one it is about.

    Raises:
        ValueError: names both.
    """
    numbers = [number for number, each in enumerate(interventions) if isinstance(each, WorstIntervention | SbprSettings)]
    if len(numbers) > 1:
        raise ValueError(f"interventions[{numbers[0]}] and interventions[{numbers[1]}] both play worst actions; one of them is possible")


def sbpr_of(interventions: Sequence[InterventionSettings]) -> SbprSettings | None:
    """The settings of SBPR, where an experiment uses it."""
    return next((each for each in interventions if isinstance(each, SbprSettings)), None)
