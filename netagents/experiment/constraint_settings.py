"""Settings of constraints on local occupancies, g_i(lambda_i) >= threshold (SPDAC, arXiv 2305.17568)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from netagents.experiment.base import Settings
from netagents.experiment.utility_settings import AgentIndex, AgentUtilitySettings


class ConstraintSettings(Settings):
    """One constraint, g(lambda_i) >= threshold, for all agents or some; g is any utility."""

    aliases: ClassVar[Mapping[str, str]] = {"learning_rate": "step_size", "lr": "step_size"}
    utility: AgentUtilitySettings = Field(description="g, the left side")
    threshold: float = Field(description="c, the least value that g may take")
    update: Literal["memoryless", "projected_ascent"] = Field(
        "memoryless", description="mu = max(0, eta (c - g)) as released, or mu <- clip(mu + eta (c - g), 0, maximum)"
    )
    step_size: Annotated[float, Field(gt=0.0, le=1e9)] = Field(1.0, description="eta, the step of the multiplier")
    maximum: Annotated[float, Field(gt=0.0, le=1e9)] = Field(100.0, description="largest multiplier of projected_ascent")
    initial: Annotated[float, Field(ge=0.0, le=1e9)] = Field(0.0, description="multiplier before the first iteration of projected_ascent")
    agents: Annotated[tuple[AgentIndex, ...], Field(min_length=1)] | None = Field(
        None, description="the agents that are bound; default: all"
    )


def constraints_of(settings: tuple[ConstraintSettings, ...], agent: int) -> tuple[ConstraintSettings, ...]:
    """The constraints that bind one agent, in the order of the file."""
    return tuple(one for one in settings if one.agents is None or agent in one.agents)
