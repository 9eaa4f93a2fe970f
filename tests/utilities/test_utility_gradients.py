"""Every shadow reward is the gradient of its utility, of the size and shape that its bounds and its curvature claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter

from netagents.experiment.utility_settings import UtilitySettings
from netagents.utilities import Utility, build_utility, gradient_error

S, A, GAMMA = 3, 2, 0.9
FULL = 1.0 / (1.0 - GAMMA)
TARGETS = {"state": (0.2, 0.5, 0.3), "action": (0.25, 0.75), "state_action": ((0.1, 0.1), (0.25, 0.25), (0.05, 0.25))}
COSTS = ((0.0, 1.0), (-2.0, 0.5), (3.0, 0.25))


def _every_kind() -> dict[str, dict[str, Any]]:
    kinds: dict[str, dict[str, Any]] = {
        "none": {"kind": "none"},
        "linear": {"kind": "linear", "rewards": COSTS},
        "custom": {"kind": f"import:{__name__}:QuarticUtility", "parameters": {"scale": 0.5}},
    }
    for normalise in (False, True):
        tail = " normalised" if normalise else ""
        for over, target in TARGETS.items():
            kinds[f"entropy {over}{tail}"] = {"kind": "entropy", "over": over, "weight": 1.5, "normalise": normalise}
            kinds[f"kl {over}{tail}"] = {"kind": "kl", "over": over, "target": target, "normalise": normalise}
            kinds[f"distance {over}{tail}"] = {
                "kind": "squared_distance", "over": over, "target": target, "weight": 2.0, "normalise": normalise
            }  # fmt: skip
            kinds[f"quadratic {over}{tail}"] = {"kind": "quadratic", "over": over, "coefficients": target, "normalise": normalise}
        kinds[f"quadratic spread{tail}"] = {"kind": "quadratic", "coefficients": (0.0, 2.0), "weight": -1.5, "normalise": normalise}
        for measure in ("mean_variance", "entropic"):
            kinds[f"{measure}{tail}"] = {"kind": "risk", "measure": measure, "costs": COSTS, "aversion": 0.7, "normalise": normalise}
        kinds[f"sum{tail}"] = {
            "kind": "sum",
            "terms": [
                {"weight": 2.0, "utility": kinds[f"entropy state{tail}"]},
                {"weight": -0.5, "utility": kinds[f"mean_variance{tail}"]},
                {
                    "weight": 0.1,
                    "utility": {"kind": "sum", "terms": [{"utility": kinds[f"kl action{tail}"]}, {"utility": kinds["linear"]}]},
                },
            ],
        }
    return kinds


class QuarticUtility(Utility):
    """A utility that somebody else wrote: only value and gradient."""

    def __init__(self, state_size: int, action_size: int, discount: float, scale: float) -> None:
        super().__init__(state_size, action_size, discount)
        self.scale = scale

    def value(self, occupancy: NDArray[np.float64]) -> float:
        return -self.scale * float((occupancy**4).sum())

    def gradient(self, occupancy: NDArray[np.float64]) -> NDArray[np.float64]:
        return -4.0 * self.scale * occupancy**3


KINDS = _every_kind()


def make(written: dict[str, Any], gamma: float = GAMMA, states: int = S, actions: int = A) -> Utility:
    adapter: TypeAdapter[Any] = TypeAdapter(UtilitySettings)
    return build_utility(adapter.validate_python(written), 0, states, actions, gamma)


@st.composite
def occupancies(draw: st.DrawFn, zeros: bool = False, mass: float | None = None) -> NDArray[np.float64]:
    low = 0.0 if zeros else 0.01
    raw = np.array(draw(st.lists(st.floats(low, 1.0), min_size=S * A, max_size=S * A))).reshape(S, A)
    raw[0, 0] += 0.01  # some mass
    total = draw(st.floats(1.0, FULL)) if mass is None else mass
    return raw / raw.sum() * total


@pytest.mark.parametrize("name", KINDS)
@given(occupancy=occupancies())
@settings(max_examples=25, deadline=None)
def test_the_shadow_reward_is_the_gradient_of_the_value(name: str, occupancy: NDArray[np.float64]) -> None:
    assert gradient_error(make(KINDS[name]), occupancy) < 1e-7


@pytest.mark.parametrize("name", [name for name in KINDS if name != "custom"])
@given(occupancy=occupancies(zeros=True))
@settings(max_examples=25, deadline=None)
def test_values_and_shadow_rewards_stay_within_the_provable_bounds(name: str, occupancy: NDArray[np.float64]) -> None:
    utility = make(KINDS[name])
    bounds = utility.bounds()
    slack = 1e-9
    assert bounds.lower - slack <= utility.value(occupancy) <= bounds.upper + slack
    # A normalised utility at mass m has shadow rewards up to FULL / m times those at full mass.
    largest = np.abs(utility.gradient(occupancy)).max()
    assert largest <= bounds.shadow * (FULL / occupancy.sum() if "normalised" in name else 1.0) + slack


@pytest.mark.parametrize("name", KINDS)
@given(one=occupancies(zeros=True, mass=7.0), other=occupancies(zeros=True, mass=7.0), share=st.floats(0.0, 1.0))
@settings(max_examples=25, deadline=None)
def test_curvature_is_what_it_claims(name: str, one: NDArray[np.float64], other: NDArray[np.float64], share: float) -> None:
    utility = make(KINDS[name])
    between = utility.value(share * one + (1.0 - share) * other)
    chord = share * utility.value(one) + (1.0 - share) * utility.value(other)
    slack = 1e-9 * (1.0 + abs(chord))
    if utility.curvature in ("concave", "affine"):
        assert between >= chord - slack
    if utility.curvature in ("convex", "affine"):
        assert between <= chord + slack


def test_claimed_curvatures_are_those_of_the_literature() -> None:
    claimed = {name: make(written).curvature for name, written in KINDS.items()}
    assert claimed["linear"] == claimed["none"] == "affine"
    assert {claimed[name] for name in claimed if name.split()[0] in ("entropy", "kl", "distance")} == {"concave"}
    assert {claimed[name] for name in claimed if name.split()[0] in ("mean_variance", "entropic")} == {"convex"}
    assert claimed["sum"] == "concave"  # concave terms, and a convex one with a negative weight
    assert claimed["custom"] == "neither"
    assert make({"kind": "entropy", "weight": -1.0}).curvature == "convex"
    mixed = [{"utility": KINDS["entropy state"]}, {"utility": KINDS["entropic"]}]
    assert make({"kind": "sum", "terms": mixed}).curvature == "neither"


@pytest.mark.parametrize("name", [name for name in KINDS if "normalised" in name and not name.startswith("sum")])
@given(occupancy=occupancies(), factor=st.floats(0.1, 1.0))
@settings(max_examples=15, deadline=None)
def test_a_normalised_utility_does_not_see_the_mass(name: str, occupancy: NDArray[np.float64], factor: float) -> None:
    utility = make(KINDS[name])
    assert utility.value(factor * occupancy) == pytest.approx(utility.value(occupancy), rel=1e-12, abs=1e-12)
    gradient = utility.gradient(occupancy)
    assert (gradient * occupancy).sum() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(utility.gradient(factor * occupancy), gradient / factor, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_tables_are_fresh_contiguous_and_float64(name: str) -> None:
    utility, occupancy = make(KINDS[name]), np.full((S, A), 0.5)
    before = occupancy.copy()
    first = utility.gradient(occupancy)
    assert first.shape == (S, A)
    assert first.dtype == np.float64
    assert first.flags.c_contiguous
    assert first.flags.writeable
    expected = first.copy()
    first += 1.0
    np.testing.assert_array_equal(utility.gradient(occupancy), expected)
    np.testing.assert_array_equal(occupancy, before)


def test_a_wrong_gradient_is_found() -> None:
    class Wrong(QuarticUtility):
        def gradient(self, occupancy: NDArray[np.float64]) -> NDArray[np.float64]:
            return 1.001 * super().gradient(occupancy)

    assert gradient_error(Wrong(S, A, GAMMA, 1.0), np.full((S, A), 0.5)) > 5e-4


class Barrier(Utility):
    """sum log lambda, steepest where next to nothing was visited, and a gradient that may be wrong there by a factor."""

    factor = 1.0

    def value(self, occupancy: NDArray[np.float64]) -> float:
        return float(np.log(occupancy).sum())

    def gradient(self, occupancy: NDArray[np.float64]) -> NDArray[np.float64]:
        gradient: NDArray[np.float64] = 1.0 / occupancy
        gradient[0, 0] *= self.factor
        return gradient


class Plain(Utility):
    """Entropy of all pairs without a floor."""

    def value(self, occupancy: NDArray[np.float64]) -> float:
        p = (1.0 - self.discount) * occupancy
        return float(-(p * np.log(p)).sum())

    def gradient(self, occupancy: NDArray[np.float64]) -> NDArray[np.float64]:
        return -(1.0 - self.discount) * (np.log((1.0 - self.discount) * occupancy) + 1.0)


@pytest.mark.parametrize("tiny", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 1e-100, 1e-300])
@pytest.mark.parametrize("name", ["entropy state_action", "entropy state", "kl state_action", "distance state_action", "entropic"])
def test_a_right_gradient_is_called_right_at_entries_next_to_nothing(name: str, tiny: float) -> None:
    occupancy = np.array([[tiny, 2.0], [3.0, tiny], [1.0, 0.0]])
    assert gradient_error(make(KINDS[name]), occupancy) < 1e-9
    assert gradient_error(Plain(S, A, GAMMA), np.where(occupancy > 0.0, occupancy, 1.0)) < 1e-9


@pytest.mark.parametrize("tiny", [1e-3, 1e-6, 1e-9, 1e-12])
def test_a_wrong_gradient_is_found_at_entries_next_to_nothing(tiny: float) -> None:
    occupancy = np.full((S, A), 1.0)
    occupancy[0, 0] = tiny

    class Wrong(Barrier):
        factor = 1.01

    assert gradient_error(Barrier(S, A, GAMMA), occupancy) < 1e-9
    assert gradient_error(Wrong(S, A, GAMMA), occupancy) == pytest.approx(0.01, rel=0.02)

    class Floorless(type(make(KINDS["entropy state_action"]))):  # type: ignore[misc]
        """The gradient that forgets the floor: off by one unit of 1 - gamma where p is far below it."""

        def _dh(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
            return -(np.log(p + self.floor) + 1.0)

    entropy = make(KINDS["entropy state_action"])
    wrong = Floorless.__new__(Floorless)
    wrong.__dict__.update(entropy.__dict__)
    if tiny < 1e-6:
        assert gradient_error(wrong, occupancy) > 0.03
