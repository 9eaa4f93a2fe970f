"""Models of attack results: what ``attack.json`` of an attack and ``robustness.json`` of a study of methods may hold."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from netagents.records.record_models import Count, Iteration, Record, Seconds, Text, Word

Finite = Annotated[float, Field(ge=-1e150, le=1e150)]
Found = tuple[Finite | None, Finite | None, Finite | None, Count]
"""A value, the edges of its 95 % interval where it has them, and how many samples are behind it."""
Measured = tuple[Finite, Finite | None, Finite | None, Count]
"""The same, of something that there always is."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Many = Field(fail_fast=True, max_length=1 << 20)


class NoisyAttack(Record):
    """Converged adversaries who act at random at a share of their steps."""

    noise: Share
    attacked: Measured


class HalfTrainedAttack(Record):
    """Adversaries of one checkpoint along their training."""

    iteration: Iteration
    attacked: Measured


class WeightedAttack(Record):
    """An importance-sampled estimate of an attack from clean episodes, and the truth."""

    value: Finite
    effective: Annotated[float, Field(ge=0.0, le=1e12)]
    episodes: Count
    truth: Measured


class AttackRow(Record):
    """One group of adversaries of one kind."""

    adversaries: Text
    adaptive: Finite
    label: Text
    clean: Measured
    attacked: Measured
    loss: Measured
    sampled: Found
    random: Measured
    by_seed: Annotated[list[Finite], Field(fail_fast=True, min_length=1, max_length=1 << 20)]
    noise: Annotated[list[NoisyAttack], Many]
    skill: Annotated[list[HalfTrainedAttack], Many]
    weighted: Annotated[list[WeightedAttack], Many]
    cpu_seconds: Seconds | None


class CorruptedMessage(Record):
    """What one neighbour's corrupted messages do to one agent."""

    agent: Count
    neighbour: Count
    hop: Count
    information: Finite
    movement: Share
    changed: Finite


class AttackFacts(Record):
    """``attack.json``: one attack on a run."""

    format_version: int
    run: Annotated[str, Field(max_length=4096)]
    name: Word
    experiment: Word
    checkpoint: Iteration
    n: Count
    labels: Annotated[list[Word], Many]
    episodes: Count
    budget: Iteration
    seeds: Annotated[list[Count], Many]
    notes: Annotated[list[Text], Many]
    rows: Annotated[list[AttackRow], Field(fail_fast=True, min_length=1, max_length=1 << 16)]
    messages: Annotated[list[CorruptedMessage], Many]
    corrupted: bool = True

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """What one part names stands in the others."""
        if any(max(each.agent, each.neighbour) >= len(self.labels) for each in self.messages):
            raise ValueError("messages: an agent without a label")
        shares = {tuple(each.noise for each in row.noise) for row in self.rows}
        if len(shares) > 1:
            raise ValueError("rows: not all have the same shares of noise")
        return self


class RobustnessRow(Record):
    """One method under one group of adversaries, over seeds."""

    adversaries: Text
    clean: Measured
    attacked: Measured
    random: Measured
    loss: Measured
    clean_gain: Measured
    attacked_gain: Measured
    by_seed: Annotated[list[Finite], Many]
    clean_by_seed: Annotated[list[Finite], Many] = Field(default_factory=list)


class HopMessages(Record):
    """What corrupted messages over one hop distance do, mean over pairs and seeds."""

    hop: Count
    information: Finite
    movement: Share
    changed: Finite


class RobustnessMethod(Record):
    """One method."""

    method: Text
    rows: Annotated[list[RobustnessRow], Field(fail_fast=True, min_length=1, max_length=1 << 16)]
    cpu_seconds: Found
    time_ratio: Found
    seconds_by_seed: Annotated[list[Finite | None], Many] = Field(default_factory=list)
    messages: Annotated[list[HopMessages], Many]


class RobustnessFacts(Record):
    """``robustness.json``: methods x adversaries x seeds."""

    format_version: int
    name: Word
    seeds: Annotated[list[Count], Many]
    attackers: Count
    episodes: Count
    iterations: Iteration
    budget: Iteration
    notes: Annotated[list[Text], Many]
    methods: Annotated[list[RobustnessMethod], Field(fail_fast=True, min_length=1, max_length=1 << 12)]
