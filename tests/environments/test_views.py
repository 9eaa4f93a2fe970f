"""What networks read of a window, against geometry worked out one robot at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments import Box, Discrete
from netagents.environments.views import PoseView, WindowView, view_from_json, view_to_json

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
    features = PoseView().features([np.array([me]), np.array([other])], [POSE, POSE], 0)[0]
    ahead, left = seen_from(me, other[:2])
    its_ahead, its_left = seen_from(other, me[:2])
    expected = [distance / 282, ahead / distance, left / distance, its_ahead / distance, its_left / distance]
    assert features[:5] == pytest.approx(expected, abs=1e-6)
    # The nearest wall: go there, and see whether it is a wall.
    gap, facing = features[5] * 200, me[2] + math.atan2(features[7], features[6])
    x, y = me[0] + gap * math.cos(facing), me[1] + gap * math.sin(facing)
    assert min(abs(x), abs(y), abs(x - 200), abs(y - 200)) < 1e-6
    assert gap == pytest.approx(min(me[0], me[1], 200 - me[0], 200 - me[1]), abs=1e-6)
    assert PoseView().size([POSE, POSE], 0, False) == len(features)


def test_a_missing_robot_reads_as_zeros_and_is_marked() -> None:
    poses = [np.random.default_rng(member).uniform(0, 6, (2, 3)) for member in range(3)]
    near = np.array([[True, True], [True, True], [False, True]])
    features = PoseView().features(poses, [POSE] * 3, 1, near)
    plain = PoseView().features(poses, [POSE] * 3, 1)
    assert features.shape == (2, PoseView().size([POSE] * 3, 1, True))
    assert (features[0, 6:12] == 0.0).all()
    assert features[:, 5].tolist() == [1.0, 1.0]
    assert features[:, 11].tolist() == [0.0, 1.0]
    assert np.array_equal(features[1, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15]], plain[1])


def test_a_window_of_mixed_spaces_stands_side_by_side() -> None:
    spaces = [Discrete(3), Box((2,), -4.0, 4.0), Discrete(1000), Box((1, 2), -np.inf, np.inf)]
    values = [np.array([2, 0], np.uint8), np.array([[4.0, 0.0], [-4.0, 2.0]]), np.array([0, 999]), np.array([[[7.0, 8.0]], [[9.0, 10.0]]])]
    assert WindowView().features(values, spaces, 1).tolist() == [
        [0, 0, 1, 1, 0, -1, 7, 8],
        [1, 0, 0, -1, 0.5, 1, 9, 10],
    ]
    near = np.array([[True, False], [True, True], [False, True], [True, True]])
    assert WindowView().features(values, spaces, 1, near).tolist() == [
        [0, 0, 1, 1, 1, 0, 0, 0, 7, 8, 1],
        [0, 0, 0, 0, -1, 0.5, 1, 1, 9, 10, 1],
    ]
    assert WindowView().size(spaces, 1, False) == 8
    assert WindowView().size(spaces, 1, True) == 11


@pytest.mark.parametrize("view", [WindowView(), PoseView(), PoseView(scale=50.0, side=20.0)])
def test_a_view_travels_as_json(view) -> None:
    assert view_from_json(view_to_json(view)) == view
