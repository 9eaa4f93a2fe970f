"""Exact ascent never loses value, stays within its bound and finds known optima."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import Entropy, line_distances, line_msg, random_networked, scopes_of

from netagents.exact import ExactValues, JointModel, exact_ascent, objective
from netagents.exact.joint_policy import JointPolicy


def test_line_msg_ascent_reaches_the_value_of_acting_always_within_the_bound():
    """Acting always keeps every bit at 1, the largest reward there is; the bounded logits come as close as the bound lets them."""
    model = JointModel(line_msg(4), 0.9)
    scopes = scopes_of(line_distances(4), 0)
    result = exact_ascent(model, scopes, bound=2.5, steps=60, restarts=2)
    best_of_bound = 1.0 / (1.0 + np.exp(-5.0))
    always = np.array([[1.0 - best_of_bound, best_of_bound]] * 2)
    value = objective(ExactValues(model, JointPolicy(scopes, (always,) * 4)))
    assert result.value == pytest.approx(value, rel=1e-9)
    assert len(result.values) == 2
    assert result.value == max(result.values)
    for logits in result.logits:
        assert np.abs(logits).max() <= 2.5


def test_history_increases_and_the_end_is_stationary():
    environment = random_networked("line", 3, rho=1.2, task_seed=5)
    model = JointModel(environment.kernel(), 0.9)
    result = exact_ascent(model, scopes_of(line_distances(3), 1), [Entropy(0.9, 2.0)] * 3, 0.5, steps=400, restarts=1, tolerance=1e-6)
    assert np.all(np.diff(result.history) > 0.0)
    assert result.history[-1] == result.value
    assert result.stationarity < 1e-4
    assert result.value == pytest.approx(objective(ExactValues(model, result.policy), [Entropy(0.9, 2.0)] * 3, 0.5), rel=1e-14)


def test_restarts_are_drawn_from_the_seed():
    model = JointModel(line_msg(3), 0.8)
    scopes = scopes_of(line_distances(3), 0)
    runs = [exact_ascent(model, scopes, steps=3, restarts=3, seed=seed).values for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    with pytest.raises(ValueError, match="restarts"):
        exact_ascent(model, scopes, restarts=0)
