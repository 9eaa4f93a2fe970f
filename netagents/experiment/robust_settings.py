"""Settings of robustness in training: methods that prepare agents for others, or observations, that turn against them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings

Positive = Annotated[float, Field(gt=0.0, le=1e3)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ErnieSettings(Settings):
    """ERNIE: a penalty on how much a small adversarial change of what a policy observes changes its outputs; its authors' defaults."""

    weight: Annotated[float, Field(ge=0.0, le=1e6)] = Field(0.5, description="lambda, the weight of the penalty")
    rate: Positive = Field(1e-3, description="alpha, the length of a step of the adversarial change, relative to each feature's size")
    steps: Annotated[int, Field(ge=0, le=100)] = Field(1, description="K, how many such steps")
    deviation: Positive = Field(1e-3, description="standard deviation of the random change that they begin with")


class M3ddpgSettings(Settings):
    """M3DDPG: the others' actions take one step against the agent's Q-function, in its targets and in its policy's derivative."""

    kind: Literal["m3ddpg"] = "m3ddpg"
    rate: Positive = Field(1e-3, description="alpha, the length of the step of each other agent's action as the critic reads it")


class RomaxSettings(Settings):
    """ROMAX: part of the Q-function is a certified lower bound of its minimum over a box around the others' actions."""

    kind: Literal["romax"] = "romax"
    epsilon: Positive = Field(0.1, description="half the width of the box around each other agent's action as the critic reads it")
    share: Share = Field(0.1, description="kappa, the part of the value that is the lower bound")
    bound: Literal["interval", "linear"] = Field(
        "linear", description="how the minimum is bounded: interval arithmetic, or the tighter one of it and a linear relaxation (relu)"
    )


class RomQSettings(Settings):
    """RoM-Q's stand-in for networks: in some copies one agent plays its worst action, and its policy learns nothing there."""

    kind: Literal["rom_q"] = "rom_q"
    probability: Share = Field(0.3, description="share of the copies of an iteration in which one agent, drawn uniformly, is adversarial")
    steps: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="steps along the sign of the derivative to a worst action in a box")
    step: Positive = Field(0.1, description="length of such a step, of which [-1, 1] is the whole box")


RobustSettings = Annotated[M3ddpgSettings | RomaxSettings | RomQSettings, Field(discriminator="kind")]
"""How MADDPG prepares for others that turn against an agent."""
