"""The gradient that learning estimates: of which objective it is, and how far it is from those beside it (docs/algorithm.md)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from small_models import line_distances, line_msg, scopes_of

from netagents.exact import ExactValues, JointModel, exact_gradient, policy_gradient, softmax_policy

N, HORIZON, GAMMA, COUPLING = 5, 125, 0.99, 0.8
"""LineMsg with its own horizon and discount."""


def value_over_the_horizon(logits: Any) -> float:
    """Objective (1), E sum over t < H of gamma^t r per agent, from the rules of the chain; policies read their own bit."""
    states = np.array(list(itertools.product((0, 1), repeat=N)))
    shifted = np.exp(logits - logits.max(axis=2, keepdims=True))
    playing = (shifted / shifted.sum(axis=2, keepdims=True))[:, :, 1][np.arange(N), states]
    one = np.empty(states.shape)
    one[:, 0], one[:, -1] = states[:, 1], playing[:, -1]
    one[:, 1:-1] = playing[:, 1:-1] * np.where(states[:, 2:] == 1, 1.0, COUPLING)
    step = np.prod(np.where(states[None] == 1, one[:, None], 1.0 - one[:, None]), axis=2)
    weights = np.full(N, 0.1)
    weights[0] = 1.0
    now, total = np.zeros(len(states)), 0.0
    now[-1] = 1.0
    for t in range(HORIZON):
        now = now @ step
        total += GAMMA**t * float(now @ states @ weights)
    return total / N


def to_the_horizon(logits: Any) -> Any:
    """(N, 2, 2) gradient of objective (1), by central differences."""
    gradient = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        ends = []
        for sign in (1.0, -1.0):
            moved = logits.copy()
            moved[place] += sign * 1e-5
            ends.append(value_over_the_horizon(moved))
        gradient[place] = (ends[0] - ends[1]) / 2e-5
    return gradient


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_it_points_where_both_do_and_has_nearly_the_length_of_the_one_to_the_horizon(seed: int | None) -> None:
    model, scopes = JointModel(line_msg(N), GAMMA), scopes_of(line_distances(N), 0)
    logits = np.zeros((N, 2, 2)) if seed is None else np.random.default_rng(seed).uniform(-1.0, 1.0, (N, 2, 2))
    evaluation = ExactValues(model, softmax_policy(model.kernel, scopes, list(logits)))
    ever = np.stack(exact_gradient(evaluation))
    # (10): the first H steps, weighted by gamma^t, each with the value of all that follows it, beyond H as well.
    values = evaluation.action_values(model.rewards.sum(axis=0)[None])[0]
    taken = np.stack(policy_gradient(evaluation, [values] * N, evaluation.occupancy(HORIZON)))
    horizon = to_the_horizon(logits)
    cosine = [float((taken * other).sum() / np.sqrt((taken**2).sum() * (other**2).sum())) for other in (horizon, ever)]
    length = [float(np.sqrt((taken**2).sum() / (other**2).sum())) - 1.0 for other in (horizon, ever)]
    assert min(cosine) > 0.9999
    assert 0.002 < length[0] < 0.005
    assert -0.29 < length[1] < -0.28
