"""Cells of local states and actions: the table on which a general utility lives when states or actions are vectors or too many.

A utility f is a function of the local occupancy, and its shadow reward a table over (state, action).  Where that table would be
infinite or thinly visited, states and actions are put into cells: indices into groups of neighbours, each axis of a box into equal
bins.  The agent then climbs f of the occupancy of cells.  Its shadow reward, grad f at (cell of s, cell of a), is the exact gradient of
that coarser objective; what is lost is what f says about differences within a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Box, Discrete, Space
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.learning_settings import CellSettings

IntArray = NDArray[np.int64]


class Cells:
    """What an agent's occupancy is counted over.

    Args:
        observations, actions: the agent's own spaces.
        settings: bins of each.
        agent: in errors.

    Attributes:
        states, actions: number of cells.
        exact: every state and every action has a cell of its own, so that nothing is approximated.

    Raises:
        EnvironmentMismatchError: the bins do not fit a space.
    """

    def __init__(self, observations: Space, actions: Space, settings: CellSettings, agent: int) -> None:
        self._states = SpaceCells(observations, settings.state, f"agent {agent}, learning.cells.state")
        self._actions = SpaceCells(actions, settings.action, f"agent {agent}, learning.cells.action")
        self.states, self.actions = self._states.count, self._actions.count
        self.exact = self._states.exact and self._actions.exact

    def of_states(self, values: NDArray[Any]) -> IntArray:
        """(T, B) cells of observations."""
        return self._states.index(values)

    def of_actions(self, values: NDArray[Any]) -> IntArray:
        """(T, B) cells of actions."""
        return self._actions.index(values)


class SpaceCells:
    """Numbers the cells of one space.

    Args:
        space: an index or a box.
        bins: of an index the number of groups; of a box the bins of each axis.  None leaves indices as they are and makes a box one cell.
        where: the setting, in errors.

    Raises:
        EnvironmentMismatchError: the bins do not fit the space, or a box without bounds is cut.
    """

    def __init__(self, space: Space, bins: Sequence[int] | None, where: str) -> None:
        self.space = space
        if isinstance(space, Discrete):
            if bins is not None and (len(bins) != 1 or bins[0] > space.size):
                raise EnvironmentMismatchError(
                    f"{list(bins)} groups of {space.size} values", where=where, fix=f"give one number up to {space.size}"
                )
            self.bins: tuple[int, ...] = (space.size,) if bins is None else tuple(bins)
        else:
            self._check_box(space, bins, where)
            self.bins = (1,) * prod(space.shape) if bins is None else tuple(bins)
        self.count = prod(self.bins)
        self.exact = isinstance(space, Discrete) and self.count == space.size

    @staticmethod
    def _check_box(space: Box, bins: Sequence[int] | None, where: str) -> None:
        axes = prod(space.shape)
        if bins is not None and len(bins) != axes:
            raise EnvironmentMismatchError(
                f"{list(bins)} bins for a box of {axes} numbers",
                where=where,
                fix=f"give {axes} numbers, 1 for an axis that does not matter",
            )
        low, high = space.bounds()
        uncut = np.flatnonzero((np.asarray(bins if bins is not None else 1) > 1) & ~(np.isfinite(low) & np.isfinite(high) & (low < high)))
        if uncut.size:
            raise EnvironmentMismatchError(
                f"number {int(uncut[0])} of a box without bounds cannot be cut into bins",
                where=where,
                fix="give the space bounds, or 1 bin",
            )

    def index(self, values: NDArray[Any]) -> IntArray:
        """The cell of each value: (T, B) indices, or (T, B, *shape) of a box, to (T, B) int64; beyond the bounds the outermost bin."""
        if isinstance(self.space, Discrete):
            return values.astype(np.int64) * self.bins[0] // self.space.size
        cell = np.zeros(values.shape[:2], dtype=np.int64)
        if self.count == 1:
            return cell
        lows, highs = self.space.bounds()
        numbers = values.reshape(*values.shape[:2], -1)
        for axis, bins in enumerate(self.bins):
            if bins == 1:
                continue
            share = (numbers[:, :, axis] - lows[axis]) / (highs[axis] - lows[axis])
            cell = cell * bins + np.clip((share * bins).astype(np.int64), 0, bins - 1)
        return cell
