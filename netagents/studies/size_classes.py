"""Classes of agents whose messages, tables and reports have equal sizes: a plan works out those of one agent of each class.

Sizes follow from an agent's settings, its role, its number of out-neighbours and the spaces of the agents around it, as
:class:`~netagents.messages.run_facts.RunFacts` states; so a hundred thousand agents of a line are a handful of classes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.learning import Setup
from netagents.learning.pair_traffic import traffic_of
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Envelope, Kind, Message, payload_bytes
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes


class SentMessages(NamedTuple):
    """What an agent sends each receiver per iteration: a kind, how often, and payload bytes, framed bytes and frames of one message."""

    kind: Kind
    times: int
    payload: int
    framed: int
    frames: int


class SizeClasses:
    """The classes of a setup.

    Args:
        setup: of the experiment.

    Attributes:
        of_agent: (n,), the class of each agent. agents: the lowest agent of each class.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._codec = Codec()
        self._sizes: dict[tuple[Any, ...], tuple[int, int]] = {}
        numbers: dict[Hashable, int] = {}
        moving, equal = setup.spec.capabilities.moving, setup.classes[0]
        classes = []
        # Kinds of one reach have the same out-neighbours.
        reaches = list({id(reach): reach for reach in setup.kind_reach.values()}.values())
        self.agents: list[int] = []
        for agent in range(setup.n):
            receivers = tuple([len(reach.out_neighbours(agent)) for reach in reaches])
            key = (equal[agent], header_class(agent), receivers, setup.contact_count(agent) if moving else None)
            number = numbers.setdefault(key, len(numbers))
            if number == len(self.agents):
                self.agents.append(agent)
            classes.append(number)
        self.of_agent: NDArray[np.int64] = np.array(classes, dtype=np.int64)

    def sizes(self, kind: Kind, sender: int, message: Message) -> tuple[int, int]:
        """Framed bytes and number of frames of a message."""
        key = (kind, header_class(sender), *[(array.dtype, array.shape) for array in message if isinstance(array, np.ndarray)])
        known = self._sizes.get(key)
        if known is None:
            frames = self._codec.encode(Envelope(bytes(8), 0, sender, kind, 0, 0, message))
            known = self._sizes[key] = frame_bytes(frames), len(frames)
        return known

    def _sent(self, kind: Kind, sender: int, agent: int) -> list[SentMessages]:
        each = traffic_of(kind, self._setup, agent)
        return [SentMessages(kind, times, payload_bytes(message), *self.sizes(kind, sender, message)) for message, times in each]

    @cached_property
    def exchanged(self) -> list[Kind]:
        """The kinds that agents send each other in this run, without those of its audits."""
        kinds = [kind for kind in NEIGHBOUR_KINDS if kind is not Kind.BRANCH_STATE]
        return [kind for kind in kinds if any(traffic_of(kind, self._setup, agent) for agent in self.agents)]

    @cached_property
    def to_neighbours(self) -> list[list[SentMessages]]:
        """Per class: what is sent to each out-neighbour of the kind in every iteration; policies of populations move less often."""
        kinds = [kind for kind in self.exchanged if kind is not Kind.POLICY_PARAMETERS]
        return [[sent for kind in kinds for sent in self._sent(kind, agent, agent)] for agent in self.agents]

    @cached_property
    def with_server(self) -> list[list[SentMessages]]:
        """Per class: what travels between an agent and the server, but for its reports."""
        return [[*self._sent(Kind.STEP, ENVIRONMENT, agent), *self._sent(Kind.ACTION, agent, agent)] for agent in self.agents]

    def per_agent(self, values: Sequence[float]) -> NDArray[np.int64]:
        """(n,) from a whole number per class."""
        return np.array(values, dtype=np.int64)[self.of_agent]


def header_class(sender: int) -> int:
    """Senders whose index takes equally many bytes in a header."""
    return 0 if -32 <= sender < 128 else 1 if sender < 1 << 8 else 2 if sender < 1 << 16 else 3
