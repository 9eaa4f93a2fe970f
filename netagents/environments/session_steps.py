"""Steps of a session: what happened at one of them, and the message to an agent whose action was replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import BoolArray, JointState
from netagents.messages import REPLACED, Step


class Visited(NamedTuple):
    """One step of an iteration as it was: the state of B copies before it, what was executed, and which copies still went on.

    Attributes:
        state: joint state. actions: per agent (B,) indices or (B, *shape) values. going: (B,) bool, no agent's part had ended.
    """

    state: JointState
    actions: Sequence[NDArray[Any]]
    going: BoolArray


def with_executed(message: Step, actions: NDArray[Any], replaced: BoolArray) -> Step:
    """The message to an agent whose action was replaced in some copies."""
    copies = len(replaced)
    return message._replace(
        flags=message.flags | np.where(replaced, REPLACED, np.uint8(0)),
        hops=np.zeros((copies, 0), dtype=np.uint8) if message.hops is None else message.hops,
        mask=np.zeros((copies, 0), dtype=np.bool_) if message.mask is None else message.mask,
        executed=actions,
    )
