"""Training conditions of the comparison: self-play, populations of three and five, and fictitious co-play.

The paper (arXiv 2310.07218) trains self-play for 5 million steps and each member of a population for 10 million, so that
diversity and length of training change together.  Here each condition comes in both forms: with these lengths, and with
equal lengths per member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netagents.errors import ExperimentError
from netagents.measures.influence.allocation_rules import PUBLISHED_SIZES, checked_sizes

PUBLISHED_STEPS_SELF_PLAY = 5_000_000
PUBLISHED_STEPS_PER_MEMBER = 10_000_000

Lengths = Literal["published", "equal"]


@dataclass(frozen=True, slots=True)
class TrainingCondition:
    """One way to train an agent for a scenario.

    Attributes:
        name: ``SP``, ``PP3``, ``PP5``, ``FCP3``.
        members: co-players that are trained.
        steps_per_member: environment steps that each member learns from.
        checkpoints: policies of each member that are played against: 1 in self-play and populations, where the present one is, and 3 in
            fictitious co-play: the first, the middle and the last.
        best_response_steps: steps in which one more agent learns against all of them, frozen; 0 except in fictitious co-play.
    """

    name: str
    members: int
    steps_per_member: int
    checkpoints: int = 1
    best_response_steps: int = 0

    @property
    def total_steps(self) -> int:
        """Steps that the condition costs."""
        return self.members * self.steps_per_member + self.best_response_steps

    @property
    def partners(self) -> int:
        """Different policies that a learner can meet at one time."""
        return self.members * self.checkpoints


def population_conditions(
    lengths: Lengths, sizes: Sequence[int] = PUBLISHED_SIZES, *, scale: float = 1.0, steps_per_member: int | None = None
) -> tuple[TrainingCondition, ...]:
    """Self-play and populations, smallest first.

    Args:
        lengths: ``published``: 5 million steps in self-play, 10 million per member of a population; ``equal``: the same per member in all.
        sizes: population sizes; 1 is self-play.
        scale: shrinks (or stretches) all lengths alike.
        steps_per_member: length of ``equal``, before scaling; default 10 million.

    Raises:
        ExperimentError: impossible sizes, a scale that leaves no steps, or ``steps_per_member`` where lengths are the published ones.
    """
    if lengths == "published" and steps_per_member is not None:
        raise ExperimentError("steps_per_member beside published lengths", where="training conditions", fix="lengths 'equal', or a scale")
    conditions = []
    for size in checked_sizes(sizes):
        steps = PUBLISHED_STEPS_PER_MEMBER if steps_per_member is None else steps_per_member
        if lengths == "published" and size == 1:
            steps = PUBLISHED_STEPS_SELF_PLAY
        conditions.append(TrainingCondition("SP" if size == 1 else f"PP{size}", size, _scaled(steps, scale)))
    return tuple(conditions)


def fictitious_co_play(members: int, *, scale: float = 1.0, steps_per_member: int = PUBLISHED_STEPS_SELF_PLAY) -> TrainingCondition:
    """Fictitious co-play (Strouse et al. 2021, arXiv 2110.08176): a best response to three checkpoints of each of ``members`` self-plays.

    Args:
        members: self-plays with seeds of their own.
        scale: shrinks all lengths alike.
        steps_per_member: of each self-play, and of the best response, before scaling.

    Raises:
        ExperimentError: fewer than one member, or no steps.
    """
    (size,) = checked_sizes((members,))
    steps = _scaled(steps_per_member, scale)
    return TrainingCondition(f"FCP{size}", size, steps, checkpoints=3, best_response_steps=steps)


def _scaled(steps: int, scale: float) -> int:
    scaled = round(steps * scale) if 0.0 < scale < float("inf") else 0
    if scaled < 1:
        raise ExperimentError(f"{steps} steps at a scale of {scale:g} are none", where="training conditions", fix="at least one step")
    return scaled
