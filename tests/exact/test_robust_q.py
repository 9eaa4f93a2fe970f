"""Robust values: matrix games of known value, the ordinary optimum, the fixed point by its dual, and defence under attack."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.environments import build_environment
from netagents.errors import UsageError
from netagents.exact.joint_model import JointModel
from netagents.exact.robust_q import maximin, robust_values, value_under_attack
from netagents.experiment import load_experiment
from netagents.topology import build_topology


def load_balancing(topology: str = "{kind: line, n: 2}", capacity: int = 2) -> JointModel:
    experiment = load_experiment(
        {"environment": {"kind": "load_balancing", "capacity": capacity}, "topology": {"kind": "line", "n": 2}}, [f"topology={topology}"]
    ).experiment
    environment = build_environment(experiment.environment, build_topology(experiment.topology))
    return JointModel(environment.kernel(), 0.9)  # type: ignore[attr-defined]


def test_matrix_games_have_their_known_values() -> None:
    value, mixture = maximin(np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]]))
    assert value == pytest.approx(0.0, abs=1e-9)
    assert mixture == pytest.approx([1 / 3] * 3)
    # [[a, b], [c, d]] without a saddle: value (a d - b c) / (a + d - b - c).
    value, mixture = maximin(np.array([[3.0, 0.0], [1.0, 2.0]]))
    assert value == pytest.approx(6.0 / 4.0)
    assert mixture == pytest.approx([0.5, 0.5])


def test_nobody_adversarial_is_the_ordinary_optimum_and_more_adversaries_are_worse() -> None:
    model = load_balancing()
    reward, values = model.rewards.mean(axis=0), np.zeros(model.S)
    for _ in range(400):
        values = (reward + 0.9 * model.expected_next(values[None])[0]).max(axis=1)
    plain, robust = robust_values(model, 0), robust_values(model, 1)
    assert plain.values == pytest.approx(values, abs=1e-6)
    assert (robust.values <= plain.values + 1e-9).all()
    assert robust.value < plain.value - 1.0
    with pytest.raises(UsageError, match="a coalition of 2 in a team of 2"):
        robust_values(model, 2)


def test_the_fixed_point_is_that_of_the_adversaries_programmes_as_well() -> None:
    """Strong duality: the coalition's best mixture holds the others to the same value in every state."""
    model = load_balancing()
    robust = robust_values(model, 1)
    q = robust.q.reshape(model.S, *model.action_sizes)
    for state in range(model.S):
        held = [-maximin(-q[state].T)[0], -maximin(-q[state])[0]]
        assert robust.values[state] == pytest.approx(min(held), abs=1e-6)


def test_defenders_with_robust_values_lose_less_under_attack() -> None:
    model = load_balancing()
    plain, robust = robust_values(model, 0), robust_values(model, 1)
    assert value_under_attack(model, plain.q, 0.0) == pytest.approx(plain.value, abs=1e-6)
    clean = [value_under_attack(model, each.q, 0.0) for each in (plain, robust)]
    assert clean[1] <= clean[0] + 1e-9
    attacked = [value_under_attack(model, each.q, 0.5) for each in (plain, robust)]
    assert attacked[1] > attacked[0]
