"""Models of studies of influence: what ``budget.json`` and ``allocation.json`` may hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netagents.records.attack_models import Finite, Found, Many, Measured, Share
from netagents.records.record_models import Count, Record, Text, Word

Row = Annotated[list[Finite], Many]
Numbers = Annotated[list[Row], Many]
Names = Annotated[list[Text], Field(fail_fast=True, min_length=1, max_length=1 << 16)]


class RadiiRow(Record):
    """One way to choose radii, over seeds."""

    radii: Text
    seeds: Count
    returns: Row
    value: Measured
    kept: Found
    learned: Found
    behind: Found
    share: Annotated[float, Field(ge=0.0, le=1e6)]
    calibration: Annotated[float, Field(ge=0.0, le=1e9)]
    mean_radii: tuple[Finite, Finite, Finite]


class BudgetFacts(Record):
    """``budget.json``: radii under a budget of bytes."""

    name: Word
    seeds: Annotated[list[Count], Many]
    notes: Annotated[list[Text], Many]
    rows: Annotated[list[RadiiRow], Field(fail_fast=True, min_length=1, max_length=1 << 12)]


class ScenarioFacts(Record):
    """The influence of the co-player in one scenario."""

    value: Finite
    low: Finite
    high: Finite
    null_mean: Finite
    p: Share
    policies: Count
    repetitions: Count


class CorrelationFacts(Record):
    """A rank correlation with its interval over scenarios; null where a side does not vary."""

    value: Finite | None
    low: Finite | None
    high: Finite | None
    n: Count


class VarianceFacts(Record):
    """An analysis of variance."""

    F: Finite | None
    df: tuple[Count, Count]
    p: Share | None


class RankFacts(Record):
    """The rank of one allocation among all of its budget: 1 is the best."""

    rank: Annotated[float, Field(ge=0.0, le=1e300)]
    of: Annotated[int, Field(ge=1)]
    percentile: Share
    low: Finite
    high: Finite
    replicates: Count


class GameFacts(Record):
    """One game by itself."""

    correlation_with_gain: CorrelationFacts
    anova: VarianceFacts
    allocation: Annotated[list[Count], Many]
    rank: RankFacts
    rank_best_half: RankFacts


class AllocationFacts(Record):
    """``allocation.json``: scenarios x population sizes x seeds, and the rank of allocations by influence."""

    name: Word
    notes: Annotated[list[Text], Many]
    scenarios: Names
    sizes: Annotated[list[Count], Field(fail_fast=True, min_length=2, max_length=1 << 10)]
    budget: Count
    influence: Annotated[list[ScenarioFacts], Many]
    samples: Annotated[list[Annotated[list[Numbers], Many]], Field(fail_fast=True, min_length=1, max_length=1 << 16)]
    gain_by_seed: Numbers
    correlation_with_gain: dict[Word, CorrelationFacts]
    correlations: dict[Text, CorrelationFacts]
    games: dict[Text, GameFacts]
    anova: VarianceFacts
    allocations: dict[Word, Annotated[list[Count], Many]]
    ranks: dict[Word, RankFacts]
    ranks_best_half: dict[Word, RankFacts]
    warnings: Annotated[list[Text], Many]
