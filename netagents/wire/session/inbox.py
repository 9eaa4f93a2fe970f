"""Inbox of a node: messages wait here, keyed (iteration, kind, step, sender), until their phase asks for them.

Who may send what, the radius included, is in :mod:`netagents.wire.session.radius_admission`; here a message must also be in time and come
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netagents.errors import ProtocolError
from netagents.messages import Envelope, Kind, Message, node_name
from netagents.wire.session.radius_admission import Admission, Drop

_STEPS = 1 << 31
_KINDS = 1 << 8


class Inbox(Admission):
    """A bounded store of messages; O(1) per message as long as few phases wait.

    Args:
        run: id of this run; messages of other runs are dropped.
        allowed: kind -> senders from which this node accepts it: its in-neighbours, or the server.
        iteration: the first one; messages of it and of the next are accepted.
        steps: steps per iteration plus one; messages of later steps are dropped.
        most_waiting: limit of waiting messages per sender; lockstep needs very few.
        nodes: number of agents; distinguishes an unknown sender from an agent beyond the radius.
        strict: a duplicate raises ProtocolError; otherwise it is dropped and counted.
    """

    def __init__(
        self,
        run: bytes,
        allowed: Mapping[Kind, Iterable[int]],
        *,
        iteration: int = 0,
        steps: int = _STEPS,
        most_waiting: int = 64,
        nodes: int = 0,
        strict: bool = True,
    ) -> None:
        super().__init__(run, allowed, nodes)
        self.iteration = iteration
        self._steps = min(steps, _STEPS)
        self._most_waiting = most_waiting
        self._strict = strict
        self.phases: dict[int, dict[int, Message]] = {}
        """Waiting messages by phase and sender."""
        self._collected: dict[Kind, int] = {}
        self._given_up: set[tuple[int, int]] = set()

    def set_incarnation(self, sender: int, incarnation: int) -> bool:
        """Accept ``sender`` under this incarnation only, and discard its waiting messages of an earlier one."""
        changed = super().set_incarnation(sender, incarnation)
        if changed:
            for phase in self.phases.values():
                phase.pop(sender, None)
        return changed

    def restart(self, iteration: int, incarnation: int) -> None:
        """Begin again at ``iteration``: discard waiting messages, and accept all senders under this incarnation only."""
        self.iteration = iteration
        self.phases.clear()
        self._collected.clear()
        self._given_up.clear()
        self.set_all_incarnations(incarnation)

    def advance(self, iteration: int) -> None:
        """Move on to ``iteration``; older messages that were never collected are dropped and counted."""
        self.iteration = iteration
        self._given_up = {entry for entry in self._given_up if entry[0] // (_KINDS * _STEPS) >= iteration - 1}
        for key in list(self.phases):
            kind, message_iteration = Kind(key % _KINDS), key // (_KINDS * _STEPS)
            if message_iteration < iteration - kind.row.late:
                phase = self.phases.pop(key)
                for sender in phase:
                    self._drop(Drop.PAST, sender, kind, message_iteration)

    def put(self, envelope: Envelope, user: str | None = None) -> bool:
        """Accept a message, or drop and count it; ``user`` is the sender's authenticated name where the link knows it.

        Raises:
            ProtocolError: a duplicate, if the inbox is strict.
        """
        if not self.admits(envelope, user):
            return False
        _, _, sender, kind, iteration, step, message = envelope
        ahead = iteration - self.iteration
        if not 0 <= ahead <= 1 and not (ahead == -1 and kind.row.late):
            past = Drop.LATE if self._was_given_up(sender, kind, iteration, step) else Drop.PAST
            return self._drop(past if ahead < 0 else Drop.FUTURE, sender, kind, iteration)
        if step >= self._steps:
            return self._drop(Drop.STEP, sender, kind, iteration)
        position = iteration * _STEPS + step
        key = position * _KINDS + kind
        phase = self.phases.get(key)
        if phase is None:
            if position <= self._collected.get(kind, -1):
                return self._duplicate(sender, kind, iteration, step)
            phase = self.phases[key] = {}
        elif sender in phase:
            return self._duplicate(sender, kind, iteration, step)
        # A phase holds at most one message per sender, so with few phases no sender has too many.
        if len(self.phases) > self._most_waiting and self._waiting(sender) >= self._most_waiting:
            if not phase:
                del self.phases[key]
            return self._drop(Drop.FULL, sender, kind, iteration)
        phase[sender] = message
        return True

    def phase(self, iteration: int, kind: Kind, step: int) -> dict[int, Message]:
        """The waiting messages of a phase, by sender; the receiver adds accepted messages to it directly."""
        key = (iteration * _STEPS + step) * _KINDS + kind
        phase = self.phases.get(key)
        if phase is None:
            phase = self.phases[key] = {}
        return phase

    def resume_at(self, iteration: int, step: int, received: Mapping[Kind, Mapping[int, Message]]) -> None:
        """Continue at ``step`` after a driver has received earlier steps without this inbox, while nothing waited here.

        Args:
            received: kind -> sender -> message of this step; all earlier steps of these kinds are closed.
        """
        for kind, messages in received.items():
            self._collected[kind] = max(self._collected.get(kind, -1), iteration * _STEPS + step - 1)
            if messages:
                self.phase(iteration, kind, step).update(messages)

    def collect(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message] | None:
        """The messages of one phase in the order of ``senders``, or None while one is missing.

        A phase is collected once; each kind is collected in order of (iteration, step), so that duplicates are recognised.
        """
        if not senders:
            return []
        position = iteration * _STEPS + step
        key = position * _KINDS + kind
        phase = self.phases.get(key)
        if phase is None or len(phase) < len(senders):
            return None
        try:
            messages = list(map(phase.__getitem__, senders))
        except KeyError:
            return None
        del self.phases[key]
        self._collected[kind] = position
        return messages

    def collect_present(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message | None]:
        """Close a phase with the messages that have arrived, None for missing ones; messages that arrive later are late."""
        key = (iteration * _STEPS + step) * _KINDS + kind
        phase = self.phases.pop(key, {})
        self._collected[kind] = iteration * _STEPS + step
        self._given_up.update((key, sender) for sender in senders if sender not in phase)
        return [phase.get(sender) for sender in senders]

    def missing(self, iteration: int, kind: Kind, step: int, senders: Iterable[int]) -> list[int]:
        """Those of ``senders`` whose message has not arrived."""
        phase = self.phases.get((iteration * _STEPS + step) * _KINDS + kind, {})
        return [sender for sender in senders if sender not in phase]

    def _waiting(self, sender: int) -> int:
        return sum(sender in phase for phase in self.phases.values())

    def __len__(self) -> int:
        return sum(map(len, self.phases.values()))

    def _duplicate(self, sender: int, kind: Kind, iteration: int, step: int) -> bool:
        if self._was_given_up(sender, kind, iteration, step):
            return self._drop(Drop.LATE, sender, kind, iteration)
        self._drop(Drop.DUPLICATE, sender, kind, iteration)
        if self._strict:
            raise ProtocolError(f"{kind.name.lower()} of iteration {iteration}, step {step} arrived twice", where=node_name(sender))
        return False

    def _was_given_up(self, sender: int, kind: Kind, iteration: int, step: int) -> bool:
        """Whether this message was given up as missing; true once per message."""
        awaited = ((iteration * _STEPS + step) * _KINDS + kind, sender)
        if awaited not in self._given_up:
            return False
        self._given_up.remove(awaited)
        return True
