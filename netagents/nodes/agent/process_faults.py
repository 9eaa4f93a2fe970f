"""Scheduled faults of an agent's process: it dies, stops answering for a while, or takes long."""

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

_PHASES = {"sample": Kind.STEP} | {kind.label: kind for kind in NEIGHBOUR_KINDS if kind.row.pace is Pace.ITERATION}


class ProcessFaults:
    """The faults of one agent's process.

    Args:
        faults: all scheduled faults of the agent.
        fresh: whether this is the agent's first process in a run from the beginning: only then does it crash or freeze.

    Attributes:
        strikes: whether there is anything to do at all.
    """

    def __init__(self, faults: Sequence[AgentFault], *, fresh: bool) -> None:
        self._sudden = [fault for fault in faults if isinstance(fault, (CrashFault, FreezeFault)) and fresh]
        self._slow = [fault for fault in faults if isinstance(fault, SlowFault)]
        self.strikes = bool(self._sudden or self._slow)

    def around(self, turns: Turns) -> Turns:
        """The turns of an iteration, disturbed: sudden faults strike when a Step has come, or before a phase's message has left."""
        turn = next(turns)
        while True:
            if turn.kind is not Kind.STEP:
                self._strike(turn)
            messages = yield turn
            if turn.kind is Kind.STEP:
                self._strike(turn)
                for slow in self._slow:
                    if slow.covers(turn.iteration):
                        time.sleep(slow.seconds)
            try:
                turn = turns.send(messages)
            except StopIteration:
                return

    def _strike(self, turn: ExchangeRequest) -> None:
        for fault in self._sudden:
            at = (turn.iteration, turn.kind, turn.step)
            if at != (fault.iteration, _PHASES[fault.phase], fault.step if fault.phase == "sample" else 0):
                continue
            self._sudden.remove(fault)
            _log.warning("scheduled %s in iteration %d, %s", fault.kind, fault.iteration, fault.phase)
            if isinstance(fault, CrashFault):
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                time.sleep(fault.seconds)
            return
