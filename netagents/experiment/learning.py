"""How agents learn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings


class CriticSettings(Settings):
    """Truncated Q-functions and their evaluation by batch TD."""

    sweeps: Annotated[int, Field(ge=1, le=10_000)] = Field(10, description="batch-TD sweeps over the batch per iteration")
    full_table_limit: Annotated[int, Field(ge=1)] = Field(
        1 << 20, description="largest number of entries of a full table; above it only visited keys are stored"
    )
    visited_limit: Annotated[int, Field(ge=1)] = Field(
        1 << 22, description="largest number of visited keys a hashed table keeps; the least recently visited leave first"
    )


class LearningSettings(Settings):
    """The truncated policy-gradient algorithm (arXiv 2302.07938, Algorithm 1)."""

    iterations: Annotated[int, Field(ge=1, le=10_000_000)] = 60
    batch: Annotated[int, Field(ge=1, le=1_000_000)] = Field(64, description="parallel copies of the environment (B)")
    horizon: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="steps per iteration (H); default: the environment's"
    )
    discount: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(None, description="gamma; default: the environment's")
    credit: Literal["shared_q", "shared_reward"] = Field("shared_q", description="what neighbours share: Q-values or rewards")
    task_weight: Annotated[float, Field(ge=0.0)] = Field(1.0, description="weight w of the task reward in the learning signal")
    step_size: Annotated[float, Field(gt=0.0)] = Field(
        10.0, description="step of gradient ascent on the logits, with the gradient's 1/n kept"
    )
    baseline: bool = Field(True, description="subtract the batch's state-dependent mean of the summed Q")
    logit_bound: Annotated[float, Field(gt=0.0)] = Field(2.5, description="logits are clipped to [-bound, bound] (theta_max)")
    critic: CriticSettings = CriticSettings()


class PowerSettings(Settings):
    """How realized power is read from the task critic."""

    min_visits: Annotated[int, Field(ge=1)] = Field(5, description="visits within the window that make an entry known")
    window: Annotated[int, Field(ge=1)] = Field(10, description="iterations in which visits count")
