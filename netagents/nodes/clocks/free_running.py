"""Free-running clock: the environment steps on a timer and does not wait for agents within an iteration.

An iteration begins with a reset of the environment.  From then on the server steps every ``period`` seconds with the last action of each
agent; such a step is a tick.  An agent acts on the newest tick that has arrived; the rewards of ticks that it missed are summed, since its
last action led to them.  It ends the iteration after as many steps of its own as in lockstep, and the next one begins when all have.
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
"""Ticks that may wait for an agent; it loses the rewards of older ones."""

AT_SERVER = frozenset({Kind.ACTION})
AT_AGENTS = frozenset({Kind.STEP, *NEIGHBOUR_KINDS})
"""Kinds of which the latest messages are used."""


class FreeRunning:
    """An agent's side of the clock.

    Args:
        exchange: of the agent.
        experiment: with this clock.
        ages: counts the ages of used messages, those of States in ticks.
        tolerance: as for :class:`netagents.nodes.clocks.bounded_staleness.LatestWait`.
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
        """As :meth:`netagents.wire.session.exchange.Exchange.send`; states and actions have the number of their tick."""
        self._exchange.send(message, kind, iteration, self._tick if kind.row.pace is Pace.STEP else step, receivers)

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message | None]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`, with the newest messages."""
        if kind is Kind.STEP:
            return [self._next_tick(iteration, step)]
        if kind not in NEIGHBOUR_KINDS:
            return list(self._exchange.receive(iteration, kind, step, senders))
        at = self._tick if kind.row.pace is Pace.STEP else step
        messages = self._wait.collect(iteration, kind, at, senders, self._newest, self._any)
        for each in messages:
            if each is not None:
                age = max(0, self._tick - each.step) if kind.row.pace is Pace.STEP else iteration - each.iteration
                self._ages.count(kind, age)
        return [None if each is None else each.message for each in messages]

    def _next_tick(self, iteration: int, step: int) -> Step:
        """The newest tick after the last one, with the rewards of all ticks in between."""
        inbox = self._wait.inbox
        if iteration > inbox.iteration:
            inbox.advance(iteration)
        if step == 0:
            self._tick = -1
        self._ticks.collect(iteration, Kind.STEP, step, (ENVIRONMENT,), self._next, self._next)
        stored = inbox.stored(Kind.STEP, ENVIRONMENT)
        ticks = [stored[time] for time in sorted(stored) if time[0] == iteration and time[1] > self._tick]
        for time in [time for time in stored if time <= (iteration, ticks[-1].step)]:
            del stored[time]
        self._tick = ticks[-1].step
        return reduce(_combined, [each.message for each in ticks])  # type: ignore[arg-type, return-value]

    def _next(self, kind: Kind, sender: int, iteration: int, _step: int) -> TimedMessage | None:
        stored = self._wait.inbox.stored(kind, sender)
        times = [time for time in stored if time[0] == iteration and time[1] > self._tick]
        return stored[max(times)] if times else None

    def _newest(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        if kind.row.pace is not Pace.STEP:
            return self._wait.inbox.stored(kind, sender, step).get((iteration, step))
        stored = self._wait.inbox.stored(kind, sender)
        times = [time for time in stored if time[0] == iteration]
        return stored[max(times)] if times else None

    def _any(self, kind: Kind, sender: int, iteration: int, step: int) -> TimedMessage | None:
        return None if kind.row.pace is Pace.STEP else self._wait.inbox.newest(kind, sender, (iteration, step))


def _combined(earlier: Step, later: Step) -> Step:
    """Two ticks as one step: the sum of the rewards, and ended if either has ended."""
    return later._replace(reward=earlier.reward + later.reward, flags=earlier.flags | later.flags)


class World:
    """The server's side of the clock.

    Args:
        exchange: the server's; its inbox is a :class:`LatestInbox`.
        setup: common to all nodes.
        send: as :meth:`netagents.wire.session.exchange.Exchange.send`.
        on_silent: called with the iteration and the agents that have neither acted nor reported in time; may raise.
        stand_in: from a lost agent and an iteration to its action.

    Attributes:
        ages: per agent, age in ticks of the executed action -> number of ticks.
        overruns: ticks that were late because a step took longer than the period.
        ticks: number of ticks of the last iteration.
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
        # A silent agent has the other half of the time to answer a heartbeat.
        stops_all = setup.experiment.failures.agent == "stop_all"
        self._seconds = timeouts.seconds("exchange") if stops_all else timeouts.seconds("answer") / 2.0
        self._actions: dict[int, NDArray[Any]] = {agent: noop(setup, agent) for agent in range(setup.n)}
        self._acted: dict[int, tuple[int, int]] = {}
        self.ages: dict[int, Counter[int]] = {agent: Counter() for agent in range(setup.n)}
        self.overruns = 0
        self.ticks = 0

    def run(self, session: EnvironmentSession, iteration: int, agents: Sequence[int]) -> Sequence[Step]:
        """Run one iteration until the reports of ``agents``, the living ones, have arrived; gives the last tick's messages."""
        if iteration > self._inbox.iteration:
            self._inbox.advance(iteration)
        messages = session.begin(iteration)
        self._send_steps(iteration, 0, messages)
        tick, due = 0, waiting_clock() + self._period
        last_action = dict.fromkeys(agents, waiting_clock())
        lost = [agent for agent in range(self._setup.n) if agent not in last_action]
        while waiting := self._inbox.missing(iteration, Kind.REPORT, 0, agents):
            self._sleep_until(due)
            tick += 1
            now = waiting_clock()
            self.overruns += now > due + self._period
            due = max(due + self._period, now)
            for agent in self._take(iteration, tick, agents):
                last_action[agent] = now
            silent = [agent for agent in waiting if now - last_action[agent] > self._seconds]
            if silent:
                self._on_silent(iteration, silent)
                last_action |= dict.fromkeys(silent, waiting_clock())
            latest = {agent: legal(action, messages[agent]) for agent, action in self._actions.items()}
            actions = latest | {agent: self._stand_in(agent, iteration) for agent in lost}
            messages = session.advance([actions[agent] for agent in range(self._setup.n)])
            self._send_steps(iteration, tick, messages)
        self.ticks = tick
        return messages

    def _sleep_until(self, due: float) -> None:
        self._exchange.pump(0.0)
        while (remaining := due - waiting_clock()) > 0.0:
            self._exchange.pump(remaining)

    def _take(self, iteration: int, tick: int, agents: Sequence[int]) -> list[int]:
        """Take each agent's newest action; gives the agents with a new one."""
        acting = []
        for agent in agents:
            stored = self._inbox.stored(Kind.ACTION, agent)
            if stored:
                time = max(stored)
                action = stored[time].message
                if isinstance(action, Action):
                    self._actions[agent], self._acted[agent] = action.actions, time
                stored.clear()
                acting.append(agent)
            # An action of the iteration before is as old as this iteration.
            acted = self._acted.get(agent, (-1, 0))
            self.ages[agent][tick - 1 - acted[1] if acted[0] == iteration else tick] += 1
        return acting

    def _send_steps(self, iteration: int, tick: int, messages: Sequence[Step]) -> None:
        for agent, message in enumerate(messages):
            self._send(message, Kind.STEP, iteration, tick, (agent,))


def action_ages(world: World) -> dict[str, dict[str, int]]:
    """Per agent, age in ticks of its action -> number of ticks in which it was executed."""
    return {node_name(agent): {str(age): count for age, count in sorted(ages.items())} for agent, ages in world.ages.items()}
