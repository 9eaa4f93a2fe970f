"""What follows the failure of an agent: everybody goes back a little, to a moment before it.

**A restart** takes everybody back to the newest checkpoint.

An agent that is started again says Hello under a higher incarnation.  The server answers every agent with a Welcome under that
incarnation and with the agent's state from the newest checkpoint.  Agents leave whatever they were waiting for, take
the state over, greet each other anew, and go on from there when all are ready.  What was on its way belongs to an older
incarnation and is dropped at the door, so nothing of the broken attempt can mix with the new one; and since every random number is a
function of the iteration, the new one leaves the bits that the broken one would have left.  Rows that are recorded stay; the server
writes none twice.

Nothing is paid for this while nobody fails, and after a failure at most ``checkpoints.every`` iterations.

**Going on without an agent** takes the others back to the start of the iteration that it failed in, the first one that is not recorded.
The server says so by a Welcome under a new incarnation that no longer names the lost agent among the peers.  The others kept what they
knew before that iteration and the one before it (:class:`IterationUndoLog`), so all drop the agent at the very same boundary, and what
the run does from there on depends on nothing but who was lost and in which iteration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NetagentsError
from netagents.learning.protocol.missing_neighbours import LastKnown
from netagents.messages import Envelope, node_name


class RollbackError(NetagentsError):
    """The server takes this agent back: ``envelope`` is its new Welcome."""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__(f"taken back to the start of iteration {envelope.iteration}")
        self.envelope = envelope


class AgentRestartedError(NetagentsError):
    """An agent was started again, and all have been welcomed anew."""

    def __init__(self, agent: int) -> None:
        super().__init__(f"{node_name(agent)} was started again")
        self.agent = agent


class AgentLostError(NetagentsError):
    """An agent is gone for good, and the others have been welcomed anew without it."""

    def __init__(self, agent: int) -> None:
        super().__init__(f"{node_name(agent)} is lost")
        self.agent = agent


class IterationUndoLog:
    """What an agent knew before each of the newest two iterations: one may begin anew while others are in the next already."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Mapping[str, NDArray[Any]], LastKnown]] = {}

    def keep(self, iteration: int, arrays: Mapping[str, NDArray[Any]], memory: LastKnown) -> None:
        """Keep what is known before ``iteration``."""
        self._entries = {number: entry for number, entry in self._entries.items() if number == iteration - 1}
        self._entries[iteration] = {name: np.array(array) for name, array in arrays.items()}, memory.copy()

    def before(self, iteration: int) -> tuple[Mapping[str, NDArray[Any]], LastKnown] | None:
        """What was known before ``iteration``; None if it was not kept."""
        return self._entries.get(iteration)
