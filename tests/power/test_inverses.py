"""Inverses of many small matrices against those of LAPACK."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.measures.power.pair_evidence import inverses


@pytest.mark.parametrize("size", [1, 2, 3, 6, 11])
def test_they_are_the_inverses(size: int) -> None:
    generator = np.random.default_rng(size)
    shares = generator.random((200, size, size))
    matrices = np.eye(size) - shares / shares.sum(axis=2, keepdims=True) + 1.0 / size
    np.testing.assert_allclose(inverses(matrices), np.linalg.inv(matrices), rtol=1e-9, atol=1e-9)


def test_a_zero_on_the_diagonal_asks_for_another_row() -> None:
    swap = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [4.0, 1.0]]])
    np.testing.assert_allclose(inverses(swap), np.linalg.inv(swap), atol=1e-15)


def test_no_matrix_has_no_inverse() -> None:
    assert inverses(np.empty((0, 3, 3))).shape == (0, 3, 3)
