"""What ends a node from outside its messages: the launcher is gone, or SIGTERM asked it to leave."""

from __future__ import annotations

from collections.abc import Callable

from netagents.errors import NetagentsError
from netagents.nodes.process.node_process import ProcessContext


class ParentLostError(NetagentsError):
    """The launcher is gone; the node leaves."""


class EndRequestedError(NetagentsError):
    """SIGTERM asked this process to end."""


def watch(context: ProcessContext) -> dict[int, Callable[[], None]]:
    """What a node's poller watches besides its messages."""

    def look() -> None:
        if context.parent_lost():
            raise ParentLostError("the launcher is gone")
        if context.stop_requested():
            raise EndRequestedError("asked to end by SIGTERM")

    return dict.fromkeys(context.descriptors, look)
