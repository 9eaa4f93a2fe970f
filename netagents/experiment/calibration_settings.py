"""Settings of calibration: how ``kappa: auto`` gives each agent its own radii before training begins."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings

RadiusRule = Literal["influence", "power", "random", "uniform"]
"""What makes a neighbour worth its bytes; the last two are the controls that the first two have to beat."""


class CalibrationSettings(Settings):
    """How the radii of ``kappa: auto`` are chosen: a short training with the largest radius, then measurement, then a choice."""

    by: RadiusRule = Field(
        "influence",
        description="what makes a neighbour worth its bytes: influence between the two, power, a random number, or nothing, with the same "
        "radii for all agents",
    )
    byte_budget: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5, description="payload that agents may send each other, as a share of what they send with the largest radius"
    )
    largest: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        None, description="largest radius that an agent may get, and that of the calibration; default: the diameter of the graph"
    )
    iterations: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        20, description="training iterations before the measurement; random and uniform radii need two, to know what messages weigh"
    )
    repetitions: Annotated[int, Field(ge=2, le=100_000)] | None = Field(
        None,
        description="episodes M with each policy of each agent, from which influence is estimated; default: 256, or 16 where each copy of "
        "the environment is a process",
    )
    rate: Annotated[float, Field(ge=1e-6, le=0.5)] = Field(
        0.05, description="false-discovery rate; a pair whose influence is not significant counts as the mean of such pairs as far apart"
    )

    @property
    def training(self) -> int:
        """Iterations of the calibration; where nothing that is learned counts, as few as show what messages weigh."""
        return self.iterations if self.by in ("influence", "power") else 2
