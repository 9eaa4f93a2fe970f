"""Faults of an agent's process, scheduled by the experiment: it dies, freezes for a while, or is slow."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence

from netagents.experiment.agent_fault_settings import AgentFault, CrashFault, FreezeFault, SlowFault
from netagents.learning import ExchangeRequest, Turns
from netagents.messages import NEIGHBOUR_KINDS, Kind, Pace

_log = logging.getLogger(__name__)

_BY_STEP = {"sample": Kind.STEP, "audit": Kind.BRANCH_STEP}
_PHASES = _BY_STEP | {kind.label: kind for kind in NEIGHBOUR_KINDS if kind.row.pace is Pace.ITERATION}


class ProcessFaults:
    """The faults of one agent's process.

    Args:
        faults: all scheduled faults of the agent.
        fresh: whether this is the agent's first process in a run from its beginning; only then it crashes or freezes.

    Attributes:
        scheduled: whether any fault may happen in this process.
    """

    def __init__(self, faults: Sequence[AgentFault], *, fresh: bool) -> None:
        self._sudden = [fault for fault in faults if isinstance(fault, (CrashFault, FreezeFault)) and fresh]
        self._slow = [fault for fault in faults if isinstance(fault, SlowFault)]
        self.scheduled = bool(self._sudden or self._slow)

    def wrap(self, turns: Turns) -> Turns:
        """The requests of an iteration with these faults: after a Step has arrived, or before the message of a phase is sent."""
        request = next(turns)
        while True:
            by_step = request.kind.row.pace is not Pace.ITERATION
            if not by_step:
                self._inject(request)
            answer = yield request
            if by_step:
                self._inject(request)
            if request.kind is Kind.STEP:
                for slow in self._slow:
                    if slow.covers(request.iteration):
                        time.sleep(slow.seconds)
            try:
                request = turns.send(answer)
            except StopIteration:
                return

    def _inject(self, request: ExchangeRequest) -> None:
        for fault in self._sudden:
            if (request.iteration, request.kind, request.step) != (
                fault.iteration,
                _PHASES[fault.phase],
                fault.step if fault.phase in _BY_STEP else 0,
            ):
                continue
            self._sudden.remove(fault)
            _log.warning("scheduled %s in iteration %d, %s", fault.kind, fault.iteration, fault.phase)
            if isinstance(fault, CrashFault):
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                time.sleep(fault.seconds)
            return
