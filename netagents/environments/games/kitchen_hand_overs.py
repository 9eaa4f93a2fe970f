"""Hand-overs in a kitchen: items that one cook puts on a counter and another takes from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import joint_actions
from netagents.environments.games.kitchen import ACTIONS, Kitchen
from netagents.environments.games.kitchen_rules import NOTHING
from netagents.environments.networked_mdp import IntArray, JointState

NOBODY = -1


class HandOvers:
    """Counts hand-overs along the steps of B copies.

    Attributes:
        counts: ``(B, n, n)`` int64, items that cook i (row) put on a counter and cook j (column) took from it; on the diagonal, items
            that a cook took back itself.

    Args:
        environment: the kitchen.
        copies: B.
    """

    def __init__(self, environment: Kitchen, copies: int) -> None:
        n = environment.spec.n
        self._environment = environment
        self._owners = np.full((copies, len(environment.plan.counters)), NOBODY, dtype=np.int64)
        self.counts: IntArray = np.zeros((copies, n, n), dtype=np.int64)

    def record(self, before: JointState, actions: Sequence[NDArray[Any]], after: JointState) -> None:
        """One step: the state before it, everybody's action and the state after it, in the order in which cooks interact.

        What lay on a counter before the first recorded step was put there by nobody.
        """
        n = self._environment.spec.n
        targets = self._environment.targets(ACTIONS * before[:, :n] + joint_actions(actions))
        for cook in range(n):
            held, holds = before[:, n + cook], after[:, n + cook]
            at_counter = targets[:, cook] >= 0
            put = np.flatnonzero(at_counter & (held != NOTHING) & (holds == NOTHING))
            taken = np.flatnonzero(at_counter & (held == NOTHING) & (holds != NOTHING))
            givers = self._owners[taken, targets[taken, cook]]
            known = givers != NOBODY
            self.counts[taken[known], givers[known], cook] += 1
            self._owners[taken, targets[taken, cook]] = NOBODY
            self._owners[put, targets[put, cook]] = cook

    @property
    def between_cooks(self) -> IntArray:
        """Items that went from one cook to another, ``(B,)``."""
        off: IntArray = self.counts.sum(axis=(1, 2)) - np.trace(self.counts, axis1=1, axis2=2)
        return off
