"""The plan of an audit during a run: which branches are played, in which rollouts, and how long; every node works it out for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import EnvironmentSpec
from netagents.environments.spaces import candidate_actions, space_shape
from netagents.experiment.audit_settings import AuditSettings

MOST_COPIES = 2048
"""Copies that one rollout of branches has at most, unless a single branch has more."""
MOST_BYTES = 1 << 22
"""Largest observation of all copies of a rollout, for one agent, likewise."""
OWN = -1
"""Holder of the branch in which nobody's action is forced."""


class Branch(NamedTuple):
    """One branch of every visit: the ``holder`` whose action is forced, and the ``place`` of the action among its candidates."""

    holder: int
    place: int


@dataclass(frozen=True)
class BranchPlan:
    """What every audit of a run plays.

    Attributes:
        settings: as written.
        holders: whose power is audited, ascending.
        candidates: holder -> (A, ...) the actions among which the worst is sought.
        lots: the branches of each rollout; the first branch of the first one is that of what was played.
        length: steps of a rollout.
    """

    settings: AuditSettings
    holders: tuple[int, ...]
    candidates: Mapping[int, NDArray[Any]]
    lots: tuple[tuple[Branch, ...], ...]
    length: int

    @property
    def draws(self) -> int:
        """Copies of one branch, visits x replicates; all branches share their random numbers."""
        return self.settings.visits * self.settings.replicates

    @property
    def messages(self) -> int:
        """Decisions that each agent is asked for in an audit."""
        return len(self.lots) * self.length

    @property
    def rollouts(self) -> tuple[tuple[int, int, int, int], ...]:
        """Of those with equally many copies: copies, how many, steps of each, visits."""
        sizes = [len(lot) * self.draws for lot in self.lots]
        return tuple((size, sizes.count(size), self.length, self.settings.visits) for size in dict.fromkeys(sizes))

    def due(self, iteration: int) -> bool:
        """Whether an iteration is audited."""
        return iteration % self.settings.every == 0

    def audits(self, iterations: int) -> int:
        """How many of the first iterations are audited."""
        return -(-iterations // self.settings.every)


def plan_branches(settings: AuditSettings, spec: EnvironmentSpec, discount: float) -> BranchPlan:
    """The plan of audits.

    Args:
        settings: of the audits. spec: gives the spaces. discount: gamma; rollouts end when ``settings.tail`` of it is left.

    Raises:
        EnvironmentMismatchError: an agent has too many actions to try them all.
    """
    holders = tuple(range(spec.n)) if settings.holders is None else tuple(sorted({j for j in settings.holders if j < spec.n}))
    candidates = {j: candidate_actions(spec.action_spaces[j], settings.points, f"power.audit, agent {j}") for j in holders}
    branches = [Branch(OWN, 0), *(Branch(j, place) for j in holders for place in range(len(candidates[j])))]
    draws = settings.visits * settings.replicates
    widest = max(8 * int(np.prod(space_shape(space), dtype=np.int64)) for space in spec.observation_spaces)
    at_once = max(1, min(MOST_COPIES, MOST_BYTES // widest) // draws)
    lots = tuple(tuple(branches[first : first + at_once]) for first in range(0, len(branches), at_once))
    return BranchPlan(settings, holders, candidates, lots, rollout_length(settings.tail, discount))


def rollout_length(tail: float, discount: float) -> int:
    """Steps after which so much of the discount is left."""
    return max(1, int(np.ceil(np.log(tail) / np.log(discount)))) if discount > 0.0 else 1
