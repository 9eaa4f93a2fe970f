"""Bound of a run's end: nobody waits for ever for a process that is stopped or stuck between its last work and its leaving.

The end begins when the host (the environment server) has finished, or when all others have.  Whoever remains after the host has done its
work already, and is ended.  A host that remains may still write tables, so it is ended only when it does nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection


class EndOfRun:
    """Watches who remains.

    Args:
        host: the role that has the last word.
        leaving: seconds for others to leave after the host, or after the last of them that left.
        idle: seconds without any processor time after which a host that remains alone counts as stuck.
        activity: gives what grows while the host computes; None where nobody can tell.
    """

    def __init__(self, host: str, leaving: float, idle: float, activity: Callable[[], int | None]) -> None:
        self.host, self.leaving, self.idle = host, leaving, idle
        self._activity = activity
        self._remaining: frozenset[str] = frozenset()
        self._progress: int | None = None
        self._since: float | None = None

    def overdue(self, now: float, running: Collection[str], finished: Collection[str]) -> bool:
        """Whether those who still run have had their time.

        Args:
            now: seconds on a clock that does not count pauses of this process.
            running: essential roles whose processes live.
            finished: roles that ended with their work done, or that the run goes on without.
        """
        remaining = frozenset(running)
        if not remaining or (self.host not in finished and (remaining != {self.host} or not finished)):
            self._since = None
            return False
        progress = self._activity() if self.host in remaining else 0
        if self._since is None or remaining != self._remaining or progress is None or progress != self._progress:
            self._since, self._remaining, self._progress = now, remaining, progress
        return now - self._since >= (self.idle if self.host in remaining else self.leaving)
