"""Those with whom the server steps, where some may be late, silent or lost; in a plain run there is no company, only the exchange.

It gives the server's loop what the exchange would give it, for all agents: what the living say, and what stands for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import DeadlineError
from netagents.experiment import Experiment
from netagents.experiment.clock_settings import BoundedStalenessSettings, LockstepSettings, WaitSettings
from netagents.learning import Setup, make_agent
from netagents.learning.protocol.age_counts import ages_by_kind
from netagents.messages import ENVIRONMENT, Action, Kind, Message, Snapshot, Step, node_name, node_names
from netagents.nodes.clocks.free_running import World, action_ages
from netagents.nodes.clocks.stand_ins import LostRewards, StandIns
from netagents.nodes.server.heartbeat_monitor import HeartbeatMonitor
from netagents.nodes.server.stragglers import Stragglers
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.latest_inbox import LatestInbox

Arrays = Mapping[str, NDArray[Any]]


def needs_company(experiment: Experiment) -> bool:
    """Whether the server has to be ready for agents that are late, silent or lost."""
    clock = experiment.clock
    patient = isinstance(clock, BoundedStalenessSettings) or isinstance(getattr(clock, "straggler", None), WaitSettings)
    return experiment.failures.agent != "stop_all" or not patient


class Company:
    """The agents of a run as the server's loop sees them.

    Args:
        exchange: the server's.
        setup: what all agents share.
        on_silent: told which agents do not answer; may raise.
        known: what an agent knew at the newest checkpoint; None when there is none.

    Attributes:
        lost: agents that are gone, and why.
        answers: where signs of life go; None where nobody is ever asked.
        stragglers: who was late; None where everybody is waited for.
    """

    def __init__(
        self, exchange: Exchange, setup: Setup, on_silent: Callable[[list[int]], None], known: Callable[[int], Arrays | None]
    ) -> None:
        experiment = setup.experiment
        self._exchange, self._setup, self._known = exchange, setup, known
        self.lost: dict[int, str] = {}
        self._seen: dict[int, Step] = {}
        self._masked = setup.spec.capabilities.masked
        self.answers = HeartbeatMonitor(exchange, experiment.timeouts, on_silent) if experiment.failures.agent != "stop_all" else None
        gather = exchange.receive if self.answers is None else self.answers.receive
        clock = experiment.clock
        self.stragglers: Stragglers | None = None
        if isinstance(clock, LockstepSettings) and not isinstance(clock.straggler, WaitSettings):
            self.stragglers = Stragglers(exchange, setup, clock.straggler, gather, self._seen)
            gather = self.stragglers.receive
        self._gather = gather
        self._stand_ins = StandIns(setup, experiment.failures.stand_in)
        self._closed: dict[int, dict[int, LostRewards]] = {}
        self._keeps_last = experiment.failures.stand_in == "last"
        self._finals: dict[int, Mapping[int, Message]] = {}
        self._kept: dict[int, Arrays] = {}

    def lose(self, agent: int, why: str, first: int) -> None:
        """An agent is gone for good, and iteration ``first`` begins anew without it."""
        self.lost[agent] = why
        last = self._finals.get(first - 1, {}).get(agent)
        if isinstance(last, Action):
            self._stand_ins.remember(agent, last.actions)
        self.begin_again()

    def begin_again(self) -> None:
        """The iteration that was going on begins anew."""
        self._stand_ins.forget()
        self._closed.clear()
        if self.answers is not None:
            self.answers.begin_again()

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message]:
        """One message of each of ``senders``, the lost ones included."""
        living = tuple(agent for agent in senders if agent not in self.lost)
        came = self._gather(iteration, kind, step, living)
        if self._keeps_last and kind is Kind.ACTION and step == self._setup.steps - 1:
            self._finals = {its: kept for its, kept in self._finals.items() if its >= iteration - 2}
            self._finals[iteration] = dict(zip(living, came, strict=True))
        if not self.lost:
            return came
        answers = dict(zip(living, came, strict=True))
        return [answers[agent] if agent in answers else self._in_place_of(agent, iteration, kind) for agent in senders]

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: Sequence[int]) -> None:
        """Sends a Step to its agent if it lives."""
        (agent,) = receivers
        if self._masked and isinstance(message, Step):
            self._seen[agent] = message
        if agent not in self.lost:
            self._exchange.send(message, kind, iteration, step, receivers)
        elif isinstance(message, Step):
            if step == 0:
                self._closed.setdefault(iteration, {})[agent] = LostRewards(self._setup)
            self._closed[iteration][agent].see(message)
            self._seen[agent] = message

    def replaced(self) -> dict[int, NDArray[np.bool_]]:
        """Living agents whose own action of the newest step was not executed: (B,) in which copies."""
        late = () if self.stragglers is None else self.stragglers.late
        return {agent: np.ones(self._setup.batch, dtype=np.bool_) for agent in sorted(late) if agent not in self.lost}

    def stand_in(self, agent: int, iteration: int) -> NDArray[Any]:
        """The next action of an agent that is lost."""
        return self._stand_ins.act(agent, iteration, self._seen[agent])

    def missed(self, iteration: int, agents: list[int]) -> None:
        """Free-running agents have neither acted nor reported for long: ask them, or end the run.

        Raises:
            DeadlineError: the policy is to end the run.
        """
        inbox = self._exchange.inbox

        def missing() -> list[int]:
            acted = {agent for agent in agents if isinstance(inbox, LatestInbox) and inbox.shelf(Kind.ACTION, agent)}
            return [agent for agent in inbox.missing(iteration, Kind.REPORT, 0, agents) if agent not in acted]

        if self.answers is not None:
            self.answers.ask(missing)
            return
        seconds = self._setup.experiment.timeouts.seconds("exchange")
        raise DeadlineError(
            f"waited {seconds:g} s for an action or the report of iteration {iteration} from {node_names(agents)}",
            where=node_name(ENVIRONMENT),
        )

    def _in_place_of(self, agent: int, iteration: int, kind: Kind) -> Message:
        if kind is Kind.ACTION:
            return Action(self.stand_in(agent, iteration))
        if kind is Kind.REPORT:
            report = self._closed[iteration][agent].report()
            self._closed = {its: kept for its, kept in self._closed.items() if its >= iteration}
            return report
        if agent not in self._kept:
            known = self._known(agent)
            if known is None:
                untrained = make_agent(agent, self._setup)
                if agent in self._setup.frozen:
                    from netagents.records.frozen_policies import load_frozen_policy

                    load_frozen_policy(untrained)
                known = untrained.arrays()
            self._kept[agent] = known
        return Snapshot(self._kept[agent])


def staleness(ages: Mapping[int, NDArray[np.int64]], company: Company | None, world: World | None) -> dict[str, Any]:
    """What there is to record about the use of anything but the newest; empty where nothing of the kind happened.

    Gives ``ages``: per agent and kind, age -> uses; ``late``: per agent, how often its action was replaced;
    ``actions``: per agent, age in ticks of its action -> ticks in which it was played; ``overruns``: ticks that came late.
    """
    told: dict[str, Any] = {}
    used = {node_name(agent): ages_by_kind(counts) for agent, counts in sorted(ages.items()) if counts[:, 1:].any()}
    if used:
        told["ages"] = used
    if company is not None and company.stragglers is not None and company.stragglers.counts:
        told["late"] = {node_name(agent): count for agent, count in sorted(company.stragglers.counts.items())}
    if world is not None:
        told["actions"] = action_ages(world)
        told["overruns"] = world.overruns
    return told
