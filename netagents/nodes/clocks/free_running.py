"""The free-running clock: the world steps on a timer and waits for nobody within an iteration.

An iteration begins with a reset of the world, for all at once.  From then on the server steps every ``period`` seconds with the last
action of each agent; a step of the world is a tick.  An agent acts on the newest tick that it was sent; the rewards of ticks that it
missed are added up, since they are what its last action led to.  It closes the iteration after as many steps of its own as in
lockstep, and the world begins the next one when all have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from numpy.typing import NDArray

from netagents.environments.environment_session import EnvironmentSession
from netagents.experiment import Experiment
from netagents.experiment.clock_settings import FreeRunningSettings
from netagents.learning import Setup
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Action, Kind, Message, Pace, Step, node_name
from netagents.nodes.clocks.bounded_staleness import LatestWait
from netagents.nodes.clocks.silent_neighbours import SilenceTolerance
from netagents.nodes.clocks.stand_ins import legal, noop
from netagents.wire.pauses import waiting_clock
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.latest_inbox import LatestInbox, TimedMessage

TICKS_KEPT = 4096
"""Ticks that may wait for an agent; the rewards of older ones are lost to it."""

AT_SERVER = frozenset({Kind.ACTION})
AT_AGENTS = frozenset({Kind.STEP, *NEIGHBOUR_KINDS})
"""Kinds of which the newest counts."""


class FreeRunning:
    """An agent's side.

    Args:
        exchange: of the agent.
        experiment: with this clock.
        ages: where uses are counted, States by ticks.
        tolerance: as :class:`netagents.nodes.clocks.bounded_staleness.ShelfWait` has it.
    """

    supports_rollouts = False

    def __init__(self, exchange: Exchange, experiment: Experiment, ages: AgeCounts, tolerance: SilenceTolerance | None) -> None:
        clock = experiment.clock
        assert isinstance(clock, FreeRunningSettings)
        self._exchange, self._ages = exchange, ages
        self._wait = LatestWait(exchange, experiment, clock.grace, tolerance)
        self._ticks = LatestWait(exchange, experiment, 0.0, None)
        self._tick = -1

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: Sequence[int]) -> None:
        """As :meth:`netagents.wire.session.exchange.Exchange.send`; states and actions carry the tick that they belong to."""
        self._exchange.send(message, kind, iteration, self._tick if kind.row.pace is Pace.STEP else step, receivers)

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message | None]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`, with the newest of everything."""
        if kind is Kind.STEP:
            return [self._next_tick(iteration, step)]
        if kind not in NEIGHBOUR_KINDS:
            return list(self._exchange.receive(iteration, kind, step, senders))
        at = self._tick if kind.row.pace is Pace.STEP else step
        chosen = self._wait.collect(iteration, kind, at, senders, self._newest, self._any)
        for each in chosen:
            if each is not None:
                late = max(0, self._tick - each.step) if kind.row.pace is Pace.STEP else iteration - each.iteration
                self._ages.count(kind, late)
        return [None if each is None else each.message for each in chosen]

    def _next_tick(self, iteration: int, step: int) -> Step:
        """The newest tick after the last one, with the rewards of all ticks between."""
        inbox = self._wait.inbox
        if iteration > inbox.iteration:
            inbox.advance(iteration)
        if step == 0:
            self._tick = -1
        self._ticks.collect(iteration, Kind.STEP, step, (ENVIRONMENT,), self._further, self._further)
        stored = inbox.stored(Kind.STEP, ENVIRONMENT)
        came = [stored[place] for place in sorted(stored) if place[0] == iteration and place[1] > self._tick]
        for place in [place for place in stored if place <= (iteration, came[-1].step)]:
            del stored[place]
        self._tick = came[-1].step
        return reduce(_following, [each.message for each in came])  # type: ignore[arg-type, return-value]

    def _further(self, kind: Kind, sender: int, iteration: int, _step: int) -> TimedMessage | None:
        stored = self._wait.inbox.stored(kind, sender)
        places = [place for place in stored if place[0] == iteration and place[1] > self._tick]
        return stored[max(places)] if places else None

    def _newest(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        if kind.row.pace is not Pace.STEP:
            return self._wait.inbox.stored(kind, sender, step).get((iteration, step))
        stored = self._wait.inbox.stored(kind, sender)
        places = [place for place in stored if place[0] == iteration]
        return stored[max(places)] if places else None

    def _any(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        return None if kind.row.pace is Pace.STEP else self._wait.inbox.newest(kind, sender, (iteration, step))


def _following(earlier: Step, later: Step) -> Step:
    """Two ticks as one step: rewards added up, an end in either of them an end."""
    return later._replace(reward=earlier.reward + later.reward, flags=earlier.flags | later.flags)


class World:
    """The server's side.

    Args:
        exchange: the server's; its inbox is a :class:`LatestInbox`.
        setup: what all agents share.
        send: as :meth:`netagents.wire.session.exchange.Exchange.send`.
        on_silent: told which agents have neither acted nor reported for so long; may raise.
        stand_in: gives the action of an agent that is lost, for an iteration.

    Attributes:
        ages: per agent, age in ticks of the action that was played -> ticks.
        overruns: ticks that came late, because stepping took longer than the period.
        ticks: of the last iteration.
    """

    def __init__(
        self,
        exchange: Exchange,
        setup: Setup,
        send: Callable[[Message, Kind, int, int, Sequence[int]], None],
        on_silent: Callable[[int, list[int]], None],
        stand_in: Callable[[int, int], NDArray[Any]],
    ) -> None:
        clock = setup.experiment.clock
        assert isinstance(clock, FreeRunningSettings)
        assert isinstance(exchange.inbox, LatestInbox)
        self._exchange, self._inbox, self._setup, self._send = exchange, exchange.inbox, setup, send
        self._period, self._on_silent, self._stand_in = clock.period, on_silent, stand_in
        timeouts = setup.experiment.timeouts
        # Who is asked for a sign of life has the other half of the time for it.
        patient = setup.experiment.failures.agent == "stop_all"
        self._seconds = timeouts.seconds("exchange") if patient else timeouts.seconds("answer") / 2.0
        self._actions: dict[int, NDArray[Any]] = {agent: noop(setup, agent) for agent in range(setup.n)}
        self._acted: dict[int, tuple[int, int]] = {}
        self.ages: dict[int, Counter[int]] = {agent: Counter() for agent in range(setup.n)}
        self.overruns = 0
        self.ticks = 0

    def run(self, session: EnvironmentSession, iteration: int, agents: Sequence[int]) -> Sequence[Step]:
        """One iteration, until the report of every one of ``agents``, the living, is there; gives the last tick's messages."""
        if iteration > self._inbox.iteration:
            self._inbox.advance(iteration)
        messages = session.begin(iteration)
        self._tell(iteration, 0, messages)
        tick, due = 0, waiting_clock() + self._period
        heard = dict.fromkeys(agents, waiting_clock())
        lost = [agent for agent in range(self._setup.n) if agent not in heard]
        while waiting := self._inbox.missing(iteration, Kind.REPORT, 0, agents):
            self._sleep_until(due)
            tick += 1
            now = waiting_clock()
            self.overruns += now > due + self._period
            due = max(due + self._period, now)
            for agent in self._take(iteration, tick, agents):
                heard[agent] = now
            silent = [agent for agent in waiting if now - heard[agent] > self._seconds]
            if silent:
                self._on_silent(iteration, silent)
                heard |= dict.fromkeys(silent, waiting_clock())
            held = {agent: legal(action, messages[agent]) for agent, action in self._actions.items()}
            actions = held | {agent: self._stand_in(agent, iteration) for agent in lost}
            messages = session.advance([actions[agent] for agent in range(self._setup.n)])
            self._tell(iteration, tick, messages)
        self.ticks = tick
        return messages

    def _sleep_until(self, due: float) -> None:
        self._exchange.pump(0.0)
        while (left := due - waiting_clock()) > 0.0:
            self._exchange.pump(left)

    def _take(self, iteration: int, tick: int, agents: Sequence[int]) -> list[int]:
        """Takes each agent's newest action; gives those who have a new one."""
        fresh = []
        for agent in agents:
            stored = self._inbox.stored(Kind.ACTION, agent)
            if stored:
                place = max(stored)
                action = stored[place].message
                if isinstance(action, Action):
                    self._actions[agent], self._acted[agent] = action.actions, place
                stored.clear()
                fresh.append(agent)
            # What an agent did last in the iteration before is as old as this one.
            acted = self._acted.get(agent, (-1, 0))
            self.ages[agent][tick - 1 - acted[1] if acted[0] == iteration else tick] += 1
        return fresh

    def _tell(self, iteration: int, tick: int, messages: Sequence[Step]) -> None:
        for agent, message in enumerate(messages):
            self._send(message, Kind.STEP, iteration, tick, (agent,))


def action_ages(world: World) -> dict[str, dict[str, int]]:
    """Per agent, age in ticks of its action -> ticks in which it was played."""
    return {node_name(agent): {str(age): count for age, count in sorted(counted.items())} for agent, counted in world.ages.items()}
