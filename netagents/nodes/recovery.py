"""A restart in the middle of a run: everybody goes back to the newest checkpoint.

An agent that is started again says Hello under a higher incarnation.  The server answers every agent with a Welcome under that
incarnation and with the agent's state from the newest checkpoint.  Agents leave whatever they were waiting for, take
the state over, greet each other anew, and go on from there when all are ready.  What was on its way belongs to an older
incarnation and is dropped at the door, so nothing of the broken attempt can mix with the new one; and since every random number is a
function of the iteration, the new one leaves the bits that the broken one would have left.  Rows that are recorded stay; the server
writes none twice.

Nothing is paid for this while nobody fails, and after a failure at most ``checkpoints.every`` iterations.
"""

from __future__ import annotations

from netagents.errors import NetagentsError
from netagents.messages import Envelope, node_name


class TakenBackError(NetagentsError):
    """The server takes this agent back: ``envelope`` is its new Welcome."""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__(f"taken back to the start of iteration {envelope.iteration}")
        self.envelope = envelope


class AgentRestartedError(NetagentsError):
    """An agent was started again, and all have been welcomed anew."""

    def __init__(self, agent: int) -> None:
        super().__init__(f"{node_name(agent)} was started again")
        self.agent = agent
