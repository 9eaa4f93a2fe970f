"""Sums of products of labelled tables: the one operation behind every exact expectation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Labelled = tuple[Sequence[int], FloatArray]
"""A table and the label of each of its axes."""

LARGEST_LABEL = 51
"""numpy's einsum has 52 labels, 0 to 51."""


def contract(factors: Sequence[Labelled], labels_of_result: Sequence[int]) -> FloatArray:
    """The product of the factors, summed over every label that is not wanted, with axes in the order of ``labels_of_result``."""
    operands: list[Any] = []
    for labels, table in factors:
        operands += [table, list(labels)]
    product: FloatArray = np.einsum(*operands, list(labels_of_result))
    return product
