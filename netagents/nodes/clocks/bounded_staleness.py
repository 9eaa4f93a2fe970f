"""The clock of bounded staleness: a neighbour's newest message will do if it is not older than the bound; else it is waited for.

A State may be s steps old, of the same iteration, because a reset has no past.  A Trace, ShadowReward or TruncatedQ may be of any of
the s iterations before.  With s = 0 this is lockstep, and leaves its bits.
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
"""From kind, sender, iteration and step to the message that will do; None to wait for one."""


class LatestWait:
    """Waits for messages on shelves: a while for the newest, then for any that will do.

    Args:
        exchange: of the agent; its inbox is a :class:`LatestInbox`.
        experiment: the settings.
        grace: seconds for the newest.
        tolerance: what is done about neighbours that are not heard; None: the wait ends the run.
    """

    def __init__(self, exchange: Exchange, experiment: Experiment, grace: float, tolerance: SilenceTolerance | None) -> None:
        assert isinstance(exchange.inbox, LatestInbox)
        self.inbox = exchange.inbox
        self.exchange = exchange
        self._grace, self._tolerance = grace, tolerance
        self._seconds = experiment.timeouts.seconds("exchange") if tolerance is None else tolerance.seconds

    def collect(
        self, iteration: int, kind: Kind, step: int, senders: Sequence[int], fresh: Choose, good_enough: Choose
    ) -> list[TimedMessage | None]:
        """One message of each sender, in that order; None for those that are not heard.

        Raises:
            DeadlineError: names those of whom nothing that will do has come.
        """
        self.exchange.pump(0.0)
        now = waiting_clock()
        until, limit = now + self._grace, now + self._seconds
        awaited = senders if self._tolerance is None else self._tolerance.silent.awaited(senders, iteration)
        while True:
            chosen = {sender: fresh(kind, sender, iteration, step) for sender in senders}
            waiting = [sender for sender in awaited if chosen[sender] is None]
            if waiting and now >= until:
                for sender in senders:
                    chosen[sender] = chosen[sender] or good_enough(kind, sender, iteration, step)
                waiting = [sender for sender in awaited if chosen[sender] is None]
            if waiting and now >= limit:
                self._give_up(iteration, kind, step, waiting)
                waiting = []
            if not waiting:
                break
            self.exchange.pump((until if now < until else limit) - now)
            now = waiting_clock()
        if self._tolerance is not None:
            for sender in senders:
                if chosen[sender] is not None:
                    self._tolerance.silent.mark_received(sender)
        return [chosen[sender] for sender in senders]

    def _give_up(self, iteration: int, kind: Kind, step: int, waiting: Sequence[int]) -> None:
        if self._tolerance is not None:
            self._tolerance.give_up(waiting, iteration)
            return
        what = f"{kind.name.lower()} of iteration {iteration}, step {step} from {node_names(waiting)}"
        error = DeadlineError(f"waited {self._seconds:g} s for {what}", where=node_name(self.exchange.node))
        error.wait = Wait((iteration, int(kind.row.pace is not Pace.STEP), step, kind.row.phase), what)
        raise error


class BoundedStaleness:
    """Receives with bounded staleness.

    Args:
        exchange: of the agent.
        experiment: with this clock.
        ages: where uses are counted.
        tolerance: as :class:`LatestWait` has it.
    """

    supports_rollouts = False

    def __init__(self, exchange: Exchange, experiment: Experiment, ages: AgeCounts, tolerance: SilenceTolerance | None) -> None:
        clock = experiment.clock
        assert isinstance(clock, BoundedStalenessSettings)
        self.send = exchange.send
        self._wait = LatestWait(exchange, experiment, clock.grace, tolerance)
        self._bound, self._ages = clock.steps, ages

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message | None]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`; of neighbours, what is at most so old."""
        if kind not in NEIGHBOUR_KINDS:
            return list(self._wait.exchange.receive(iteration, kind, step, senders))
        chosen = self._wait.collect(iteration, kind, step, senders, self._newest, self._within)
        for each in chosen:
            if each is not None:
                self._ages.count(kind, self._age(kind, iteration, step, each))
        return [None if each is None else each.message for each in chosen]

    def _newest(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        return self._wait.inbox.stored(kind, sender, step).get((iteration, step))

    def _within(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        found = self._wait.inbox.newest(kind, sender, (iteration, step))
        if found is None or (kind.row.pace is Pace.STEP and found.iteration != iteration):
            return None
        return found if self._age(kind, iteration, step, found) <= self._bound else None

    @staticmethod
    def _age(kind: Kind, iteration: int, step: int, found: TimedMessage) -> int:
        return step - found.step if kind.row.pace is Pace.STEP else iteration - found.iteration
