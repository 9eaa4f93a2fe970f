"""Gymnasium's spaces as ours, value by value."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="needs the extra: pip install 'netagents[environments]'")

from gymnasium import spaces

from netagents.environments import Box, Discrete
from netagents.environments.adapters.gymnasium_spaces import MisfitError, adapt_action, adapt_observation
from netagents.errors import EnvironmentMismatchError


def test_each_number_of_a_box_keeps_its_own_bounds() -> None:
    largest = np.finfo(np.float32).max
    gym_space = spaces.Box(np.array([0, -largest, -np.inf], np.float32), np.array([1, largest, 4], np.float32))
    adapter = adapt_observation(gym_space, "x")
    assert adapter.space == Box.of(gym_space.low, gym_space.high)
    assert adapter.read(np.array([0.5, 2.0, -3.0], np.float32)).tolist() == [0.5, 2.0, -3.0]
    assert "numbers 1, 2 of its observation have no usable bounds" in adapter.notes[0]
    assert adapt_observation(spaces.Box(0, 255, (2, 2), np.uint8), "x").notes == ()


def test_composite_observations_stand_one_behind_the_other() -> None:
    gym_space = spaces.Dict(
        {
            "inner": spaces.Tuple([spaces.Discrete(3, start=-1), spaces.MultiBinary(2)]),
            "place": spaces.Box(-2.0, 2.0, (2,), np.float64),
            "rooms": spaces.MultiDiscrete([2, 3]),
        }
    )
    adapter = adapt_observation(gym_space, "x")
    value = {"inner": (1, np.array([0, 1])), "place": np.array([0.5, -1.5]), "rooms": np.array([1, 0])}
    assert adapter.read(value).tolist() == [0, 0, 1, 0, 1, 0.5, -1.5, 0, 1, 1, 0, 0]
    assert adapter.width == 12
    for seed in range(20):
        gym_space.seed(seed)
        flat = adapter.read(gym_space.sample())
        low, high = adapter.space.bounds()
        assert ((flat >= low) & (flat <= high)).all()


def test_a_mask_may_stand_beside_any_observation() -> None:
    mask = spaces.MultiBinary(2)
    plain = adapt_observation(spaces.Dict({"observation": spaces.Discrete(3), "action_mask": mask}), "x")
    assert (plain.space, plain.masked) == (Discrete(3), True)
    assert plain.read({"observation": 2, "action_mask": [1, 1]}).tolist() == [2.0]
    others = adapt_observation(spaces.Dict({"far": spaces.Discrete(2), "near": spaces.Discrete(2), "action_mask": mask}), "x")
    assert others.masked
    assert others.read({"far": 0, "near": 1, "action_mask": [1, 1]}).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("space", "value", "line"),
    [
        (spaces.Box(-1, 1, (2,)), np.zeros(3), r"has shape \(3,\), its space \(2,\)"),
        (spaces.Box(-1, 1, (2, 2)), np.zeros(4), r"has shape \(4,\), its space \(2, 2\)"),
        (spaces.Box(-1, 1, (2,)), "hello", "is 'hello' and no array of numbers"),
        (spaces.Box(-1, 1, (2,)), {"x": 1}, "no array of numbers"),
        (spaces.Box(-1, 1, (2,)), [[1], [2, 3]], "no array of numbers"),
        (spaces.Box(-1, 1, (2,)), None, "is None and no array of numbers"),
        (spaces.Discrete(3), 3, r"is 3, outside of its space 0\.\.2"),
        (spaces.Discrete(3, start=-1), -2, r"is -2, outside of its space -1\.\.1"),
        (spaces.Discrete(3), 1.5, "is 1.5, outside"),
        (spaces.Discrete(3), [0, 1], "no index"),
        (spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Discrete(2)}), {"a": 1}, "has no 'b', which its space has"),
        (spaces.Dict({"a": spaces.Discrete(2)}), np.zeros(2), "its space asks for a"),
        (spaces.MultiDiscrete([2, 3]), [1, 3], r"outside of its space 0\.\.2"),
    ],
)
def test_values_outside_of_their_space_are_told(space, value, line) -> None:
    with pytest.raises(MisfitError, match=line):
        adapt_observation(space, "x").read(value)


@pytest.mark.parametrize(
    ("space", "value", "expected"),
    [(spaces.Box(-1, 1, (2,)), [0, 1], [0.0, 1.0]), (spaces.Box(-1, 1, (1,)), 0.5, [0.5]), (spaces.Discrete(3), np.array([2]), [2.0])],
)
def test_values_that_are_meant_well_are_taken(space, value, expected) -> None:
    assert adapt_observation(space, "x").read(value).tolist() == expected


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8])
def test_every_integer_of_a_box_has_an_equal_share(dtype) -> None:
    gym_space = spaces.Box(np.array([0, 2], dtype), np.array([3, 4], dtype), dtype=dtype)
    adapter = adapt_action(gym_space, "x")
    assert adapter.space == Box((2,), -1.0, 1.0)
    points = np.linspace(-1.0, 1.0, 1200, endpoint=False)
    written = np.array([adapter.write(np.array([point, point])) for point in points])
    assert written.dtype == dtype
    assert [int((written[:, 0] == action).sum()) for action in range(4)] == [300] * 4
    assert [int((written[:, 1] == action).sum()) for action in (2, 3, 4)] == [400] * 3
    assert adapter.write(np.array([1.0, 1.0])).tolist() == [3, 4]
    assert adapter.write(np.array([-1.0, -1.0])).tolist() == [0, 2]
    assert "continuous actions are rounded" in adapter.notes[0]


def test_several_indices_are_one_joint_action() -> None:
    adapter = adapt_action(spaces.MultiDiscrete([2, 3], start=[1, 5]), "x")
    assert adapter.space == Discrete(6)
    assert [adapter.write(action).tolist() for action in range(6)] == [[i, j] for i in (1, 2) for j in (5, 6, 7)]
    assert [adapt_action(spaces.MultiBinary(2), "x").write(action).tolist() for action in range(4)] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert adapt_action(spaces.Discrete(3, start=-1), "x").write(0) == -1


@pytest.mark.parametrize(
    ("space", "line"),
    [
        (spaces.Box(-np.inf, np.inf, (1,)), "has no finite bounds"),
        (spaces.Box(0, np.inf, (1,)), "has no finite bounds"),
        (spaces.Box(-np.finfo(np.float32).max, np.finfo(np.float32).max, (1,)), "has no finite bounds"),
        (spaces.Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (1,), np.int64), "has no finite bounds"),
        (spaces.MultiDiscrete([100, 100]), "10000 joint actions; use at most 1024"),
        (spaces.Tuple([spaces.Discrete(2)]), "is not supported; Discrete, Box, MultiDiscrete and MultiBinary are"),
    ],
)
def test_actions_that_no_policy_can_play_are_refused(space, line) -> None:
    with pytest.raises(EnvironmentMismatchError, match=line):
        adapt_action(space, "x")
