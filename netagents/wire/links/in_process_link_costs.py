"""Simulation of bad links for a run in one process: what its messages would cost, with the same draws.

Every message is simulated alone, on a clock of its link that stands still in between: transmitted, lost or not, acknowledged by a
transmission of its own, and retransmitted until an acknowledgement arrives.  Nothing is delayed and no result changes, only the ledger; a
message that would miss the deadline is the same error as between processes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.link_fault_settings import FaultSettings
from netagents.messages import Envelope, Kind, Message
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes
from netagents.wire.links.link_cost_counter import CostCounter
from netagents.wire.links.link_end import never_acknowledged
from netagents.wire.links.link_header import LINK_HEADER_BYTES
from netagents.wire.links.link_model import LinkModel, link_faults
from netagents.wire.links.reliable_delivery import RoundTrip, Subject


class InProcessLinkCosts:
    """All links of a run in one process.

    Args:
        faults: of the experiment; only models of links are used here.
        seed: of the run.
        deadline: seconds within which a message must be acknowledged; ``timeouts.exchange``.
    """

    def __init__(self, faults: Sequence[FaultSettings], seed: int, deadline: float) -> None:
        self._faults, self._seed, self._deadline = link_faults(faults), seed, deadline
        self._models: dict[tuple[int, int], LinkModel] = {}
        self._round_trips: dict[tuple[int, int], RoundTrip] = {}
        self._clocks: dict[frozenset[int], float] = {}
        self._codec = Codec()
        self._costs = CostCounter()

    def carry(self, sender: int, receivers: Sequence[int], kind: Kind, iteration: int, step: int, message: Message) -> None:
        """Count the transmissions that bring a message to every receiver.

        Raises:
            DeadlineError: it would not be acknowledged in time; names the link, and the partition that cuts it.
        """
        size = 0
        for receiver in receivers:
            there, back = self._model(sender, receiver), self._model(receiver, sender)
            if there.ideal and back.ideal:
                continue
            size = size or LINK_HEADER_BYTES + frame_bytes(
                self._codec.encode(Envelope(bytes(8), 0, sender, kind, iteration, step, message))
            )
            self._carry(there, back, size, Subject(kind, iteration, step))

    def costs(self) -> NDArray[np.int64]:
        """A row ``sender, receiver, counts...`` per directed link, see :data:`netagents.messages.LINK_COSTS`."""
        return self._costs.rows()

    def _carry(self, there: LinkModel, back: LinkModel, size: int, subject: Subject) -> None:
        sender, receiver = there.sender, there.receiver
        link, iteration = frozenset((sender, receiver)), subject.iteration
        round_trip = self._round_trips.setdefault((sender, receiver), RoundTrip())
        start = now = self._clocks.get(link, 0.0)
        tries, arrived, acknowledged, echo = 0, 0, math.inf, 0.0
        self._costs.add(sender, receiver, messages=1)
        while True:
            transmission = there.transmit(size, iteration, now)
            tries += 1
            lost, doubled = int(not transmission.arrivals), int(len(transmission.arrivals) > 1)
            self._costs.add(sender, receiver, size, transmissions=1, resent=int(tries > 1), lost=lost, doubled=doubled)
            for seconds in sorted(transmission.arrivals):
                arrived += 1
                answer = back.transmit(LINK_HEADER_BYTES, iteration, now + seconds)
                self._costs.add(receiver, sender, LINK_HEADER_BYTES, transmissions=1, acknowledgements=1, lost=int(not answer.arrivals))
                returned = now + seconds + min(answer.arrivals, default=math.inf)
                if returned < acknowledged:
                    acknowledged, echo = returned, now
            resend_at = now + transmission.departure + round_trip.after(tries)
            if acknowledged <= resend_at:
                break
            now = resend_at
            if now - start >= self._deadline:
                raise never_acknowledged(there, subject, tries, self._deadline, there.cut_by(subject.iteration, now))
        round_trip.add_sample(acknowledged - echo)
        self._clocks[link] = acknowledged
        self._costs.add(sender, receiver, size, duplicates=arrived - 1)

    def _model(self, sender: int, receiver: int) -> LinkModel:
        model = self._models.get((sender, receiver))
        if model is None:
            model = self._models[sender, receiver] = LinkModel(self._faults, sender, receiver, self._seed)
        return model
