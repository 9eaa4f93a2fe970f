"""Bad utilities, targets and import paths get one clear line that names the agent and the place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from netagents.errors import ExperimentError, NetagentsError, UtilityError
from netagents.experiment.utility_settings import UtilitySettings
from netagents.utilities import Utility, build_utility

ADAPTER: TypeAdapter[Any] = TypeAdapter(UtilitySettings)


def make(written: dict[str, Any], states: int = 2, actions: int = 2) -> Utility:
    return build_utility(ADAPTER.validate_python(written), 7, states, actions, 0.9)


class Misshapen(Utility):
    def value(self, occupancy: NDArray[np.float64]) -> float:
        return float(occupancy.sum())

    def gradient(self, occupancy: NDArray[np.float64]) -> NDArray[np.float64]:
        return occupancy.sum(axis=1)


class Exploding(Utility):
    def value(self, occupancy: NDArray[np.float64]) -> float:
        return float(occupancy.sum()) * float("nan")

    def gradient(self, occupancy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ones_like(occupancy)


class Clumsy(Utility):
    def value(self, occupancy: NDArray[np.float64]) -> float:
        raise KeyError(f"weights of {occupancy.shape}")

    def gradient(self, occupancy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ones_like(occupancy)


class NoUtility:
    def __init__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ({"kind": "kl", "target": [0.5, 0.4]}, "agent 7, utility: the target sums to 0.9; probabilities sum to 1"),
        (
            {"kind": "squared_distance", "target": [0.5, 0.25, 0.25]},
            "agent 7, utility: a target over state of 3 numbers; give 2 probabilities, one per local state",
        ),
        (
            {"kind": "kl", "target": [[0.5, 0.5]], "over": "state_action"},
            "agent 7, utility: a target over state_action of 1 rows of 2 numbers; "
            "give 2 rows (local states) of 2 probabilities (local actions)",
        ),
        (
            {"kind": "kl", "target": [[1.5, -0.5], [0.0, 0.0]], "over": "state_action"},
            "agent 7, utility: the target is -0.5 at state 0, action 1; probabilities are at least 0 and sum to 1",
        ),
        (
            {"kind": "linear", "rewards": [[1.0], [2.0]]},
            "agent 7, utility: rewards has 2 rows of 1 numbers; give 2 rows (local states) of 2 numbers (local actions)",
        ),
        (
            {"kind": "risk", "costs": [[0, 100], [0, 0]], "measure": "entropic"},
            "agent 7, utility: aversion times the largest cost is 100; scale costs or aversion so that it is at most 50",
        ),
        (
            {"kind": "sum", "terms": [{"utility": {"kind": "none"}}, {"utility": {"kind": "kl", "target": [2.0]}}]},
            "agent 7, utility.terms[1]: a target over state of 1 numbers; give 2 probabilities, one per local state",
        ),
    ],
)
def test_what_does_not_fit_the_agent_is_refused_when_built(written: dict[str, Any], line: str) -> None:
    with pytest.raises(UtilityError) as caught:
        make(written)
    assert str(caught.value) == line


def test_a_divergence_to_a_zero_of_the_target_names_agent_and_state() -> None:
    utility = make({"kind": "kl", "target": [1.0, 0.0]})
    assert np.isfinite(utility.gradient(np.array([[5.0, 5.0], [0.0, 0.0]]))).all()
    for read in (utility.value, utility.gradient):
        with pytest.raises(UtilityError, match=r"^agent 7, utility: the target is 0 at state 1, which is visited with probability 0.25"):
            read(np.array([[3.0, 3.0], [2.0, 0.0]]))


@pytest.mark.parametrize("kind", ["none", "linear", "entropy", "kl"])
def test_what_is_no_occupancy_is_refused(kind: str) -> None:
    extra: dict[str, Any] = {"linear": {"rewards": [[1, 1], [1, 1]]}, "kl": {"target": [0.5, 0.5]}}.get(kind, {})
    utility = make({"kind": kind} | extra)
    for read in (utility.value, utility.gradient):
        with pytest.raises(UtilityError, match=r"agent 7, utility: an occupancy of shape \(3, 2\)"):
            read(np.ones((3, 2)))
        with pytest.raises(UtilityError, match="negative or not finite"):
            read(np.array([[1.0, 1.0], [-1.0, 1.0]]))
        with pytest.raises(UtilityError, match="negative or not finite"):
            read(np.array([[1.0, 1.0], [np.nan, 1.0]]))


def test_an_occupancy_without_mass_cannot_be_normalised() -> None:
    with pytest.raises(UtilityError, match="no mass to normalise"):
        make({"kind": "squared_distance", "target": [0.5, 0.5]}).gradient(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("name", "error", "part"),
    [
        ("nowhere.at_all:Utility", ExperimentError, "importing nowhere.at_all failed: ModuleNotFoundError"),
        (f"{__name__}:Absent", ExperimentError, "has no 'Absent'"),
        (f"{__name__}:ADAPTER", ExperimentError, "it is a TypeAdapter and cannot be called"),
        (f"{__name__}:NoUtility", ExperimentError, "it made a NoUtility, which is no utility"),
        (f"{__name__}:Misshapen", UtilityError, "its gradient is float64 of shape (2,)"),
        (f"{__name__}:Exploding", UtilityError, "its value at the uniform occupancy is nan"),
        (f"{__name__}:Clumsy", UtilityError, "it failed at the uniform occupancy: KeyError: 'weights of (2, 2)'"),
    ],
)
def test_a_custom_utility_is_probed_before_it_is_trusted(name: str, error: type[NetagentsError], part: str) -> None:
    with pytest.raises(error) as caught:
        make({"kind": f"import:{name}"})
    assert part in str(caught.value)
    assert str(caught.value).startswith("agent 7, utility.kind 'import:")
    assert "\n" not in str(caught.value)


def test_parameters_that_the_class_does_not_take_are_named() -> None:
    with pytest.raises(ExperimentError, match=r"calling it with \(state_size, action_size, discount, colour\) failed: TypeError"):
        make({"kind": f"import:{__name__}:Exploding", "parameters": {"colour": 1}})


@pytest.mark.parametrize(
    ("written", "part"),
    [
        (
            {"kind": "entropie"},
            "no utility is called 'entropie'; choose one of entropy, kl, linear, none, quadratic, risk, squared_distance, sum",
        ),
        ({"over": "state"}, "a utility needs a key 'kind': one of none, linear, entropy"),
        ({"kind": "entropy", "floor": 0.0}, "greater than 0"),
        ({"kind": "sum", "terms": []}, "at least 1 item"),
        (
            {
                "kind": "per_agent",
                "groups": [{"agents": [1, 2], "utility": {"kind": "none"}}, {"agents": [2], "utility": {"kind": "none"}}],
            },
            "agent 2 is in group 1 and in group 2",
        ),
        ({"kind": "per_agent", "default": {"kind": "per_agent"}}, "a utility needs a key 'kind': one of none, linear, entropy"),
    ],
)
def test_wrong_settings_are_refused_when_loaded(written: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(written)
    assert part in str(caught.value)
