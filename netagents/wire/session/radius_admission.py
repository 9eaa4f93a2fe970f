"""Admission of messages: who may send which kind to a node, and the counted refusal of everything else.

What comes from beyond the radius, from an unknown sender, in somebody else's name, or from another run or incarnation is dropped, counted
by reason and logged once per sender.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from netagents.messages import ENVIRONMENT, Envelope, Kind, node_name, radius_of

_log = logging.getLogger(__name__)


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


class Admission:
    """The rules of one node: kind -> senders from which it accepts that kind, their incarnations and authenticated names.

    Args:
        run: id of this run; messages of other runs are refused.
        allowed: kind -> senders from which this node accepts it: its neighbours within that kind's radius, or the server.
        nodes: number of agents; distinguishes an unknown sender from an agent beyond the radius.
    """

    def __init__(self, run: bytes, allowed: Mapping[Kind, Iterable[int]], nodes: int = 0) -> None:
        self.run = run
        self.dropped: Counter[Drop] = Counter()
        self._nodes = nodes
        self._users: dict[int, str] = {}
        self._rules: dict[int, _SenderRules] = {}
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

    def set_incarnation(self, sender: int, incarnation: int) -> bool:
        """Accept ``sender`` under this incarnation only; returns whether that is a change."""
        rule = self._rules.get(sender)
        if rule is None or rule.incarnation == incarnation:
            return False
        self.acceptance = object()
        rule.incarnation = incarnation
        return True

    def set_all_incarnations(self, incarnation: int) -> None:
        """Accept all senders under this incarnation only."""
        self.acceptance = object()
        for rule in self._rules.values():
            rule.incarnation = incarnation

    def identify(self, users: Mapping[int, str]) -> None:
        """Set the authenticated user of each sender; a message from any other user is forged."""
        self._users = dict(users)
        self.acceptance = object()
        for sender, rule in self._rules.items():
            rule.user = self._users.get(sender)

    def admits(self, envelope: Envelope, user: str | None = None) -> bool:
        """Whether the rules allow this message; if not, it is dropped and counted under the matching reason."""
        rule = self._rules.get(envelope.sender)
        if (
            rule is None
            or envelope.run != self.run
            or envelope.kind not in rule.kinds
            or envelope.incarnation != rule.incarnation
            or user != rule.user
        ):
            return self.refuse(envelope, user)
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
