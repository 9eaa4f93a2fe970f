"""What the server does in lockstep about actions that are late: repeat the last one, or let the agent do nothing, and say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from netagents.errors import DeadlineError
from netagents.experiment.clock_settings import DropStepSettings, UseLastSettings
from netagents.learning import Setup
from netagents.messages import Action, Kind, Message, Step
from netagents.nodes.clocks.stand_ins import legal, noop
from netagents.wire.session.exchange import Exchange

Receive = Callable[[int, Kind, int, Sequence[int]], list[Message]]


class Stragglers:
    """Collects actions, and does without those that are late.

    Args:
        exchange: the server's.
        setup: what all agents share.
        settings: the policy.
        wait: how to wait for those that must be waited for.
        seen: per agent what it was sent last, where not every action is legal.

    Attributes:
        late: agents whose own action of the newest step was not executed.
        counts: per agent, how often that happened.
    """

    def __init__(
        self, exchange: Exchange, setup: Setup, settings: UseLastSettings | DropStepSettings, wait: Receive, seen: Mapping[int, Step]
    ) -> None:
        self._exchange, self._setup, self._settings, self._wait, self._seen = exchange, setup, settings, wait, seen
        self._last: dict[int, NDArray[Any]] = {}
        self._age: Counter[int] = Counter()
        self.late: frozenset[int] = frozenset()
        self.counts: Counter[int] = Counter()

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`; actions that are late are replaced."""
        # An iteration begins when all have closed the one before.
        if kind is not Kind.ACTION or step == 0:
            self.late = frozenset()
            came = self._wait(iteration, kind, step, senders)
            self._heard(senders, came, ())
            return came
        try:
            came = self._exchange.receive(iteration, kind, step, senders, self._settings.after)
            late: list[int] = []
        except DeadlineError:
            missing = self._exchange.inbox.missing(iteration, kind, step, senders)
            if any(not self._may_replace(agent) for agent in missing):
                came, late = self._wait(iteration, kind, step, senders), []
            else:
                late = missing
                present = self._exchange.inbox.collect_present(iteration, kind, step, senders)
                came = [Action(self._stand_in(agent)) if own is None else own for agent, own in zip(senders, present, strict=True)]
        self._heard(senders, came, late)
        for agent in late:
            self._age[agent] += 1
            self.counts[agent] += 1
        self.late = frozenset(late)
        return came

    def _heard(self, senders: Sequence[int], came: Sequence[Message], late: Collection[int]) -> None:
        for agent, action in zip(senders, came, strict=True):
            if agent not in late and isinstance(action, Action):
                self._last[agent] = action.actions
                self._age[agent] = 0

    def _may_replace(self, agent: int) -> bool:
        settings = self._settings
        return isinstance(settings, DropStepSettings) or (agent in self._last and self._age[agent] < settings.max_age)

    def _stand_in(self, agent: int) -> NDArray[Any]:
        actions = noop(self._setup, agent) if isinstance(self._settings, DropStepSettings) else self._last[agent]
        return legal(actions, self._seen.get(agent))
