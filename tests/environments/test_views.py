"""What networks read of a window, against geometry worked out one robot at a time."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments import Box, Discrete
from netagents.environments.feature_encoders import PoseEncoder, WindowEncoder, flat, unbounded_numbers, view_from_json, view_to_json, width
from netagents.environments.specification_json import _space_from_json, _space_to_json
from netagents.errors import EnvironmentMismatchError

POSE = Box((3,), 0.0, 200.0)


def seen_from(me: tuple[float, float, float], point: tuple[float, float]) -> tuple[float, float]:
    """A point in my frame: forward and to the left."""
    dx, dy = point[0] - me[0], point[1] - me[1]
    return dx * math.cos(me[2]) + dy * math.sin(me[2]), -dx * math.sin(me[2]) + dy * math.cos(me[2])


pose = st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(0, 6.28))


@given(me=pose, other=pose)
@settings(max_examples=60, deadline=None)
def test_bearings_are_those_of_the_other_robot_in_my_frame_and_of_me_in_its_frame(me, other) -> None:
    distance = math.dist(me[:2], other[:2])
    if distance < 1e-6:
        return
    features = PoseEncoder().features([np.array([me]), np.array([other])], [POSE, POSE], 0)[0]
    ahead, left = seen_from(me, other[:2])
    its_ahead, its_left = seen_from(other, me[:2])
    expected = [distance / 282, ahead / distance, left / distance, its_ahead / distance, its_left / distance]
    assert features[:5] == pytest.approx(expected, abs=1e-6)
    # The nearest wall: go there, and see whether it is a wall.
    gap, facing = features[5] * 200, me[2] + math.atan2(features[7], features[6])
    x, y = me[0] + gap * math.cos(facing), me[1] + gap * math.sin(facing)
    assert min(abs(x), abs(y), abs(x - 200), abs(y - 200)) < 1e-6
    assert gap == pytest.approx(min(me[0], me[1], 200 - me[0], 200 - me[1]), abs=1e-6)
    assert PoseEncoder().size([POSE, POSE], 0, False) == len(features)


def test_a_missing_robot_reads_as_zeros_and_is_marked() -> None:
    poses = [np.random.default_rng(member).uniform(0, 6, (2, 3)) for member in range(3)]
    near = np.array([[True, True], [True, True], [False, True]])
    features = PoseEncoder().features(poses, [POSE] * 3, 1, near)
    plain = PoseEncoder().features(poses, [POSE] * 3, 1)
    assert features.shape == (2, PoseEncoder().size([POSE] * 3, 1, True))
    assert (features[0, 6:12] == 0.0).all()
    assert features[:, 5].tolist() == [1.0, 1.0]
    assert features[:, 11].tolist() == [0.0, 1.0]
    assert np.array_equal(features[1, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15]], plain[1])


def test_a_window_of_mixed_spaces_stands_side_by_side() -> None:
    spaces = [Discrete(3), Box((2,), -4.0, 4.0), Discrete(1000), Box((1, 2), -np.inf, np.inf)]
    values = [np.array([2, 0], np.uint8), np.array([[4.0, 0.0], [-4.0, 2.0]]), np.array([0, 999]), np.array([[[7.0, 8.0]], [[9.0, 10.0]]])]
    first, last = np.eye(1000)[[0, 999]].tolist()
    assert WindowEncoder().features(values, spaces, 1).tolist() == [
        [0, 0, 1, 1, 0, *first, 7, 8],
        [1, 0, 0, -1, 0.5, *last, 9, 10],
    ]
    near = np.array([[True, False], [True, True], [False, True], [True, True]])
    assert WindowEncoder().features(values, spaces, 1, near).tolist() == [
        [0, 0, 1, 1, 1, 0, *[0] * 1000, 0, 7, 8, 1],
        [0, 0, 0, 0, -1, 0.5, *last, 1, 9, 10, 1],
    ]
    assert WindowEncoder().size(spaces, 1, False) == 1007
    assert WindowEncoder().size(spaces, 1, True) == 1010
    # The unbounded numbers are the last member's, before its mark.
    assert WindowEncoder().unscaled(spaces, 1, False) == [(1005, -1), (1006, -1)]
    assert WindowEncoder().unscaled(spaces, 1, True) == [(1007, 1009), (1008, 1009)]


def test_large_indices_lose_nothing() -> None:
    space = Discrete(70_000)
    values = np.random.default_rng(0).choice(70_000, 500, replace=False)
    features = flat(values, space)
    assert features.shape == (500, width(space)) == (500, 192)
    digits = features.reshape(500, 3, 64)
    assert (digits.sum(axis=2) == 1.0).all()
    assert (digits.argmax(axis=2) @ [1, 64, 64**2]).tolist() == values.tolist()


def test_each_number_is_scaled_by_its_own_bounds() -> None:
    largest = float(np.finfo(np.float32).max)
    low, high = np.array([0.0, -10.0, -largest, -np.inf, 0.0, 3.0]), np.array([1.0, 990.0, largest, 5.0, 1e6, 3.0])
    space = Box.of(low, high)
    assert unbounded_numbers(space) == [2, 3, 4, 5]
    assert flat(np.array([[0.25, 740.0, 7.0, -8.0, 9.0, 3.0]]), space).tolist() == [[-0.5, 0.5, 7.0, -8.0, 9.0, 3.0]]
    assert spec_space(space) == space


def test_bounds_of_one_pair_are_kept_as_one_pair() -> None:
    assert Box.of(np.zeros((2, 3)), np.ones((2, 3))) == Box((2, 3), 0.0, 1.0)
    low, high = Box((2,), -1.0, 3.0).bounds()
    assert (low.tolist(), high.tolist()) == ([-1.0, -1.0], [3.0, 3.0])
    for wrong in ({"lows": (0.0,), "highs": (1.0,)}, {"lows": (0.0, 2.0), "highs": (1.0, 1.0)}):
        with pytest.raises(EnvironmentMismatchError):
            Box((2,), 0.0, 2.0, **wrong)


def spec_space(space: Box) -> object:
    """As it comes out of a record."""
    return _space_from_json(json.loads(json.dumps(_space_to_json(space))))


@pytest.mark.parametrize("view", [WindowEncoder(), PoseEncoder(), PoseEncoder(scale=50.0, side=20.0)])
def test_a_view_travels_as_json(view) -> None:
    assert view_from_json(view_to_json(view)) == view
