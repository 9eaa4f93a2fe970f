"""Marginals of a local occupancy: what of (state, action) a utility looks at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netagents.experiment.utility_settings import Over
from netagents.utilities.utility import FloatArray


class Marginal(NamedTuple):
    """States, actions or (state, action) pairs of an agent with |S| states and |A| actions."""

    over: Over
    state_size: int
    action_size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(|S|,), (|A|,) or (|S|, |A|)."""
        if self.over == "state":
            return (self.state_size,)
        if self.over == "action":
            return (self.action_size,)
        return (self.state_size, self.action_size)

    @property
    def outcomes(self) -> int:
        """How many outcomes the marginal has."""
        return int(np.prod(self.shape))

    def of(self, table: FloatArray) -> FloatArray:
        """The marginal, :attr:`shape`, of a (|S|, |A|) table."""
        if self.over == "state_action":
            return table
        marginal: FloatArray = table.sum(axis=1 if self.over == "state" else 0)
        return marginal

    def spread(self, gradient: FloatArray) -> FloatArray:
        """The chain rule back: a (|S|, |A|) table in which every pair takes the entry of its outcome."""
        shape = (self.state_size, self.action_size)
        column = gradient[:, None] if self.over == "state" else gradient
        return np.array(np.broadcast_to(column, shape), dtype=np.float64, order="C")

    def label(self, index: int) -> str:
        """The outcome at a flat index, in words."""
        if self.over == "state_action":
            return f"state {index // self.action_size}, action {index % self.action_size}"
        return f"{self.over} {index}"
