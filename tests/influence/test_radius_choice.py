"""Radii chosen under a budget of bytes: the best there are, against all of them tried one by one, and never dearer than allowed."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from netagents.errors import ExperimentError
from netagents.launchers.radius_worker import value_of_pairs
from netagents.measures.influence.radius_choice import CRITIC, FREE, GRADIENT, POLICY, Rings, choose_radii, make_rings, uniform_radii


def random_rings(seed: int, n: int = 2, largest: int = 2) -> Rings:
    generator = np.random.default_rng(seed)
    shape = (3, n, largest)
    value = generator.random(shape) * (generator.random(shape) > 0.3)
    return Rings(value, generator.integers(1, 100, shape).astype(np.float64))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("within", [False, True])
def test_no_other_radii_within_the_budget_are_worth_more(seed: int, within: bool) -> None:
    rings = random_rings(seed)
    budget = float(rings.cost.sum()) * (0.1 + 0.1 * seed)
    settings = choose_radii(rings, budget, gradient_within_critic=within)
    value, cost = rings.total(settings)
    assert cost <= budget
    tried = (np.array(each).reshape(3, 2) for each in product(range(3), repeat=6))
    allowed = [radii for radii in tried if rings.total(radii)[1] <= budget and not (within and (radii[GRADIENT] > radii[CRITIC]).any())]
    assert value == pytest.approx(max(rings.total(radii)[0] for radii in allowed), rel=1e-5)
    assert not within or (settings[GRADIENT] <= settings[CRITIC]).all()


def test_rings_without_worth_are_left_out_and_rings_on_the_way_to_worth_are_paid() -> None:
    value, cost = np.zeros((3, 2, 3)), np.ones((3, 2, 3))
    value[POLICY, 0, 1] = 1.0
    settings = choose_radii(Rings(value, cost), 1e9)
    expected = np.zeros((3, 2), dtype=np.int64)
    expected[POLICY, 0] = 2
    assert np.array_equal(settings, expected)
    assert not choose_radii(Rings(value, cost), 1.0).any(), "the second ring cannot be had without the first"


def test_given_radii_stay_and_are_paid_first() -> None:
    rings = Rings(np.ones((3, 2, 2)), np.ones((3, 2, 2)))
    fixed = np.full((3, 2), FREE)
    fixed[POLICY] = 2, 0
    settings = choose_radii(rings, 4.0, fixed=fixed)
    assert settings[POLICY].tolist() == [2, 0]
    assert rings.total(settings)[1] == 4.0
    assert uniform_radii(rings, 4.0, fixed=fixed)[POLICY].tolist() == [2, 0]
    for choose in (choose_radii, uniform_radii):
        with pytest.raises(ExperimentError, match="the radii that are set need 2 bytes of 1"):
            choose(rings, 1.0, fixed=fixed)


def test_uniform_radii_are_one_radius_and_what_the_rest_of_the_budget_pays_for() -> None:
    cost = np.ones((3, 4, 3))
    cost[POLICY] = 5.0
    rings = Rings(np.zeros((3, 4, 3)), cost)
    # One radius for all costs 4 x (5 + 1 + 1) = 28 bytes per hop.
    results = {budget: uniform_radii(rings, budget)[:, 0].tolist() for budget in (27.0, 28.0, 32.0, 36.0, 63.0, 84.0)}
    assert results == {27.0: [0, 3, 3], 28.0: [1, 1, 1], 32.0: [1, 2, 1], 36.0: [1, 3, 1], 63.0: [2, 3, 2], 84.0: [3, 3, 3]}
    assert (uniform_radii(rings, 36.0) == uniform_radii(rings, 36.0)[:, :1]).all()
    within = uniform_radii(rings, 27.0, gradient_within_critic=True)
    assert (within[GRADIENT] <= within[CRITIC]).all()


def test_policies_and_critics_follow_who_matters_to_an_agent_and_gradients_to_whom_it_matters() -> None:
    hops = np.abs(np.arange(3)[:, None] - np.arange(3))
    pairs = np.zeros((3, 3))
    pairs[0, 2] = 0.7  # agent 0 matters to agent 2
    sent = np.arange(27, dtype=np.float64).reshape(3, 3, 3)
    rings = make_rings(pairs, sent, hops, 2)
    assert rings.value[POLICY, 2].tolist() == rings.value[CRITIC, 2].tolist() == [0.0, 0.7]
    assert rings.value[GRADIENT, 0].tolist() == [0.0, 0.7]
    assert rings.value.sum() == pytest.approx(3 * 0.7)
    assert rings.cost[CRITIC, 1].tolist() == [sent[CRITIC, 0, 1] + sent[CRITIC, 2, 1], 0.0]


def test_what_is_not_significant_counts_as_the_mean_at_its_distance() -> None:
    hops = np.abs(np.arange(3)[:, None] - np.arange(3))
    values = np.array([[np.nan, 0.5, -0.3], [0.1, np.nan, -0.02], [-0.1, 0.03, np.nan]])
    significant = np.zeros((3, 3), dtype=bool)
    significant[0, 1] = True
    pairs = value_of_pairs(values, significant, hops)
    near = (0.1 - 0.02 + 0.03) / 3
    assert pairs == pytest.approx(np.array([[0.0, 0.5, 0.0], [near, 0.0, near], [0.0, near, 0.0]]))
