"""Utilities take the values that their formulas give by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.special import rel_entr

from netagents.errors import UtilityError
from netagents.experiment.utility_settings import UtilitySettings, group_of, utility_of
from netagents.utilities import Utility, build_utility, check_agents

ADAPTER: TypeAdapter[Any] = TypeAdapter(UtilitySettings)


def make(written: dict[str, Any], states: int, actions: int, gamma: float) -> Utility:
    return build_utility(ADAPTER.validate_python(written), 0, states, actions, gamma)


def test_the_linear_value_is_the_inner_product() -> None:
    rewards, occupancy = np.array([[1.0, -2.0], [0.5, 4.0]]), np.array([[3.0, 1.0], [2.0, 0.25]])
    utility = make({"kind": "linear", "rewards": rewards.tolist()}, 2, 2, 0.9)
    assert utility.value(occupancy) == 3.0 - 2.0 + 1.0 + 1.0
    np.testing.assert_array_equal(utility.gradient(occupancy), rewards)


def test_entropy_reads_the_occupancy_without_renormalising() -> None:
    occupancy = np.array([[2.0, 2.0], [1.0, 2.0]])  # mass 7 of 10: p = (0.4, 0.3)
    utility = make({"kind": "entropy", "over": "state"}, 2, 2, 0.9)
    expected = -(0.4 * np.log(0.4 + 1e-6) + 0.3 * np.log(0.3 + 1e-6))
    assert utility.value(occupancy) == pytest.approx(expected, rel=1e-14)
    normalised = make({"kind": "entropy", "over": "state", "normalise": True, "floor": 1e-12}, 2, 2, 0.9)
    assert normalised.value(occupancy) == pytest.approx(-(4 / 7 * np.log(4 / 7) + 3 / 7 * np.log(3 / 7)), rel=1e-10)


@pytest.mark.parametrize("floor", [1e-3, 1e-6, 1e-9])
def test_the_floor_bounds_the_shadow_reward_of_an_outcome_never_met(floor: float) -> None:
    utility = make({"kind": "entropy", "floor": floor}, 2, 1, 0.9)
    gradient = utility.gradient(np.array([[10.0], [0.0]]))
    assert gradient[1, 0] == pytest.approx(0.1 * -np.log(floor), rel=1e-14)
    assert utility.bounds().shadow == pytest.approx(gradient[1, 0], rel=1e-14)
    change = 0.1 * np.log(2.0)  # the unvisited entry moves by (1 - gamma) log 2, the other by almost nothing
    sensitivity = utility.diagnose(np.array([[10.0], [0.0]])).floor_sensitivity
    assert sensitivity == pytest.approx(change / np.sqrt((gradient**2).sum()), rel=1e-3)


def test_a_floor_that_is_never_felt_has_no_sensitivity() -> None:
    uniform = np.full((2, 2), 2.5)
    assert make({"kind": "entropy"}, 2, 2, 0.9).diagnose(uniform).floor_sensitivity < 1e-5
    assert make({"kind": "linear", "rewards": [[1, 2], [3, 4]]}, 2, 2, 0.9).diagnose(uniform).floor_sensitivity == 0.0


def test_the_divergence_is_that_of_scipy() -> None:
    p, q = np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[0.25, 0.25], [0.4, 0.1]])
    utility = make({"kind": "kl", "over": "state_action", "target": q.tolist(), "floor": 1e-12}, 2, 2, 0.9)
    assert utility.value(7.0 * p) == pytest.approx(-rel_entr(p, q).sum(), rel=1e-9)
    assert utility.value(7.0 * q) == pytest.approx(0.0, abs=1e-10)


def test_smoothing_mixes_the_uniform_distribution_into_the_target() -> None:
    smoothed = make({"kind": "kl", "target": [1.0, 0.0], "smoothing": 0.2, "floor": 1e-12}, 2, 1, 0.9)
    assert smoothed.value(np.array([[9.0], [1.0]])) == pytest.approx(0.0, abs=1e-10)


def test_imitation_is_solved_at_the_target_only() -> None:
    q = np.array([0.2, 0.8])
    utility = make({"kind": "squared_distance", "target": q.tolist()}, 2, 1, 0.9)
    at_target = q[:, None] * 6.0
    assert utility.value(at_target) == pytest.approx(0.0, abs=1e-30)
    np.testing.assert_allclose(utility.gradient(at_target), 0.0, atol=1e-15)
    assert utility.value(np.array([[3.0], [3.0]])) == pytest.approx(-(0.3**2 + 0.3**2))


def test_the_quadratic_utility_is_the_released_constraint_of_the_wireless_grid() -> None:
    """SPDAC's release: 0.5 (1 - gamma)^2 ||lambda||^2 over actions, the idle one left out."""
    occupancy = np.array([[0.5, 1.0, 0.2], [0.25, 0.75, 0.0]])  # actions: 0.75, 1.75, 0.2
    utility = make({"kind": "quadratic", "over": "action", "coefficients": [0, 1, 1]}, 2, 3, 0.7)
    assert utility.value(occupancy) == pytest.approx(0.5 * 0.3**2 * (1.75**2 + 0.2**2), rel=1e-14)
    # The release's shadow reward of an action is (1 - gamma)^2 times its occupancy.
    np.testing.assert_allclose(utility.gradient(occupancy), 0.3**2 * np.array([[0.0, 1.75, 0.2]] * 2), rtol=1e-14)
    assert utility.bounds().upper == 0.5
    with pytest.raises(UtilityError, match="negative"):
        make({"kind": "quadratic", "coefficients": [0, -1, 1]}, 2, 3, 0.7)
    with pytest.raises(UtilityError, match="give 3 numbers of at least 0, one per local action"):
        make({"kind": "quadratic", "coefficients": [1, 1]}, 2, 3, 0.7)


def test_risk_is_mean_plus_variance_or_the_entropic_mean() -> None:
    costs, p = np.array([[0.0, 1.0], [2.0, 5.0]]), np.array([[0.4, 0.3], [0.2, 0.1]])
    mean = (costs * p).sum()
    variance = ((costs - mean) ** 2 * p).sum()
    written = {"kind": "risk", "costs": costs.tolist(), "aversion": 0.5}
    assert make(written, 2, 2, 0.9).value(4.0 * p) == pytest.approx(-(mean + 0.5 * variance), rel=1e-13)
    entropic = make(written | {"measure": "entropic"}, 2, 2, 0.9)
    assert entropic.value(4.0 * p) == pytest.approx(-np.log((np.exp(0.5 * costs) * p).sum()) / 0.5, rel=1e-13)


@pytest.mark.parametrize("measure", ["mean_variance", "entropic"])
def test_missing_mass_counts_as_cost_zero(measure: str) -> None:
    written = {"kind": "risk", "measure": measure, "costs": [[1.0], [3.0], [0.0]], "normalise": False}
    utility = make(written, 3, 1, 0.9)
    short = utility.value(np.array([[2.0], [3.0], [0.0]]))
    padded = utility.value(np.array([[2.0], [3.0], [5.0]]))
    assert short == pytest.approx(padded, rel=1e-13)


def test_risk_aversion_prefers_the_sure_cost() -> None:
    written = {"kind": "risk", "costs": [[1.0], [0.0], [2.0]]}
    sure, gamble = np.array([[5.0], [0.0], [0.0]]), np.array([[0.0], [2.5], [2.5]])
    for measure in ("mean_variance", "entropic"):
        utility = make(written | {"measure": measure}, 3, 1, 0.9)
        assert utility.value(sure) > utility.value(gamble)


def test_a_weighted_sum_adds_values_and_shadow_rewards() -> None:
    linear, entropy = {"kind": "linear", "rewards": [[1.0], [2.0]]}, {"kind": "entropy"}
    occupancy = np.array([[3.0], [4.0]])
    whole = make({"kind": "sum", "terms": [{"weight": 2.0, "utility": linear}, {"weight": 0.5, "utility": entropy}]}, 2, 1, 0.9)
    first, second = make(linear, 2, 1, 0.9), make(entropy, 2, 1, 0.9)
    assert whole.value(occupancy) == pytest.approx(2.0 * first.value(occupancy) + 0.5 * second.value(occupancy), rel=1e-15)
    np.testing.assert_allclose(whole.gradient(occupancy), 2.0 * first.gradient(occupancy) + 0.5 * second.gradient(occupancy), rtol=1e-15)
    assert not whole.is_zero
    assert make({"kind": "sum", "terms": [{"weight": 0.0, "utility": entropy}, {"utility": {"kind": "none"}}]}, 2, 1, 0.9).is_zero


def test_the_lipschitz_estimate_is_exact_for_a_quadratic() -> None:
    # The gradient of -||p - q||^2 at fixed weights, unnormalised, is affine with factor 2 (1 - gamma)^2 over pairs.
    utility = make({"kind": "squared_distance", "over": "state_action", "target": [[0.5], [0.5]], "normalise": False}, 2, 1, 0.9)
    here, before = np.array([[4.0], [3.0]]), np.array([[1.0], [6.0]])
    assert utility.diagnose(here, before).lipschitz == pytest.approx(2.0 * 0.1**2, rel=1e-10)
    assert utility.diagnose(here).lipschitz == pytest.approx(2.0 * 0.1**2, rel=1e-10)
    assert utility.diagnose(here, here).lipschitz == 0.0


def test_the_lipschitz_estimate_grows_as_an_outcome_becomes_rare() -> None:
    utility = make({"kind": "entropy"}, 2, 1, 0.9)
    common = utility.diagnose(np.array([[5.0], [5.0]]), np.array([[6.0], [4.0]])).lipschitz
    rare = utility.diagnose(np.array([[10.0], [0.0]]), np.array([[9.9], [0.1]])).lipschitz
    assert rare > 50.0 * common > 0.0


def test_groups_give_agents_their_own_utilities() -> None:
    settings = ADAPTER.validate_python(
        {
            "kind": "per_agent",
            "default": {"kind": "linear", "rewards": [[1.0]]},
            "groups": [
                {"agents": [0, 2], "name": "explorers", "utility": {"kind": "entropy"}},
                {"agents": [4], "utility": {"kind": "none"}},
            ],
        }
    )
    assert [utility_of(settings, agent).kind for agent in range(6)] == ["entropy", "linear", "entropy", "linear", "none", "linear"]
    assert [group_of(settings, agent) for agent in (0, 1, 4)] == ["explorers", "default", "group 2"]
    assert group_of(ADAPTER.validate_python({"kind": "entropy"}), 3) == "all"
    check_agents(settings, 5)
    with pytest.raises(UtilityError, match=r"utility.groups\[1\].agents: there is no agent 4; agents are 0 to 3"):
        check_agents(settings, 4)


def test_settings_survive_a_round_trip_through_json() -> None:
    written = {"kind": "sum", "terms": [{"utility": {"kind": "kl", "target": [[0.5, 0.5]], "over": "state_action"}}]}
    settings = ADAPTER.validate_python(written)
    assert ADAPTER.validate_json(ADAPTER.dump_json(settings)) == settings
