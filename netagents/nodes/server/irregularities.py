"""Irregularities of a run, recorded while it goes on: messages that nodes refused, actions that came late, agents that are awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from netagents.messages import node_name, node_names
from netagents.nodes.bootstrap.drop_counts import Refusals
from netagents.records.recorder import Recorder

SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Irregularities:
    """Writes events ``refused`` and ``late`` with what is new since the one before.

    The first is written at once, further ones after pauses that double, so that an intruder or a straggler fills no disk; the totals are in
    the events ``traffic`` and ``staleness`` at the end.

    Args:
        recorder: of the run.
        clock: seconds.
    """

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.monotonic) -> None:
        self._recorder, self._clock = recorder, clock
        self._recorded: dict[str, dict[str, Any]] = {"refused": {}, "late": {}}
        self._due = dict.fromkeys(self._recorded, 0.0)
        self._pause = dict.fromkeys(self._recorded, SHORTEST_PAUSE)

    def record(self, iteration: int, refused: Callable[[], Mapping[int, Refusals]], late: Mapping[int, int]) -> None:
        """Write down what is new, if it is time to.

        Args:
            iteration: that has just been recorded.
            refused: gives what each node has refused so far; asked only when it is due.
            late: how often each agent's action has been replaced so far.
        """
        now = self._clock()
        if now >= self._due["refused"]:
            self._write("refused", now, iteration, {node_name(node): dict(counts) for node, counts in sorted(refused().items()) if counts})
        if late and now >= self._due["late"]:
            self._write("late", now, iteration, {node_name(agent): count for agent, count in sorted(late.items())})

    def overdue(self, agents: list[int], seconds: float) -> None:
        """Write event ``overdue``: messages of these agents are missing, and they are asked for a heartbeat."""
        self._recorder.event("overdue", agents=agents, line=f"awaited for {seconds:g} s: {node_names(agents)}")

    def _write(self, event: str, now: float, iteration: int, totals: dict[str, Any]) -> None:
        before = self._recorded[event]
        if totals == before:
            self._due[event] = now + SHORTEST_PAUSE
            return
        new = {node: _beyond(count, before.get(node)) for node, count in totals.items() if count != before.get(node)}
        self._recorder.event(event, iteration=iteration, **{event: new})
        self._recorded[event] = totals
        self._due[event] = now + self._pause[event]
        self._pause[event] = min(2.0 * self._pause[event], LONGEST_PAUSE)


def _beyond(count: Any, before: Any) -> Any:
    """A count, or the counts by reason, less those before; a node that was started again counts from zero."""
    if isinstance(count, Mapping):
        earlier = before or {}
        return {reason: each if each < earlier.get(reason, 0) else each - earlier.get(reason, 0) for reason, each in count.items()
                if each != earlier.get(reason, 0)}  # fmt: skip
    return count if before is None or count < before else count - before
