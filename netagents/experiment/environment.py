"""Which networked MDP the agents act in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class LineMsgSettings(Settings):
    """LineMsg, the message-passing chain of SPDAC (arXiv 2305.17568): bits travel from the last agent to agent 0."""

    kind: Literal["line_msg"] = "line_msg"
    coupling: Probability = Field(0.8, description="chance that acting gives s' = 1 although the right neighbour holds 0; lower means neighbours matter more")


class WirelessSpdacSettings(Settings):
    """Wireless access on a g x g king-move grid, as in SPDAC (arXiv 2305.17568)."""

    kind: Literal["wireless_spdac"] = "wireless_spdac"
    deadline: Annotated[int, Field(ge=1, le=8)] = Field(2, description="slots until a packet expires (d)")
    arrival: Probability = Field(0.5, description="chance of a new packet per step (p)")
    success: Probability = Field(0.8, description="chance that a transmission without collision succeeds (q)")


EnvironmentSettings = Annotated[LineMsgSettings | WirelessSpdacSettings, Field(discriminator="kind")]
