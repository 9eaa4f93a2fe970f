"""Recovery of a run from the failure of a process, by its launcher: start it again, or tell the server that it is gone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from math import inf

from netagents.experiment.failure_settings import FailureSettings
from netagents.launchers.supervision.supervisor_events import Exited, NodeSpec


class Recovery(ABC):
    """What is done about failures of some roles.

    Args:
        roles: those whose failure the run may survive.
        host: the role without which it cannot.
    """

    def __init__(self, roles: Collection[str], host: str = "environment") -> None:
        self.host = host
        self.total = 0
        """Failures that the run has survived so far."""
        self._roles = frozenset(roles)

    @abstractmethod
    def plan(self, event: Exited, running: Collection[str], now: float) -> bool:
        """Whether the run goes on after a process failed at ``now`` (seconds on any clock); if so, what is needed for that is under way."""

    def take(self, now: float) -> list[str]:  # noqa: ARG002 - overriders read it
        """The roles to start now, each once."""
        return []

    def may_end(self, role: str, incarnation: int, now: float, seconds: float) -> bool:  # noqa: ARG002
        """Whether the process of a role that gives no sign of life may be killed.

        Args:
            role: that is silent.
            incarnation: of the process that the server knows; another may have been started meanwhile.
            now: as :meth:`plan` has it.
            seconds: that a process has for a sign of life; one that was started less long ago is spared.
        """
        return True

    def wait(self, now: float, most: float) -> float:  # noqa: ARG002
        """Seconds until something is to be started, at most ``most``."""
        return most

    def is_over(self, running: Collection[str]) -> bool:
        """Whether the host has ended although others may still look for it."""
        return self.total > 0 and self.host not in running


class ContinueWithout(Recovery):
    """The run goes on without whoever failed.

    Args:
        roles: as :class:`Recovery` has it.
        report: given who failed and how, reports it to the server.
    """

    def __init__(self, roles: Collection[str], report: Callable[[str, str], None], host: str = "environment") -> None:
        super().__init__(roles, host)
        self._report = report

    def plan(self, event: Exited, running: Collection[str], now: float) -> bool:  # noqa: ARG002
        if event.role not in self._roles or self.host not in running:
            return False
        self.total += 1
        self._report(event.role, f"was killed by {event.signal}" if event.signal else f"ended with exit code {event.exit_code}")
        return True


class Restarts(Recovery):
    """Whoever failed is started again: a budget for each role, and a delay that doubles.

    Args:
        settings: budget and delay.
        roles, host: as :class:`Recovery` has them.
    """

    def __init__(self, settings: FailureSettings, roles: Collection[str], host: str = "environment") -> None:
        super().__init__(roles, host)
        self.due: dict[str, float] = {}
        self._settings = settings
        self._spent: Counter[str] = Counter()
        self._newest: dict[str, int] = {}
        self._start_times: dict[str, float] = {}

    def plan(self, event: Exited, running: Collection[str], now: float) -> bool:
        role = event.role
        if role not in self._roles or self.host not in running or self._spent[role] >= self._settings.restarts:
            return False
        self.due[role] = now + self._settings.delay * 2.0 ** self._spent[role]
        self._spent[role] += 1
        return True

    def take(self, now: float) -> list[str]:
        ready = sorted(role for role, moment in self.due.items() if moment <= now)
        for role in ready:
            del self.due[role]
            self._start_times[role] = now
        return ready

    def wait(self, now: float, most: float) -> float:
        return max(0.0, min([most, *(moment - now for moment in self.due.values())]))

    def next_incarnation(self, spec: NodeSpec) -> NodeSpec:
        """What to start: the same role, under a number that no process of the run had before: how many restarts there have been."""
        self.total += 1
        self._newest[spec.role] = self.total
        return replace(spec, arguments={**spec.arguments, "incarnation": str(self.total)})

    def may_end(self, role: str, incarnation: int, now: float, seconds: float) -> bool:
        return incarnation == self._newest.get(role, 0) or now - self._start_times.get(role, -inf) >= seconds

    def attempt(self, role: str) -> str:
        """``restart 1 of 3``."""
        return f"restart {self._spent[role]} of {self._settings.restarts}"
