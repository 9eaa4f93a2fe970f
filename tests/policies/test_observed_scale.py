"""Numbers without bounds: read at unit scale by running statistics that equal those of all data at once."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.environments.feature_encoders import WindowEncoder
from netagents.environments.spaces import Box
from netagents.policies.observed_scale import LARGEST_FEATURE, ObservedScale
from netagents.policies.window_reader import WindowReader


def test_statistics_are_those_of_all_that_was_read() -> None:
    rng = np.random.default_rng(3)
    batches = [rng.normal([5e3, -2.0], [300.0, 1e-4], size=(size, 2)) for size in (7, 1, 40, 12)]
    scale = ObservedScale([(0, -1), (1, -1)])
    for batch in batches:
        scale.normalise(batch.copy())
    scale.settle()
    whole = np.concatenate(batches)
    expected = [[len(whole)] * 2, whole.mean(axis=0), ((whole - whole.mean(axis=0)) ** 2).sum(axis=0)]
    np.testing.assert_allclose(scale.array(), expected, rtol=1e-10)
    features = whole.copy()
    scale.normalise(features)
    np.testing.assert_allclose(features, (whole - whole.mean(axis=0)) / whole.std(axis=0), rtol=1e-6)


def test_statistics_stand_still_until_the_iteration_ends() -> None:
    scale = ObservedScale([(0, -1)])
    first, later = np.array([[1.0], [3.0]]), np.array([[100.0], [104.0]])
    scale.normalise(first)
    assert first.tolist() == [[-1.0], [1.0]]
    before = scale.array()
    scale.normalise(later)
    assert later.tolist() == [[LARGEST_FEATURE], [LARGEST_FEATURE]]  # beyond what is known, and clipped
    assert np.array_equal(scale.array(), before)
    scale.settle()
    assert scale.array()[0].tolist() == [4.0]


def test_who_is_missing_is_not_counted_and_stays_zero() -> None:
    scale = ObservedScale([(0, -1), (1, 2)])
    features = np.array([[4.0, 50.0, 1.0], [6.0, 0.0, 0.0], [8.0, 70.0, 1.0]])
    scale.normalise(features)
    scale.settle()
    assert scale.array()[0].tolist() == [3.0, 2.0]
    assert scale.array()[1].tolist() == [6.0, 60.0]
    assert features[:, 1].tolist() == [-1.0, 0.0, 1.0]


def test_a_restored_scale_forgets_what_was_pending() -> None:
    scale, other = ObservedScale([(0, -1)]), ObservedScale([(0, -1)])
    scale.normalise(np.array([[1.0], [2.0]]))
    array = scale.array()
    scale.normalise(np.array([[50.0]]))
    scale.restore(array)
    scale.settle()
    other.restore(array)
    assert np.array_equal(scale.array(), other.array())
    with pytest.raises(ValueError, match="statistics of shape"):
        scale.restore(np.zeros((3, 2)))


@pytest.mark.parametrize("value", [1e300, -1e300, 3.4e38, 0.0, 1e-300])
def test_values_of_any_size_give_finite_features(value: float) -> None:
    scale = ObservedScale([(0, -1)])
    for batch in (np.array([[value], [value / 2]]), np.array([[1.0], [-value]])):
        scale.normalise(batch)
        assert np.isfinite(batch).all()
        assert (np.abs(batch) <= LARGEST_FEATURE).all()
        scale.settle()


def test_a_reader_scales_only_numbers_without_bounds() -> None:
    space = Box.of(np.array([0.0, -np.inf]), np.array([10.0, np.inf]))
    reader = WindowReader(WindowEncoder(), [space], 0, False)
    values = np.array([[0.0, 900.0], [10.0, 1100.0]])
    assert reader.read([values]).tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert set(reader.statistics()) == {"observed"}
    assert WindowReader(WindowEncoder(), [Box((2,), 0.0, 1.0)], 0, False).statistics() == {}
