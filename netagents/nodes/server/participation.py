"""Participation of the nodes in a run, as the server sees all of them together: a state machine without input or output.

All nodes join, take part, are rolled back and leave together, because an iteration is one for all.  Who is late or lost alone is the
subject of :mod:`netagents.nodes.server.failure_policy`; the handshake behind each of these states is
:class:`netagents.wire.session.rendezvous.Rendezvous`.
"""

from __future__ import annotations

from enum import StrEnum

from netagents.nodes.server.transition_table import Table, read_table


class Stage(StrEnum):
    """Where a run stands."""

    JOINING = "joining"
    """Nodes say hello, link and get ready."""
    TAKING_PART = "taking part"
    """Iterations go on."""
    RESTORING = "restoring"
    """All are rolled back to the newest checkpoint, and get ready again."""
    UNDOING = "undoing"
    """All are rolled back to the first iteration that is not recorded, by what each of them kept, and get ready again."""
    LEAVING = "leaving"
    """Everybody was sent home."""


class MemberEvent(StrEnum):
    """What moves all nodes."""

    ALL_READY = "all ready"
    HELLO_AGAIN = "hello again"
    """A new process of a node said hello."""
    DROPPED = "dropped"
    """The run goes on without an agent."""
    STOP = "stop"
    """The run ends."""


class Rollback(StrEnum):
    """What follows for everybody."""

    RESTORE = "restore"
    """Agents are sent what they knew at the newest checkpoint."""
    UNDO = "undo"
    """Agents take what they kept themselves."""
    INTERRUPT = "interrupt"
    """The wait that is going on ends, and iterations begin again."""


STAGES: Table[Stage, MemberEvent, Rollback] = read_table(
    """
    event       | joining     | taking part                   | restoring                     | undoing                       | leaving
    all ready   | taking part | taking part                   | taking part                   | taking part                   | leaving
    hello again | joining     | restoring: restore, interrupt | restoring: restore, interrupt | restoring: restore, interrupt | leaving
    dropped     | joining     | undoing: undo, interrupt      | restoring: restore, interrupt | undoing: undo, interrupt      | leaving
    stop        | leaving     | leaving                       | leaving                       | leaving                       | leaving
    """,
    Stage,
    MemberEvent,
    Rollback,
)
"""Who was started again while others are rolled back has kept nothing, so all go on to be restored from the checkpoint."""


class Participation:
    """The stage of a run, and the iteration at which all begin again after a failure.

    Args:
        first: the iteration to begin with; at a resume, the one behind the checkpoint.

    Attributes:
        stage: where the run stands.
        first: the iteration at which all begin, or begin again.
        recorded: the first iteration that is not recorded.
    """

    def __init__(self, first: int) -> None:
        self.stage = Stage.JOINING
        self.first = self.recorded = self._checkpoint = first

    def handle(self, event: MemberEvent) -> tuple[Rollback, ...]:
        """Take an event in; gives what follows for everybody."""
        self.stage, actions = STAGES[self.stage, event]
        if Rollback.RESTORE in actions:
            self.first = self._checkpoint
        elif Rollback.UNDO in actions:
            self.first = max(self.first, self.recorded)
        return actions

    def record(self, iteration: int) -> bool:
        """Whether ``iteration`` is still to be recorded; from here on it is."""
        if iteration < self.recorded:
            return False
        self.recorded = iteration + 1
        return True

    def keep(self, iteration: int) -> None:
        """A checkpoint stands behind ``iteration``: nobody goes back further from here on."""
        self.first = self._checkpoint = iteration + 1
