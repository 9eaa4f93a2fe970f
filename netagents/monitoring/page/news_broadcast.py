"""Broadcast of what is new in a run: read once and made into bytes once for all visitors who have received the same.

A visitor waits here for its next message when it has taken the one before, so one that reads slowly gets fewer and larger messages, and
holds up nobody.  While nobody waits, nothing is read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from netagents.monitoring.feed.run_feed import Cursor, RunFeed
from netagents.monitoring.page.free_cores import FreeCores

UPDATE_SECONDS = 0.05
"""Between two looks at the records: at most twenty updates per second."""

HEARTBEAT_SECONDS = 5.0
"""After which a visitor is sent an empty message, so that it knows the page is there, and the server that it is."""

SHARE = 0.25
"""Of a core that reading and sending may take while twice as much is free."""

SHARE_OF_BUSY = 0.02
"""The same while less is free, since it would be taken from the run."""

LONGEST_PAUSE = 1.0


@dataclass
class Waiting:
    """A visitor that waits for its next message since a moment of the loop's clock."""

    cursor: Cursor
    since: float
    answer: asyncio.Future[tuple[bytes, Cursor]]


class NewsBroadcast:
    """Messages of one run for its visitors.

    Args:
        feed: reads the run.
        ending: whether the server is about to end, so that nobody is left waiting.
    """

    def __init__(self, feed: RunFeed, ending: Callable[[], bool]) -> None:
        self._feed, self._ending = feed, ending
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0
        self._free_cores = FreeCores()
        self._arrived = asyncio.Event()

    async def next(self, cursor: Cursor) -> tuple[bytes, Cursor]:
        """What is new since a cursor, as soon as there is anything, and the cursor after it.

        No bytes: there was nothing for :data:`HEARTBEAT_SECONDS`, or the server ends.
        """
        loop = asyncio.get_running_loop()
        waiting = Waiting(cursor, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        if cursor.epoch < 0:
            self._arrived.set()  # who opens the page is not kept waiting
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._answer())
        return await waiting.answer

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._pause(self._due - loop.time())
            begin = loop.time()
            pending, self._waiting = [each for each in self._waiting if not each.answer.done()], []
            ending, start = self._ending(), time.process_time()
            try:
                messages = await run_in_threadpool(self._feed.messages, {each.cursor for each in pending})
            except Exception as error:
                for each in pending:
                    if not each.answer.done():
                        each.answer.set_exception(error)
                continue
            now = loop.time()
            for each in pending:
                data, after = messages[each.cursor]
                if each.answer.done():
                    continue
                if data or ending or now - each.since > HEARTBEAT_SECONDS:
                    each.answer.set_result((data, after))
                else:
                    self._waiting.append(each)
            await asyncio.sleep(0)  # visitors send what they were given
            cost = time.process_time() - start
            pause = 0.0 if self._feed.history.behind else min(max(UPDATE_SECONDS, cost / self._share()), LONGEST_PAUSE)
            self._due = begin + pause  # from the beginning of the look, so that the work itself makes updates no rarer

    def _share(self) -> float:
        """Of a core that the page may take now."""
        return SHARE if self._free_cores.count() >= 2 * SHARE else SHARE_OF_BUSY

    async def _pause(self, seconds: float) -> None:
        """Wait until the next look is due, or somebody opens the page, or the server is about to end."""
        self._arrived.clear()
        until = asyncio.get_running_loop().time() + seconds
        while (remaining := until - asyncio.get_running_loop().time()) > 0.0 and not self._arrived.is_set() and not self._ending():
            try:
                await asyncio.wait_for(self._arrived.wait(), min(remaining, 0.2))
            except TimeoutError:
                continue
