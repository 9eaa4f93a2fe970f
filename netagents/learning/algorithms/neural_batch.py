"""The batch of one iteration as networks read it, and what critics say along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.neural_critic import Transitions
from netagents.learning.protocol.replaced_actions import NOBODY, Deviations
from netagents.learning.protocol.rollout import Rollout
from netagents.messages import Trace

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class NeuralBatch:
    """One iteration's batch, as networks read it.

    Attributes:
        rollout: the agent's own steps.
        weights: (T, B) gamma^t, zero after the end.
        members: traces of everyone in the critic's window, in its order.
        observed: ((T + 1) * B, F) what state values read.
        transitions: what Q-functions read.
        generator: of minibatches, in the order in which networks learn.
        where: iteration, in errors.
        deviations: of SBPR, where these are all copies and what is learned are values without deviations.
    """

    rollout: Rollout
    weights: FloatArray
    members: Sequence[Trace]
    observed: torch.Tensor
    transitions: Transitions
    generator: np.random.Generator
    where: str
    deviations: Deviations | None = None

    @property
    def cut(self) -> NDArray[np.bool_] | None:
        """(T, B) steps after which somebody deviates, so that what follows is no value of the policies."""
        return None if self.deviations is None else ~self.deviations.clean_continuation()

    @property
    def valued(self) -> NDArray[np.bool_]:
        """(T, B) steps that say what a state is worth under the policies."""
        alive = self.transitions.alive
        return alive if self.deviations is None else alive & (self.deviations.deviators[:-1] == NOBODY)

    def episodes_of(self, agent: int) -> NeuralBatch:
        """An agent's own episodes, as they were with their deviations."""
        assert self.deviations is not None, "only with SBPR"
        alive = self.transitions.alive & self.deviations.episodes_of(agent)
        return replace(self, transitions=self.transitions._replace(alive=alive), deviations=None)


class Evaluated(NamedTuple):
    """What the critics say along the batch.

    Attributes:
        shared: (T, B) values or advantages of what neighbours learn from as well.
        kept: the same of the terms that the agent keeps to itself, weighted; None where there are none.
        td_change: of the last minibatch of temporal differences.
    """

    shared: FloatArray
    kept: FloatArray | None
    td_change: float


def along(values: FloatArray, batch: Transitions) -> FloatArray:
    """((T + 1) * B,) as (T + 1, B)."""
    return values.reshape(-1, batch.copies)
