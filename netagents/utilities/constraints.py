"""Constraints g_i(lambda_i) >= c and their multipliers (SPDAC, arXiv 2305.17568).

The Lagrangian of an agent is f_i(lambda_i) + mu_i (g_i(lambda_i) - c): its shadow reward is grad f_i + mu_i grad g_i, so a
constraint costs one more table in the learning signal and one number of state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from netagents.errors import UtilityError
from netagents.experiment.constraint_settings import ConstraintSettings, constraints_of
from netagents.utilities.utility import FloatArray, Utility
from netagents.utilities.utility_builder import build_agent_utility

TOLERANCE = 1e-9
"""Slack, relative to 1 + |threshold|, before a threshold above the provable maximum is called infeasible: rounding of the bound."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """g(lambda) >= threshold of one agent; the multiplier itself is the agent's and is handed in.

    Attributes:
        utility: g.
        threshold: c.
        update: ``memoryless`` or ``projected_ascent``.
        step_size: eta > 0.
        maximum: largest multiplier of projected ascent.
        initial: multiplier before the first update.
    """

    utility: Utility
    threshold: float
    update: Literal["memoryless", "projected_ascent"]
    step_size: float
    maximum: float
    initial: float = 0.0

    def violation(self, occupancy: FloatArray) -> float:
        """c - g(lambda): positive when the constraint is broken, negative by the slack when it holds."""
        return self.threshold - self.utility.value(occupancy)

    def shadow(self, occupancy: FloatArray, mu: float) -> FloatArray:
        """mu * grad g(lambda), (|S|, |A|): what the constraint adds to the shadow reward."""
        return mu * self.utility.gradient(occupancy)

    def next_multiplier(self, mu: float, violation: float) -> float:
        """The multiplier after one update: max(0, eta (c - g)) forgets mu, projected ascent moves it and clips to [0, maximum]."""
        if self.update == "memoryless":
            return max(0.0, self.step_size * violation)
        return min(max(0.0, mu + self.step_size * violation), self.maximum)


def build_constraints(
    settings: Mapping[str, ConstraintSettings] | tuple[ConstraintSettings, ...],
    agent: int,
    state_size: int,
    action_size: int,
    discount: float,
) -> tuple[Constraint, ...]:
    """The constraints that bind one agent, in the order of the file.

    Args:
        settings: the agent's constraints by their names in messages, or everybody's.
        agent, state_size, action_size, discount: as for :func:`netagents.utilities.build_utility`.

    Raises:
        UtilityError: a utility does not fit the agent, or no occupancy at all can meet a threshold.
    """
    built = []
    named = settings if isinstance(settings, Mapping) else {f"constraints[{number}]": one for number, one in enumerate(settings)}
    for where, one in named.items():
        if not constraints_of((one,), agent):
            continue
        name = f"agent {agent}, {where}"
        utility = build_agent_utility(one.utility, state_size, action_size, discount, f"{name}.utility")
        highest = utility.bounds().upper
        if one.threshold > highest + TOLERANCE * (1.0 + abs(one.threshold)):
            raise UtilityError(
                f"no policy can meet {one.utility.kind} >= {one.threshold:g}: its largest possible value is {highest:.6g}",
                where=name,
                fix=f"set the threshold to at most {highest:.6g}",
            )
        built.append(Constraint(utility, one.threshold, one.update, one.step_size, one.maximum, one.initial))
    return tuple(built)
