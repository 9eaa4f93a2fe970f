"""The contract of a general utility f_i(lambda_i): its value, and its gradient, the shadow reward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import UtilityError

FloatArray = NDArray[np.float64]
Curvature = Literal["affine", "concave", "convex", "neither"]

SEGMENT_PIECES = 4
"""Pieces into which a segment is cut to estimate how fast the gradient changes along it."""


class UtilityBounds(NamedTuple):
    """What is provable before any occupancy is seen; infinite where nothing is.

    Attributes:
        lower, upper: of the value, over every occupancy of mass at most 1 / (1 - gamma).
        shadow: of the largest |shadow reward|, at full mass.  A normalised utility that meets an occupancy of mass m has
            shadow rewards up to 1 / ((1 - gamma) m) times as large.
    """

    lower: float
    upper: float
    shadow: float


class UtilityDiagnostics(NamedTuple):
    """What the theory needs bounded, at one occupancy (arXiv 2302.07938 assumes bounded and Lipschitz shadow rewards).

    Attributes:
        value: f(lambda).
        shadow_max: largest |shadow reward| of the table, entries of unvisited pairs included.
        shadow_bound: the provable bound on it, see :class:`UtilityBounds`.
        lipschitz: largest ||grad f(x) - grad f(y)|| / ||x - y|| over pieces of the segment, Euclidean norms: a lower bound of
            the true constant, and the constant that the run has met.
        floor_sensitivity: relative change of the gradient, in the Euclidean norm, when the floor is halved; 0 without a floor.
    """

    value: float
    shadow_max: float
    shadow_bound: float
    lipschitz: float
    floor_sensitivity: float


class Utility(ABC):
    """A differentiable function of the local occupancy lambda (|S|, |A|), of total mass up to 1 / (1 - gamma).

    A utility of your own implements :meth:`value` and :meth:`gradient`; everything else has a cautious default.

    Args:
        state_size, action_size: |S| and |A| of the agent.
        discount: gamma in (0, 1); utilities of probabilities read (1 - gamma) * lambda.
    """

    where: str = "utility"
    """How error messages name this utility; the builder sets it, with the agent's index."""

    def __init__(self, state_size: int, action_size: int, discount: float) -> None:
        self.state_size = state_size
        self.action_size = action_size
        self.discount = discount

    @abstractmethod
    def value(self, occupancy: FloatArray) -> float:
        """f(lambda).

        Raises:
            UtilityError: f is undefined there.
        """

    @abstractmethod
    def gradient(self, occupancy: FloatArray) -> FloatArray:
        """The shadow reward, d f / d lambda(s, a): a fresh C-contiguous (|S|, |A|) float64 table.

        Raises:
            UtilityError: f is undefined there.
        """

    @property
    def is_zero(self) -> bool:
        """Whether f is 0 everywhere, so that an agent learns from its task alone."""
        return False

    @property
    def curvature(self) -> Curvature:
        """The curvature of f over occupancies of one common mass; only concave utilities promise global optima."""
        return "neither"

    def bounds(self) -> UtilityBounds:
        """What is provable before any occupancy is seen."""
        return UtilityBounds(-np.inf, np.inf, np.inf)

    def with_halved_floor(self) -> Utility:
        """The same utility with half the floor; itself when it has none."""
        return self

    def diagnose(self, occupancy: FloatArray, previous: FloatArray | None = None) -> UtilityDiagnostics:
        """Size, smoothness and floor sensitivity of the shadow reward; costs about seven gradients.

        Args:
            occupancy: (|S|, |A|), where the utility is read now.
            previous: the occupancy of the iteration before: the other end of the segment on which the Lipschitz constant is
                estimated.  Without it the segment goes to the uniform occupancy of the same mass on the visited pairs.
        """
        gradient = self.gradient(occupancy)
        halved = self.with_halved_floor()
        sensitivity = 0.0
        if halved is not self:
            change, size = _norm(halved.gradient(occupancy) - gradient), _norm(gradient)
            sensitivity = change / size if size > 0.0 else (0.0 if change == 0.0 else np.inf)
        return UtilityDiagnostics(
            value=self.value(occupancy),
            shadow_max=float(np.abs(gradient).max()),
            shadow_bound=self.bounds().shadow,
            lipschitz=self._lipschitz(occupancy, gradient, previous),
            floor_sensitivity=sensitivity,
        )

    def _lipschitz(self, occupancy: FloatArray, gradient: FloatArray, previous: FloatArray | None) -> float:
        if previous is None:
            # Only visited pairs: a utility may be undefined where the occupancy has no mass yet.
            visited = occupancy > 0.0
            previous = np.where(visited, occupancy.sum() / max(int(visited.sum()), 1), 0.0)
        piece = (previous - occupancy) / SEGMENT_PIECES
        length = _norm(piece)
        # Shorter than what rounding leaves of it, a segment says nothing.
        if length <= 1e-12 * _norm(occupancy):
            return 0.0
        largest, before = 0.0, gradient
        for number in range(1, SEGMENT_PIECES + 1):
            point = previous if number == SEGMENT_PIECES else occupancy + number * piece
            after = self.gradient(point)
            largest = max(largest, _norm(after - before) / length)
            before = after
        return largest

    def check_occupancy(self, occupancy: FloatArray) -> None:
        """Refuse what is no occupancy.

        Raises:
            UtilityError: wrong shape, or an entry that is negative or not finite.
        """
        shape = (self.state_size, self.action_size)
        if occupancy.shape != shape:
            raise UtilityError(
                f"an occupancy of shape {occupancy.shape}", where=self.where, fix=f"the agent has (states, actions) = {shape}"
            )
        if not (np.isfinite(occupancy).all() and (occupancy >= 0.0).all()):
            raise UtilityError(
                "the occupancy has an entry that is negative or not finite", where=self.where, fix="an occupancy counts discounted visits"
            )


class ZeroUtility(Utility):
    """f = 0: a pure task; shadow rewards are zeros."""

    def value(self, occupancy: FloatArray) -> float:
        """Zero."""
        self.check_occupancy(occupancy)
        return 0.0

    def gradient(self, occupancy: FloatArray) -> FloatArray:
        """Zeros, (|S|, |A|)."""
        self.check_occupancy(occupancy)
        return np.zeros((self.state_size, self.action_size))

    @property
    def is_zero(self) -> bool:
        """True."""
        return True

    @property
    def curvature(self) -> Curvature:
        """Affine."""
        return "affine"

    def bounds(self) -> UtilityBounds:
        """All zero."""
        return UtilityBounds(0.0, 0.0, 0.0)


def _norm(table: FloatArray) -> float:
    return float(np.sqrt((table * table).sum()))
