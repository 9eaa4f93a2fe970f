"""Settings of audits of power during a run: how often, from how many states, and whose power."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from netagents.experiment.base import Settings


class AuditSettings(Settings):
    """Audits of power during a run: the environment is branched at states that the run visits, and agents decide in the branches."""

    every: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        10, description="iterations from one audit to the next; the first is that of iteration 0"
    )
    visits: Annotated[int, Field(ge=2, le=4096)] = Field(32, description="visited states that are branched in each audit")
    replicates: Annotated[int, Field(ge=2, le=1024)] = Field(
        8, description="rollouts of each branch: one half chooses the worst action, the other values it"
    )
    points: Annotated[int, Field(ge=2, le=64)] = Field(3, description="of the grid that is tried, per number of a continuous action")
    tail: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.05, description="what may be left of the discount where a rollout is cut")
    holders: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = Field(
        None, description="agents whose power is audited; default: everybody's"
    )

    @field_validator("replicates")
    @classmethod
    def _two_halves(cls, replicates: int) -> int:
        if replicates % 2:
            raise ValueError(f"{replicates} replicates have no two halves; use an even number")
        return replicates
