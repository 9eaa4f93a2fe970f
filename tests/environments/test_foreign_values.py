"""What reset and step may give: the present interface, numbers as rewards, truth values as flags and masks."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.environments.adapters.foreign_values import flag_of, mask_of, reset_result, reward_of, step_result
from netagents.environments.adapters.gymnasium_spaces import MisfitError


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"a": 1}, "gave a dict, not observations and infos"),
        (({"a": 1}, None), "gave infos that are None, not a dictionary by agent"),
        (({"a": 1}, {}, {}), "gave 3 values"),
        (None, "gave a NoneType"),
        (([1], {}), r"gave observations that are \[1\]"),
    ],
)
def test_other_resets_are_told(value, line) -> None:
    with pytest.raises(MisfitError, match=line):
        reset_result(value)
    with pytest.raises(MisfitError, match="gave"):
        step_result(value)


def test_the_old_step_is_told() -> None:
    with pytest.raises(MisfitError, match="gave 4 values, not observations, rewards, terminations, truncations and infos"):
        step_result(({}, {}, {}, {}))
    with pytest.raises(MisfitError, match="gave terminated that are False"):
        step_result(({}, {}, False, {}, {}))


@pytest.mark.parametrize("value", [1.5, np.float32(1.5), np.array([1.5]), np.array([[1.5]]), np.array(1.5)])
def test_rewards_are_numbers_with_or_without_axes(value) -> None:
    assert reward_of(value) == 1.5


@pytest.mark.parametrize("value", [None, "1", [1.0, 2.0], {}, np.zeros(2), 1j])
def test_other_rewards_are_told(value) -> None:
    with pytest.raises(MisfitError, match="and no number"):
        reward_of(value)


def test_flags_are_truth_values() -> None:
    assert [flag_of(value) for value in (True, 0, np.True_, np.array([False]), 1.0)] == [True, False, True, False, True]
    for wrong in (None, 2, "yes", [True, False], np.nan):
        with pytest.raises(MisfitError, match="no truth value"):
            flag_of(wrong)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.float64])
def test_masks_of_any_dtype_are_ones_and_zeros(dtype) -> None:
    assert mask_of(np.array([1, 0, 1], dtype), 3).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("mask", [[1, 0], [1, 0, 2], [1, 0, -np.inf], [1, 0, np.nan], ["a", "b", "c"], [[1], [0, 1]], None])
def test_other_masks_are_told(mask) -> None:
    with pytest.raises(MisfitError):
        mask_of(mask, 3)
