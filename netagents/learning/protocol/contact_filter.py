"""Who is near an agent at which step, in a graph that moves; and messages that reach only those who are.

The server tells an agent how many hops away each of its contacts is now.  From then on both ends of a link know who counts as a
neighbour: j hears i's message of a kind in the copies, and of a trace in the steps and copies, in which i is within j's radius of
that kind.  Elsewhere the sender sends zeros, so that nothing of its state leaves its process, and the receiver marks i as missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.proximity import Contacts
from netagents.learning.protocol.requests import Outgoing
from netagents.learning.protocol.setup import Setup
from netagents.messages import Kind, Message, radius_of

BoolArray = NDArray[np.bool_]
HopArray = NDArray[np.uint8]


class ContactFilter:
    """One agent's contacts and what their distance means.

    Hops are those that :class:`netagents.messages.Step` carries, ``(B, m)``, or of several steps, ``(T, B, m)``.

    Args:
        setup: what all agents share.
        agent: i.
    """

    def __init__(self, setup: Setup, agent: int) -> None:
        self.agent = agent
        self.contacts: Contacts = setup.contacts(agent)
        self._setup = setup
        self._column = {j: column for column, j in enumerate(self.contacts.agents)}

    def near(self, kind: Kind, other: int, hops: HopArray) -> BoolArray:
        """``(B,)`` or ``(T, B)``: whether ``other``'s word of this kind counts for the agent."""
        return self._within(other, hops, self._radius(kind, self.agent))

    def marks(self, kind: Kind, window: Sequence[int], hops: HopArray) -> BoolArray:
        """``(len(window), B)`` or ``(len(window), T, B)``: who of the window is there; the agent itself always is."""
        whole = np.ones((len(window), *hops.shape[:-1]), dtype=np.bool_)
        for place, other in enumerate(window):
            if other != self.agent:
                whole[place] = self.near(kind, other, hops)
        return whole

    def addressed(
        self, kind: Kind, iteration: int, step: int, message: Message, out_neighbours: Sequence[int], hops: HopArray
    ) -> list[Outgoing]:
        """The message for each out-neighbour: one for all that are in range throughout, and one for each of the others.

        Args:
            message: arrays whose first axes are those of ``hops`` without the last; others travel as they are.
        """
        whole: list[int] = []
        parts: list[Outgoing] = []
        for other in out_neighbours:
            there = self._within(other, hops, self._radius(kind, other))
            if there.all():
                whole.append(other)
            else:
                parts.append(Outgoing(kind, iteration, step, _only(message, there), (other,)))
        return [Outgoing(kind, iteration, step, message, tuple(whole)), *parts] if whole else parts

    def _within(self, other: int, hops: HopArray, radius: int) -> BoolArray:
        near: BoolArray = hops[..., self._column[other]] <= radius
        return near

    def _radius(self, kind: Kind, agent: int) -> int:
        governing = radius_of(kind)
        assert governing is not None, f"{kind.name} is no message between agents"
        # Beyond 254 hops a distance travels as FAR.
        return min(self._setup.reach[governing].radii[agent], 254)


def _only(message: Any, there: BoolArray) -> Message:
    """The message with zeros wherever the receiver is not near."""
    filtered: Message = type(message)(*(_blanked(array, there) for array in message))
    return filtered


def _blanked(array: NDArray[Any] | None, there: BoolArray) -> NDArray[Any] | None:
    if array is None or array.shape[: there.ndim] != there.shape:
        return array
    mask = there.reshape(there.shape + (1,) * (array.ndim - there.ndim))
    return np.where(mask, array, np.zeros((), dtype=array.dtype))
