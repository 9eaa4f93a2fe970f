"""Local utilities f_i(lambda_i) of the discounted occupancy, as settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings


class NoUtilitySettings(Settings):
    """f = 0: a pure task."""

    kind: Literal["none"] = "none"


class LinearUtilitySettings(Settings):
    """f(lambda) = <c, lambda>: ordinary reward on (state, action) pairs."""

    kind: Literal["linear"] = "linear"
    rewards: tuple[tuple[float, ...], ...] = Field(description="c[s][a], one row per local state")


class EntropyUtilitySettings(Settings):
    """f(lambda) = weight * entropy of (1 - gamma) * lambda over states, actions or pairs."""

    kind: Literal["entropy"] = "entropy"
    over: Literal["state", "action", "state_action"] = "state"
    weight: float = 1.0
    floor: Annotated[float, Field(gt=0.0, le=0.1)] = Field(1e-6, description="added to probabilities inside the logarithm")


UtilitySettings = Annotated[NoUtilitySettings | LinearUtilitySettings | EntropyUtilitySettings, Field(discriminator="kind")]
