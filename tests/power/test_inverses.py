"""Inverses and products of small matrices against numpy's own, and sums in numpy's order to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.measures.power.small_inverses import inverses, ordered_sum, products


def solved(matrices: np.ndarray) -> np.ndarray:
    """Inverses of (k, n, n)."""
    return inverses(matrices.transpose(1, 2, 0)).transpose(2, 0, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_they_are_the_inverses(size: int) -> None:
    generator = np.random.default_rng(size)
    matrices = generator.standard_normal((50, size, size)) + 2 * np.eye(size)
    np.testing.assert_allclose(solved(matrices), np.linalg.inv(matrices), rtol=1e-9, atol=1e-9)


def test_rows_are_swapped_where_the_diagonal_is_zero() -> None:
    swap = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [4.0, 1.0]]])
    np.testing.assert_allclose(solved(swap), np.linalg.inv(swap), atol=1e-15)


def test_of_no_matrices_there_are_no_inverses() -> None:
    assert inverses(np.empty((3, 3, 0))).shape == (3, 3, 0)


@pytest.mark.parametrize("size", [1, 3, 9])
def test_products_are_those_of_every_matrix_with_each_of_its_vectors(size: int) -> None:
    generator = np.random.default_rng(size)
    matrices, vectors = generator.standard_normal((size, size, 20)), generator.standard_normal((size, 4, 20))
    np.testing.assert_allclose(products(matrices, vectors), np.einsum("rck,cfk->rfk", matrices, vectors), rtol=1e-12)
    np.testing.assert_array_equal(products(matrices, vectors[:, 0]), products(matrices, vectors)[:, 0])


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 23, 40])
def test_sums_have_the_bits_of_numbers_that_lie_side_by_side(count: int) -> None:
    rows = np.random.default_rng(count).standard_normal((300, count))
    assert np.array_equal(ordered_sum(list(rows.T)), rows.sum(axis=1))
