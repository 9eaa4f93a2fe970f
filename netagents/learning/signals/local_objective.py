"""What one agent wants beyond its task: its utility, the constraints that bind it, and their multipliers.

The shadow reward of the Lagrangian f_i + sum_k mu_k (g_k - c_k) is grad f_i + sum_k mu_k grad g_k (SPDAC, arXiv 2305.17568).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.experiment import Experiment
from netagents.utilities import Utility, build_constraints, build_utility
from netagents.utilities.weighted_sum import WeightedSum

FloatArray = NDArray[np.float64]
NAN = float("nan")


class ShadowSignal(NamedTuple):
    """The shadow reward of one iteration and what is reported about it.

    Attributes:
        table: (|S|, |A|) the shadow reward, constraints included.
        utility: f at the occupancy, without constraints.
        largest: largest absolute shadow reward.
        lipschitz, floor_sensitivity: see :class:`netagents.utilities.UtilityDiagnostics`; NaN for a pure task.
        multiplier: sum of the multipliers; NaN without constraints.
        violation: largest c - g(lambda) over the constraints; NaN without.
    """

    table: FloatArray
    utility: float
    largest: float
    lipschitz: float
    floor_sensitivity: float
    multiplier: float
    violation: float


class LocalObjective:
    """f_i, its constraints and their multipliers.

    Args:
        experiment: the settings.
        agent: i.
        state_size, action_size: |S_i|, |A_i|.
        discount: gamma.
    """

    def __init__(self, experiment: Experiment, agent: int, state_size: int, action_size: int, discount: float) -> None:
        settings = experiment.of_agent(agent)
        self.utility = build_utility(settings.utility, agent, state_size, action_size, discount)
        self.constraints = build_constraints(settings.constraints, agent, state_size, action_size, discount)
        self.multipliers: FloatArray = np.array([constraint.initial for constraint in self.constraints], dtype=np.float64)
        # Where the last iteration's occupancy was, and whether there has been one: the other end of the Lipschitz estimate.
        self._previous: FloatArray = np.zeros((state_size, action_size))
        self._met = False

    @property
    def is_zero(self) -> bool:
        """Whether the agent learns from its task alone."""
        return self.utility.is_zero and not self.constraints

    @property
    def is_bounded(self) -> bool:
        """Whether every value and shadow reward has a provable bound, so that none can be undefined anywhere."""
        parts = (self.utility, *(constraint.utility for constraint in self.constraints))
        return all(np.isfinite(part.bounds()).all() for part in parts)

    def shadow(self, occupancy: FloatArray) -> ShadowSignal:
        """Update the multipliers at this occupancy, then take the gradient of the Lagrangian there.

        Raises:
            UtilityError: a utility is undefined at the occupancy.
        """
        if self.is_zero:
            return ShadowSignal(self.utility.gradient(occupancy), 0.0, 0.0, NAN, NAN, NAN, NAN)
        violations = [constraint.violation(occupancy) for constraint in self.constraints]
        updated = zip(self.constraints, self.multipliers.tolist(), violations, strict=True)
        self.multipliers = np.array([constraint.next_multiplier(mu, violation) for constraint, mu, violation in updated])
        terms = [(float(mu), constraint.utility) for mu, constraint in zip(self.multipliers, self.constraints, strict=True)]
        whole: Utility = WeightedSum([(1.0, self.utility), *terms]) if terms else self.utility
        diagnosed = whole.diagnose(occupancy, self._previous if self._met else None)
        self._previous, self._met = occupancy, True
        return ShadowSignal(
            table=whole.gradient(occupancy),
            utility=self.utility.value(occupancy),
            largest=diagnosed.shadow_max,
            lipschitz=diagnosed.lipschitz,
            floor_sensitivity=diagnosed.floor_sensitivity,
            multiplier=float(self.multipliers.sum()) if terms else NAN,
            violation=max(violations, default=NAN),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the next iteration depends on; empty for a pure task."""
        if self.is_zero:
            return {}
        return {"multipliers": self.multipliers, "occupancy": self._previous, "met": np.array([self._met], dtype=np.int64)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        if self.is_zero:
            return
        self.multipliers = np.array(arrays["multipliers"], dtype=np.float64)
        self._previous = np.array(arrays["occupancy"], dtype=np.float64)
        self._met = bool(arrays["met"][0])
