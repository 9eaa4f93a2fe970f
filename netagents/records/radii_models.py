"""Models of ``radii.json``: the radii that a calibration chose for the agents of a run, and what it measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from netagents.experiment.calibration_settings import RadiusRule
from netagents.records.record_models import Iteration, Record, Word, agents_of

RADII = "radii.json"
"""In a run directory, where the experiment has ``kappa: auto``."""

Bytes = Annotated[float, Field(ge=0.0, le=1e18)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Radii = Annotated[list[Annotated[int, Field(ge=0, le=100_000)]], Field(max_length=1 << 20)]
PairValues = Annotated[list[list[Annotated[float, Field(ge=0.0, le=1e300)]]], Field(max_length=1 << 16)]


class RadiiFacts(Record):
    """What was chosen, and why.

    ``pairs`` says how much j (row) matters to i (column): influence in nats, power, or random numbers; it is empty where all agents get
    the same radii.  ``significant`` of these pairs count by themselves; the others as the mean of those that are as far apart.
    ``bytes_largest`` and ``bytes_chosen`` are the payload between agents per iteration.  ``members`` are the policies that influence
    varied over.
    """

    by: RadiusRule
    byte_budget: Share
    largest: Annotated[int, Field(ge=0, le=100_000)]
    iterations: Iteration
    repetitions: Annotated[int, Field(ge=1, le=1_000_000)]
    members: Annotated[list[Word], Field(max_length=10_000)]
    pairs: PairValues
    significant: Annotated[int, Field(ge=0, le=1 << 40)]
    bytes_largest: Bytes
    bytes_chosen: Bytes
    policy: Radii
    critic: Radii
    gradient: Radii

    @field_validator("policy", "critic", "gradient")
    @classmethod
    def _one_per_agent(cls, value: list[int], info: ValidationInfo) -> list[int]:
        n = agents_of(info)
        if n is not None and len(value) != n:
            raise ValueError(f"not a list of {n} radii")
        return value

    @field_validator("pairs")
    @classmethod
    def _one_per_pair(cls, value: list[list[float]], info: ValidationInfo) -> list[list[float]]:
        n = agents_of(info)
        size = len(value) if n is None or not value else n
        if len(value) != size or any(len(row) != size for row in value):
            raise ValueError(f"not {size} rows of {size} numbers")
        return value
