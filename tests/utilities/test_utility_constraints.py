"""Constraints: violation, shadow reward, both multiplier updates, and thresholds that no policy can meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from netagents.errors import UtilityError
from netagents.experiment.constraint_settings import ConstraintSettings
from netagents.utilities import Constraint, Utility, build_constraints, gradient_error

ADAPTER: TypeAdapter[tuple[ConstraintSettings, ...]] = TypeAdapter(tuple[ConstraintSettings, ...])
OCCUPANCY = np.array([[3.0, 1.0], [2.0, 0.5]])


def constrain(*written: dict[str, Any], agent: int = 0, states: int = 2) -> tuple[Constraint, ...]:
    return build_constraints(ADAPTER.validate_python(written), agent, states, 2, 0.9)


def test_the_violation_is_threshold_minus_value() -> None:
    (constraint,) = constrain({"utility": {"kind": "linear", "rewards": [[1, 0], [0, 2]]}, "threshold": 5.0})
    assert constraint.violation(OCCUPANCY) == 1.0
    np.testing.assert_array_equal(constraint.shadow(OCCUPANCY, 3.0), [[3.0, 0.0], [0.0, 6.0]])


@given(violation=st.floats(-10.0, 10.0), mu=st.floats(0.0, 4.0))
def test_multipliers_follow_their_formulas(violation: float, mu: float) -> None:
    g = {"kind": "entropy"}
    memoryless, ascent = constrain(
        {"utility": g, "threshold": 0.1, "step_size": 2.0},
        {"utility": g, "threshold": 0.1, "step_size": 2.0, "update": "projected_ascent", "maximum": 4.0},
    )
    assert memoryless.next_multiplier(mu, violation) == max(0.0, 2.0 * violation)
    assert ascent.next_multiplier(mu, violation) == float(np.clip(mu + 2.0 * violation, 0.0, 4.0))


def test_the_memoryless_multiplier_forgets_and_projected_ascent_accumulates_to_its_maximum() -> None:
    g = {"kind": "entropy"}
    memoryless, ascent = constrain(
        {"utility": g, "threshold": 0.1, "step_size": 0.5},
        {"utility": g, "threshold": 0.1, "step_size": 0.5, "update": "projected_ascent", "maximum": 1.25, "initial": 0.25},
    )
    multipliers = [(memoryless.initial, ascent.initial)]
    for _ in range(3):
        multipliers.append((memoryless.next_multiplier(multipliers[-1][0], 1.0), ascent.next_multiplier(multipliers[-1][1], 1.0)))
    assert multipliers == [(0.0, 0.25), (0.5, 0.75), (0.5, 1.25), (0.5, 1.25)]
    assert memoryless.next_multiplier(0.5, -1.0) == 0.0
    assert ascent.next_multiplier(1.25, -1.0) == 0.75


def test_the_constrained_shadow_reward_is_the_gradient_of_the_lagrangian() -> None:
    (constraint,) = constrain({"utility": {"kind": "entropy"}, "threshold": 0.5})

    class Lagrangian(Utility):
        def value(self, occupancy: Any) -> float:
            return -2.5 * constraint.violation(occupancy)

        def gradient(self, occupancy: Any) -> Any:
            return constraint.shadow(occupancy, 2.5)

    assert gradient_error(Lagrangian(2, 2, 0.9), OCCUPANCY) < 1e-8


@pytest.mark.parametrize(
    ("utility", "states", "highest"),
    [
        ({"kind": "entropy"}, 4, np.log(4.0)),
        ({"kind": "entropy", "normalise": True}, 2, np.log(2.0)),
        # Mass below 1 lets two outcomes of 1/e each beat log 2: only above 2/e is it provable.
        ({"kind": "entropy"}, 2, 2.0 / np.e),
        ({"kind": "entropy", "over": "state_action"}, 2, np.log(4.0)),
        ({"kind": "entropy", "floor": 0.05, "normalise": True}, 2, -np.log(0.55)),
        ({"kind": "entropy", "weight": 3.0, "normalise": True}, 2, 3.0 * np.log(2.0)),
        ({"kind": "kl", "target": [0.5, 0.5]}, 2, 0.0),
        ({"kind": "squared_distance", "target": [0.5, 0.5]}, 2, 0.0),
        ({"kind": "linear", "rewards": [[1, 2], [0, 0]]}, 2, 20.0),
        ({"kind": "risk", "costs": [[1, 2], [3, 4]]}, 2, -1.0),
        ({"kind": "sum", "terms": [{"weight": 2.0, "utility": {"kind": "kl", "target": [0.5, 0.5]}}]}, 2, 0.0),
    ],
)
def test_a_threshold_above_the_provable_maximum_is_refused_and_one_below_is_not(
    utility: dict[str, Any], states: int, highest: float
) -> None:
    margin = 1e-5
    constrain({"utility": utility, "threshold": highest - margin}, states=states)
    with pytest.raises(UtilityError) as caught:
        constrain({"utility": utility, "threshold": highest + margin}, agent=3, states=states)
    line = str(caught.value)
    assert line.startswith(f"agent 3, constraints[0]: no policy can meet {utility['kind']} >= ")
    assert "set the threshold to at most" in line


def test_two_outcomes_of_less_than_full_mass_do_beat_log_two() -> None:
    (constraint,) = constrain({"utility": {"kind": "entropy"}, "threshold": 0.735})
    assert constraint.violation(np.full((2, 2), 5.0 / np.e)) < 0.0


def test_constraints_bind_whom_they_name_in_the_order_of_the_file() -> None:
    all_agents = {"utility": {"kind": "entropy"}, "threshold": 0.3}
    some = {"utility": {"kind": "linear", "rewards": [[1, 1], [1, 1]]}, "threshold": 2.0, "agents": [1, 2]}
    assert [len(constrain(some, all_agents, agent=agent)) for agent in range(4)] == [1, 2, 2, 1]
    assert [one.threshold for one in constrain(some, all_agents, agent=1)] == [2.0, 0.3]


def test_the_memoryless_multiplier_is_a_quadratic_penalty() -> None:
    (constraint,) = constrain({"utility": {"kind": "entropy"}, "threshold": 0.7, "step_size": 6.0})

    class Penalty(Utility):
        def value(self, occupancy: Any) -> float:
            return -3.0 * max(0.0, constraint.violation(occupancy)) ** 2

        def gradient(self, occupancy: Any) -> Any:
            return constraint.shadow(occupancy, constraint.next_multiplier(0.0, constraint.violation(occupancy)))

    broken = np.array([[6.0, 3.0], [0.5, 0.5]])
    assert constraint.violation(broken) > 0.0
    assert gradient_error(Penalty(2, 2, 0.9), broken) < 1e-8
