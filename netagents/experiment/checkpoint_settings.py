"""Settings of checkpoints: how often the state of a run is kept, so that it can be resumed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netagents.experiment.base import Settings


class CheckpointSettings(Settings):
    """Checkpoints: the state of every agent after an iteration.  They change no bit of what is learned."""

    every: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        20, description="iterations between checkpoints; there is one more at the end"
    )
    keep: Annotated[int, Field(ge=1, le=10_000)] = Field(2, description="how many of the latest checkpoints are kept")
