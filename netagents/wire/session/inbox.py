"""Inbox of a node: messages wait here, keyed (iteration, kind, step, sender), until their phase asks for them.

It accepts only what belongs here: messages of another run or incarnation, of an unknown sender or from beyond the radius are dropped,
counted by reason and logged once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from netagents.errors import ProtocolError
from netagents.messages import ENVIRONMENT, Envelope, Kind, Message, node_name, radius_of

_log = logging.getLogger(__name__)

_STEPS = 1 << 31
_KINDS = 1 << 8


class Drop(StrEnum):
    """Why a message or a peer was refused; counts travel in this order: append, never reorder."""

    MALFORMED = "malformed"
    OTHER_RUN = "other run"
    OTHER_INCARNATION = "other incarnation"
    FORGED = "forged sender"
    UNKNOWN_SENDER = "unknown sender"
    OUTSIDE_RADIUS = "outside radius"
    WRONG_KIND = "kind not allowed"
    PAST = "past iteration"
    FUTURE = "future iteration"
    STEP = "step out of range"
    FULL = "too many waiting"
    DUPLICATE = "duplicate"
    HANDSHAKE = "handshake refused"
    CUT = "link cut"
    OFF_ROUTE = "off route"
    LATE = "late"


UNKNOWN_RUN = bytes(8)
"""Run id of a node that knows only the rendezvous' address; the Welcome has the real one."""

_SERVER_KINDS = frozenset({Kind.WELCOME, Kind.START, Kind.STOP})


class _SenderRules:
    """The kinds that one sender may send, its incarnation and its authenticated name."""

    __slots__ = ("incarnation", "kinds", "user")

    def __init__(self, kinds: frozenset[Kind], incarnation: int, user: str | None) -> None:
        self.kinds = kinds
        self.incarnation = incarnation
        self.user = user


class Inbox:
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
        self.run = run
        self.iteration = iteration
        self.dropped: Counter[Drop] = Counter()
        self._steps = min(steps, _STEPS)
        self._most_waiting = most_waiting
        self._nodes = nodes
        self._strict = strict
        self._users: dict[int, str] = {}
        self._rules: dict[int, _SenderRules] = {}
        self.phases: dict[int, dict[int, Message]] = {}
        """Waiting messages by phase and sender."""
        self._collected: dict[Kind, int] = {}
        self._given_up: set[tuple[int, int]] = set()
        self._reported: set[tuple[Drop, int]] = set()
        self.acceptance = object()
        """Identifies the present rules: while it is the same object, what was accepted before may be accepted again."""
        self.allow(allowed)

    def allow(self, allowed: Mapping[Kind, Iterable[int]], incarnations: Mapping[int, int] | None = None) -> None:
        """Replace the rules of who may send what; waiting messages, incarnations and users of remaining senders are kept."""
        kinds: dict[int, set[Kind]] = {}
        for kind, senders in allowed.items():
            for sender in senders:
                kinds.setdefault(sender, set()).add(kind)
        rules = {}
        for sender, allowed_kinds in kinds.items():
            old = self._rules.get(sender)
            rules[sender] = _SenderRules(frozenset(allowed_kinds), old.incarnation if old else 0, self._users.get(sender))
        self._rules = rules
        self.acceptance = object()
        for sender, incarnation in (incarnations or {}).items():
            self.set_incarnation(sender, incarnation)

    def set_incarnation(self, sender: int, incarnation: int) -> None:
        """Accept ``sender`` under this incarnation only, and discard its waiting messages of an earlier one."""
        rule = self._rules.get(sender)
        if rule is not None and rule.incarnation != incarnation:
            self.acceptance = object()
            rule.incarnation = incarnation
            for phase in self.phases.values():
                phase.pop(sender, None)

    def restart(self, iteration: int, incarnation: int) -> None:
        """Begin again at ``iteration``: discard waiting messages, and accept all senders under this incarnation only."""
        self.iteration = iteration
        self.acceptance = object()
        self.phases.clear()
        self._collected.clear()
        self._given_up.clear()
        for rule in self._rules.values():
            rule.incarnation = incarnation

    def identify(self, users: Mapping[int, str]) -> None:
        """Set the authenticated user of each sender; a message from any other user is forged."""
        self._users = dict(users)
        self.acceptance = object()
        for sender, rule in self._rules.items():
            rule.user = self._users.get(sender)

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
        run, incarnation, sender, kind, iteration, step, message = envelope
        rule = self._rules.get(sender)
        if rule is None or run != self.run or kind not in rule.kinds or incarnation != rule.incarnation or user != rule.user:
            return self.refuse(envelope, user)
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

    def accepts_control(self, envelope: Envelope, user: str | None = None) -> bool:
        """Whether a control message is accepted; if not, it is counted.

        It must belong to this run (which a first Hello, and a node before its Welcome, may not know yet) and come from its sender's
        authenticated user; Welcome, Start and Stop must come from the environment server.
        """
        _, _, sender, kind, iteration, _, _ = envelope
        foreign = envelope.run != self.run and not (envelope.run == UNKNOWN_RUN and kind is Kind.HELLO)
        if foreign and not (self.run == UNKNOWN_RUN and (kind is Kind.HELLO or kind in _SERVER_KINDS)):
            return self._drop(Drop.OTHER_RUN, sender, kind, iteration)
        if self._users.get(sender) != user:
            return self._drop(Drop.FORGED, sender, kind, iteration)
        if kind in _SERVER_KINDS and sender != ENVIRONMENT:
            return self._drop(Drop.WRONG_KIND, sender, kind, iteration)
        return True

    def refuse(self, envelope: Envelope, user: str | None = None) -> bool:
        """Drop and count a message that the rules forbid, under the matching reason; returns False."""
        sender, kind = envelope.sender, envelope.kind
        rule = self._rules.get(sender)
        if envelope.run != self.run:
            reason = Drop.OTHER_RUN
        elif rule is not None and user != rule.user:
            reason = Drop.FORGED
        elif rule is not None and kind in rule.kinds:
            reason = Drop.OTHER_INCARNATION
        elif 0 <= sender < self._nodes and radius_of(kind) is not None:
            reason = Drop.OUTSIDE_RADIUS
        elif rule is not None or 0 <= sender < self._nodes:
            reason = Drop.WRONG_KIND
        else:
            reason = Drop.UNKNOWN_SENDER
        return self._drop(reason, sender, kind, envelope.iteration)

    def reject(self, reason: Drop, envelope: Envelope) -> bool:
        """Drop and count a message for a reason that the caller knows; returns False."""
        return self._drop(reason, envelope.sender, envelope.kind, envelope.iteration)

    def user_of(self, sender: int) -> str | None:
        """The authenticated user of ``sender``; None without keys, or for an unknown node."""
        return self._users.get(sender)

    def malformed(self, line: str) -> None:
        """Count a message that could not be decoded."""
        self.dropped[Drop.MALFORMED] += 1
        if self.dropped[Drop.MALFORMED] == 1:
            _log.warning("dropped a malformed message: %s (further ones are only counted)", line)

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

    def _drop(self, reason: Drop, sender: int, kind: Kind, iteration: int) -> bool:
        self.dropped[reason] += 1
        # Once per reason and sender, and bounded: an attacker can invent senders.
        if (reason, sender) not in self._reported and len(self._reported) < 1000:
            self._reported.add((reason, sender))
            _log.warning(
                "dropped %s of iteration %d from %s: %s (further ones are only counted)",
                kind.name.lower(),
                iteration,
                node_name(sender),
                reason,
            )
        return False
