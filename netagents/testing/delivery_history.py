"""Judges what a transport did: were messages delivered at most once, in order, unaltered, and all of them where they must be?

Give it the history of each node, in that node's own order; no clock is needed, and none is trusted.  Histories of a real run are written
when ``runtime.history`` names a folder and links have models; for a transport of your own, note a :class:`LinkEvent` wherever your code
sends and delivers.

    from netagents.testing import check_history, read_histories

    for violation in check_history(read_histories("history"), reliable={"state", "action", "step"}):
        print(violation)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from netagents.errors import UsageError
from netagents.messages import ENVIRONMENT, MONITOR, node_name
from netagents.wire.transport.message_history import LinkAction, LinkEvent

History = Sequence[LinkEvent]
Message = tuple[int, str, int, int, str]
"""Incarnation, kind, iteration, step, digest: what both ends know of a message."""


class Violation(NamedTuple):
    """A promise that was broken on the link ``sender -> receiver``.

    Attributes:
        promise: ``at most once``, ``in order``, ``no phantom`` or ``no loss``.
        message: the first one that shows it.
        times: how many do.
    """

    promise: str
    sender: int
    receiver: int
    message: Message
    times: int

    def __str__(self) -> str:
        incarnation, kind, iteration, step, digest = self.message
        more = f" and {self.times - 1} more" if self.times > 1 else ""
        which = f"{kind} of iteration {iteration}, step {step} (incarnation {incarnation}, digest {digest})"
        return f"{self.promise}: {node_name(self.sender)} -> {node_name(self.receiver)}: {which}{more}"


def check_history(histories: Mapping[int, History], reliable: Collection[str], *, complete: bool = True) -> list[Violation]:
    """Every broken promise, by link.

    Promised are, for each directed link between nodes whose histories are both given:

    - *no phantom*: what is delivered was sent, with these very bytes;
    - *at most once*: nothing is delivered more often than it was sent;
    - *in order*: reliable messages of one incarnation are delivered in the order in which they were sent;
    - *no loss*: a reliable message is delivered, if anything reliable that was sent after it is, or if the histories are complete.

    What a sender had sent under an earlier incarnation when it was restarted may be missing from the end.

    Args:
        histories: node index to its history.
        reliable: names of the kinds that must arrive.
        complete: the nodes went on until everything had arrived; otherwise the last messages of each link may be on their way.

    Returns:
        Violations, by link and then in the order of the list above; empty when all promises were kept.
    """
    links = {
        (node, event.peer) if event.what == LinkAction.SENT else (event.peer, node)
        for node, history in histories.items()
        for event in history
    }
    differences = []
    for sender, receiver in sorted(links):
        if sender in histories and receiver in histories:
            sent = [event.message for event in histories[sender] if event.what == LinkAction.SENT and event.peer == receiver]
            delivered = [event.message for event in histories[receiver] if event.what == LinkAction.DELIVERED and event.peer == sender]
            broken = _broken(sent, delivered, reliable, complete=complete)
            differences += [Violation(promise, sender, receiver, which[0], len(which)) for promise, which in broken.items() if which]
    return differences


def _broken(sent: list[Message], delivered: list[Message], reliable: Collection[str], *, complete: bool) -> dict[str, list[Message]]:
    """The messages of one link that break each promise."""
    times_sent, times_seen = Counter(sent), Counter[Message]()
    broken: dict[str, list[Message]] = {"no phantom": [], "at most once": [], "in order": [], "no loss": []}
    genuine = []
    for message in delivered:
        times_seen[message] += 1
        if message not in times_sent:
            broken["no phantom"].append(message)
        elif times_seen[message] > times_sent[message]:
            broken["at most once"].append(message)
        else:
            genuine.append(message)
    newest = max((message[0] for message in sent), default=0)
    for incarnation in sorted({message[0] for message in sent}):
        due = [message for message in sent if message[0] == incarnation and message[1] in reliable]
        deliveries = [message for message in genuine if message[0] == incarnation and message[1] in reliable]
        places = _places(due, deliveries)
        broken["in order"] += [message for message, place, farthest in places if place < farthest]
        arrived = {place for _, place, _ in places}
        last = len(due) if complete and incarnation == newest else max(arrived, default=-1)
        broken["no loss"] += [message for place, message in enumerate(due[:last]) if place not in arrived]
    return broken


def _places(due: list[Message], deliveries: list[Message]) -> list[tuple[Message, int, int]]:
    """For each delivery the message, its place in the order of sending, and the farthest place that had been delivered before."""
    free: dict[Message, list[int]] = {}
    for place in range(len(due) - 1, -1, -1):
        free.setdefault(due[place], []).append(place)
    placed, farthest = [], -1
    for message in deliveries:
        # Of equal messages the one sent first is the one delivered first: nobody could tell otherwise.
        place = free[message].pop()
        placed.append((message, place, farthest))
        farthest = max(farthest, place)
    return placed


def read_histories(folder: Path | str) -> dict[int, list[LinkEvent]]:
    """The histories that the nodes of a run have written into ``runtime.history``.

    Raises:
        UsageError: there are none, or a file is damaged.
    """
    histories = {}
    for file in sorted(Path(folder).glob("*.jsonl")):
        name = file.stem
        try:
            node = {"environment": ENVIRONMENT, "monitor": MONITOR}.get(name)
            node = int(name.removeprefix("agent_")) if node is None else node
            # A node that was killed may have left half a line.
            lines = file.read_text(encoding="utf-8").split("\n")[:-1]
            histories[node] = [LinkEvent(*json.loads(line)["event"]) for line in lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"is no history of a node: {error}", where=str(file), fix="name the folder of runtime.history") from error
    if not histories:
        raise UsageError("holds no histories", where=str(folder), fix="name the folder of runtime.history of a run whose links have models")
    return histories
