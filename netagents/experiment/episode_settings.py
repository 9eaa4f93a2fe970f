"""Settings of played episodes: the random numbers of an evaluation instead of those of training, for runs in which nobody learns."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netagents.experiment.base import Settings


class EpisodeSettings(Settings):
    """Episodes of frozen agents: those that evaluations play in one process, with the agents as processes.

    Iteration k plays block k of the episodes that the seed names, and every agent keeps what it earned in each of them.
    """

    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = Field(0, description="names the episodes, as in `netagents evaluate` and `influence`")
    windows: Annotated[int, Field(ge=1, le=64)] = Field(1, description="parts of an episode in which each agent sums its rewards")
