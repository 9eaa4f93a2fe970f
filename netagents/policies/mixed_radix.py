"""Mixed-radix indices: one integer for the joint value of several finite variables."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MixedRadix:
    """Numbers the elements of a product of finite sets, the last factor varying fastest (C order).

    Args:
        sizes: number of elements of each factor; their product must fit into 63 bits.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        self.total = prod(self.sizes)
        if self.total > np.iinfo(np.int64).max:
            raise ValueError(f"a product of {len(self.sizes)} factors with {self.total} elements does not fit into 63 bits")
        self.strides = tuple(prod(self.sizes[position + 1 :]) for position in range(len(self.sizes)))
        dtype = np.min_scalar_type(self.total)  # a stride may be as large, before a factor of one element
        self._narrow = [dtype.type(stride) for stride in self.strides]

    def encode(self, columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """The index of each row.

        Args:
            columns: one integer array per factor, all of one shape; entries are within range.

        Returns:
            int64 array of that shape.
        """
        index: NDArray[np.int64] = np.multiply(columns[0], self.strides[0], dtype=np.int64)
        for column, stride in zip(columns[1:], self.strides[1:], strict=True):
            index += column if stride == 1 else np.multiply(column, stride, dtype=np.int64)
        return index

    def encode_narrow(self, columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The same in the smallest unsigned dtype that holds every index, where the columns are no wider: for the loop of steps."""
        index: NDArray[Any] = columns[0] * self._narrow[0]
        for column, stride in zip(columns[1:], self._narrow[1:], strict=True):
            index = index + (column if stride == 1 else column * stride)
        return index

    def digit(self, index: NDArray[np.int64], position: int) -> NDArray[np.int64]:
        """The value of one factor in each index."""
        digit: NDArray[np.int64] = (index // self.strides[position]) % self.sizes[position]
        return digit

    def replace(self, index: NDArray[np.int64], position: int, value: int) -> NDArray[np.int64]:
        """Each index with the factor at ``position`` set to ``value``."""
        return index + (value - self.digit(index, position)) * self.strides[position]
