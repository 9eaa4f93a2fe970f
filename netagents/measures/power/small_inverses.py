"""Inverses of many small matrices, and their products with vectors, with the same bits on every machine.

Which matrix it is, is the last axis: elementwise arithmetic then runs along many matrices, and not along a row of a few numbers.  It is
IEEE 754's everywhere; the last bits of LAPACK's results differ between builds and machines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_LANES = 8
_BLOCK = 1 << 12


def inverses(matrices: FloatArray) -> FloatArray:
    """Inverses by Gauss-Jordan elimination with partial pivoting.

    Args:
        matrices: (n, n, k): rows, columns, and which matrix it is; regular.

    Returns:
        (n, n, k).
    """
    size = len(matrices)
    work = np.concatenate([matrices, np.broadcast_to(np.eye(size)[:, :, None], matrices.shape)], axis=1)
    for column in range(size):
        pivot = column + np.abs(work[column:, column]).argmax(axis=0)
        swapped = np.flatnonzero(pivot != column)
        if len(swapped):
            largest = work[pivot[swapped], :, swapped]
            work[pivot[swapped], :, swapped] = work[column][:, swapped].T
            work[column][:, swapped] = largest.T
        row = work[column] / work[column, column]
        for other in range(size):
            work[other] -= work[other, column] * row
        work[column] = row
    return work[:, size:]


def products(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Each matrix times its vectors.

    Args:
        matrices: (n, n, k).
        vectors: (n, ..., k).

    Returns:
        (n, ..., k).
    """
    between = (slice(None), *(None,) * (vectors.ndim - 2), slice(None))
    result = np.empty_like(vectors)
    for part in _blocks(vectors[..., :1].size, vectors.shape[-1]):
        columns = zip(np.moveaxis(matrices[..., part], 1, 0), vectors[..., part], strict=True)
        result[..., part] = ordered_sum([column[between] * vector for column, vector in columns])
    return result


def _blocks(numbers: int, count: int) -> list[slice]:
    """Parts of ``count`` matrices with ``numbers`` numbers each that a processor's cache holds."""
    most = max(1, _BLOCK // numbers)
    return [slice(first, first + most) for first in range(0, count, most)]


def ordered_sum(terms: list[FloatArray]) -> FloatArray:
    """The sum of equally shaped arrays, in the order in which numpy adds up to 128 numbers that lie side by side.

    Up to seven are added from left to right; of more, every eighth one first.
    """
    if len(terms) < _LANES:
        total = 0.0 + terms[0]
        for term in terms[1:]:
            total += term
        return total
    lanes = [term.copy() for term in terms[:_LANES]]
    whole = len(terms) - len(terms) % _LANES
    for position in range(_LANES, whole):
        lanes[position % _LANES] += terms[position]
    total = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    for term in terms[whole:]:
        total += term
    return total
