"""Clock with bounded staleness: an agent uses a neighbour's newest message if it is not older than the bound, else it waits.

A State may be s steps old, within the same iteration, because nothing before a reset counts.  A Trace, ShadowReward or TruncatedQ may
belong to any of the s iterations before.  With s = 0 this is lockstep, with the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netagents.errors import DeadlineError, Wait
from netagents.experiment import Experiment
from netagents.experiment.clock_settings import BoundedStalenessSettings
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.messages import NEIGHBOUR_KINDS, Kind, Message, Pace, node_name, node_names
from netagents.nodes.clocks.silent_neighbours import SilenceTolerance
from netagents.wire.pauses import waiting_clock
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.latest_inbox import LatestInbox, TimedMessage

Choose = Callable[[Kind, int, int, int], TimedMessage | None]
"""From kind, sender, iteration and step to an acceptable message; None to wait for one."""


class LatestWait:
    """Waits for the latest messages: first for the newest, then for any acceptable one.

    Args:
        exchange: of the agent; its inbox is a :class:`LatestInbox`.
        experiment: the settings.
        grace: seconds to wait for the newest.
        tolerance: for silent neighbours; None: a timeout ends the run.
    """

    def __init__(self, exchange: Exchange, experiment: Experiment, grace: float, tolerance: SilenceTolerance | None) -> None:
        assert isinstance(exchange.inbox, LatestInbox)
        self.inbox = exchange.inbox
        self.exchange = exchange
        self._grace, self._tolerance = grace, tolerance
        self._seconds = experiment.timeouts.seconds("exchange") if tolerance is None else tolerance.seconds

    def collect(
        self, iteration: int, kind: Kind, step: int, senders: Sequence[int], newest: Choose, acceptable: Choose
    ) -> list[TimedMessage | None]:
        """One message of each sender, in that order; None for silent ones.

        Raises:
            DeadlineError: names those without an acceptable message.
        """
        self.exchange.pump(0.0)
        now = waiting_clock()
        until, limit = now + self._grace, now + self._seconds
        awaited = senders if self._tolerance is None else self._tolerance.silent.awaited(senders, iteration)
        while True:
            messages = {sender: newest(kind, sender, iteration, step) for sender in senders}
            waiting = [sender for sender in awaited if messages[sender] is None]
            if waiting and now >= until:
                for sender in senders:
                    messages[sender] = messages[sender] or acceptable(kind, sender, iteration, step)
                waiting = [sender for sender in awaited if messages[sender] is None]
            if waiting and now >= limit:
                self._give_up(iteration, kind, step, waiting)
                waiting = []
            if not waiting:
                break
            self.exchange.pump((until if now < until else limit) - now)
            now = waiting_clock()
        if self._tolerance is not None:
            for sender in senders:
                if messages[sender] is not None:
                    self._tolerance.silent.mark_received(sender)
        return [messages[sender] for sender in senders]

    def _give_up(self, iteration: int, kind: Kind, step: int, waiting: Sequence[int]) -> None:
        if self._tolerance is not None:
            self._tolerance.give_up(waiting, iteration)
            return
        what = f"{kind.name.lower()} of iteration {iteration}, step {step} from {node_names(waiting)}"
        error = DeadlineError(f"waited {self._seconds:g} s for {what}", where=node_name(self.exchange.node))
        error.wait = Wait((iteration, kind.row.pace.order, step, kind.row.phase), what)
        raise error


class BoundedStaleness:
    """Receives with bounded staleness.

    Args:
        exchange: of the agent.
        experiment: with this clock.
        ages: counts the ages of used messages.
        tolerance: as for :class:`LatestWait`.
    """

    supports_rollouts = False

    def __init__(self, exchange: Exchange, experiment: Experiment, ages: AgeCounts, tolerance: SilenceTolerance | None) -> None:
        clock = experiment.clock
        assert isinstance(clock, BoundedStalenessSettings)
        self.send = exchange.send
        self._wait = LatestWait(exchange, experiment, clock.grace, tolerance)
        self._bound, self._ages = clock.steps, ages

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message | None]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`; of neighbours, messages within the bound."""
        if kind not in NEIGHBOUR_KINDS:
            return list(self._wait.exchange.receive(iteration, kind, step, senders))
        messages = self._wait.collect(iteration, kind, step, senders, self._newest, self._within)
        for each in messages:
            if each is not None:
                self._ages.count(kind, self._age(kind, iteration, step, each))
        return [None if each is None else each.message for each in messages]

    def _newest(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        return self._wait.inbox.stored(kind, sender, step).get((iteration, step))

    def _within(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        latest = self._wait.inbox.newest(kind, sender, (iteration, step))
        if latest is None or (kind.row.pace is Pace.STEP and latest.iteration != iteration):
            return None
        return latest if self._age(kind, iteration, step, latest) <= self._bound else None

    @staticmethod
    def _age(kind: Kind, iteration: int, step: int, used: TimedMessage) -> int:
        return step - used.step if kind.row.pace is Pace.STEP else iteration - used.iteration
