"""Whether a failed process is started again, and when: a budget for each role, and a delay that doubles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from netagents.experiment.failures import FailureSettings
from netagents.launchers.events import NodeSpec


class Restarts:
    """The restarts of one run.

    Args:
        settings: budget and delay.
        roles: those that may be started again.
        host: the role without which a restart is of no use.
    """

    def __init__(self, settings: FailureSettings, roles: Collection[str], host: str = "environment") -> None:
        self.host = host
        self.total = 0
        """Restarts begun so far; the number of the newest incarnation."""
        self.due: dict[str, float] = {}
        self._settings, self._roles = settings, frozenset(roles)
        self._spent: Counter[str] = Counter()

    def plan(self, role: str, running: Collection[str], now: float) -> bool:
        """Whether ``role``, which failed at ``now`` (seconds on any clock), will be started again; if so, :attr:`due` says when."""
        if role not in self._roles or self.host not in running or self._spent[role] >= self._settings.restarts:
            return False
        self.due[role] = now + self._settings.delay * 2.0 ** self._spent[role]
        self._spent[role] += 1
        return True

    def take(self, now: float) -> list[str]:
        """The roles to start now, each once."""
        ready = sorted(role for role, moment in self.due.items() if moment <= now)
        for role in ready:
            del self.due[role]
        return ready

    def wait(self, now: float, most: float) -> float:
        """Seconds until the next restart, at most ``most``."""
        return max(0.0, min([most, *(moment - now for moment in self.due.values())]))

    def next_incarnation(self, spec: NodeSpec) -> NodeSpec:
        """What to start: the same role, under a number that no process of the run had before."""
        self.total += 1
        return replace(spec, arguments={**spec.arguments, "incarnation": str(self.total)})

    def attempt(self, role: str) -> str:
        """``restart 1 of 3``."""
        return f"restart {self._spent[role]} of {self._settings.restarts}"

    def is_over(self, running: Collection[str]) -> bool:
        """Whether the host has ended although processes that were started again may still look for it."""
        return self.total > 0 and self.host not in running
