"""Exchange of the server with agents of which some may be late, silent or lost; a plain run uses the exchange itself.

It gives the server's loop what the exchange would give it, for all agents: what the living say, and what stands for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import DeadlineError
from netagents.experiment import Experiment
from netagents.experiment.clock_settings import BoundedStalenessSettings, WaitSettings
from netagents.learning import Setup, make_agent
from netagents.learning.protocol.age_counts import ages_by_kind
from netagents.messages import ENVIRONMENT, Action, Kind, Message, Snapshot, Step, node_name, node_names
from netagents.nodes.clocks.free_running import World, action_ages
from netagents.nodes.clocks.stand_ins import LostRewards, StandIns, legal, noop
from netagents.nodes.server.failure_policy import AgentEvent, FailurePolicy, Replacement
from netagents.nodes.server.heartbeats import HeartbeatMonitor
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.latest_inbox import LatestInbox

Arrays = Mapping[str, NDArray[Any]]


def needs_tolerance(experiment: Experiment) -> bool:
    """Whether the server has to be ready for agents that are late, silent or lost."""
    clock = experiment.clock
    patient = isinstance(clock, BoundedStalenessSettings) or isinstance(getattr(clock, "straggler", None), WaitSettings)
    return experiment.failures.agent != "stop_all" or not patient


class TolerantExchange:
    """The agents of a run as the server's loop sees them.

    Args:
        exchange: the server's.
        setup: what all agents share.
        policy: of the run.
        waits: for agents that may have failed.
        checkpointed: gives what an agent knew at the newest checkpoint; None when there is none.
    """

    def __init__(
        self, exchange: Exchange, setup: Setup, policy: FailurePolicy, waits: HeartbeatMonitor, checkpointed: Callable[[int], Arrays | None]
    ) -> None:
        self._exchange, self._setup, self._policy, self._waits, self._checkpointed = exchange, setup, policy, waits, checkpointed
        self._masked = setup.spec.capabilities.masked
        self._newest_steps: dict[int, Step] = {}
        self._last_actions: dict[int, NDArray[Any]] = {}
        stand_in = setup.experiment.failures.stand_in
        self._stand_ins = StandIns(setup, stand_in)
        self._remembers = stand_in == "last"
        self._final_actions: dict[int, Mapping[int, Message]] = {}
        self._rewards: dict[int, dict[int, LostRewards]] = {}
        self._snapshots: dict[int, Arrays] = {}

    @property
    def lost(self) -> set[int]:
        """Agents that are gone for good."""
        return self._policy.lost

    def drop(self, agent: int, first: int) -> None:
        """An agent is gone for good, and iteration ``first`` begins again without it."""
        last = self._final_actions.get(first - 1, {}).get(agent)
        if isinstance(last, Action):
            self._stand_ins.remember(agent, last.actions)
        self.begin_again()

    def begin_again(self) -> None:
        """The iteration that was going on begins again."""
        self._stand_ins.forget()
        self._rewards.clear()

    # -- in --------------------------------------------------------------------------------------------------------------

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message]:
        """One message of each of ``senders``, the lost ones included."""
        lost = self._policy.lost
        living = tuple(agent for agent in senders if agent not in lost)
        messages = self._receive_living(iteration, kind, step, living)
        if self._remembers and kind is Kind.ACTION and step == self._setup.steps - 1:
            self._final_actions = {at: actions for at, actions in self._final_actions.items() if at >= iteration - 2}
            self._final_actions[iteration] = dict(zip(living, messages, strict=True))
        if not lost:
            return messages
        by_agent = dict(zip(living, messages, strict=True))
        return [by_agent[agent] if agent in by_agent else self._in_place_of(agent, iteration, kind) for agent in senders]

    def _receive_living(self, iteration: int, kind: Kind, step: int, living: Sequence[int]) -> list[Message]:
        policy, after = self._policy, self._policy.replaces
        # An iteration begins when all have closed the one before.
        if after is not None and kind is Kind.ACTION and step > 0:
            try:
                messages = self._exchange.receive(iteration, kind, step, living, after)
            except DeadlineError:
                missing = self._exchange.inbox.missing(iteration, kind, step, living)
                replacements = policy.replace_late(living, missing)
                if replacements is not None:
                    present = self._exchange.inbox.collect_present(iteration, kind, step, living)
                    messages = [
                        Action(self._replace(agent, replacements[agent])) if own is None else own
                        for agent, own in zip(living, present, strict=True)
                    ]
                    self._remember_actions(living, messages, replacements)
                    return messages
                messages = self._waits.receive(iteration, kind, step, living)
        else:
            messages = self._waits.receive(iteration, kind, step, living)
        policy.messages_arrived(living, actions=kind is Kind.ACTION)
        if after is not None:
            self._remember_actions(living, messages, {})
        return messages

    def _remember_actions(self, agents: Sequence[int], messages: Sequence[Message], replaced: Mapping[int, Replacement]) -> None:
        for agent, message in zip(agents, messages, strict=True):
            if agent not in replaced and isinstance(message, Action):
                self._last_actions[agent] = message.actions

    def _replace(self, agent: int, replacement: Replacement) -> NDArray[Any]:
        actions = noop(self._setup, agent) if replacement is Replacement.NO_OP else self._last_actions[agent]
        return legal(actions, self._newest_steps.get(agent))

    def _in_place_of(self, agent: int, iteration: int, kind: Kind) -> Message:
        if kind is Kind.ACTION:
            return Action(self.stand_in(agent, iteration))
        if kind is Kind.REPORT:
            report = self._rewards[iteration][agent].report()
            self._rewards = {at: rewards for at, rewards in self._rewards.items() if at >= iteration}
            return report
        if agent not in self._snapshots:
            arrays = self._checkpointed(agent)
            self._snapshots[agent] = make_agent(agent, self._setup).arrays() if arrays is None else arrays
        return Snapshot(self._snapshots[agent])

    # -- out -------------------------------------------------------------------------------------------------------------

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: Sequence[int]) -> None:
        """Sends a Step to its agent if it lives."""
        (agent,) = receivers
        if self._masked and isinstance(message, Step):
            self._newest_steps[agent] = message
        if agent not in self._policy.lost:
            self._exchange.send(message, kind, iteration, step, receivers)
        elif isinstance(message, Step):
            if step == 0:
                self._rewards.setdefault(iteration, {})[agent] = LostRewards(self._setup)
            self._rewards[iteration][agent].add(message)
            self._newest_steps[agent] = message

    def replaced(self) -> dict[int, NDArray[np.bool_]]:
        """Living agents whose own action of the newest step was not executed: (B,) in which copies."""
        batch, policy = self._setup.batch, self._policy
        return {agent: np.ones(batch, dtype=np.bool_) for agent in sorted(policy.replaced) if agent not in policy.lost}

    def stand_in(self, agent: int, iteration: int) -> NDArray[Any]:
        """The next action of an agent that is lost."""
        return self._stand_ins.act(agent, iteration, self._newest_steps[agent])

    def miss(self, iteration: int, agents: list[int]) -> None:
        """Free-running agents have neither acted nor reported for long: ask them, or end the run.

        Raises:
            DeadlineError: the policy is to end the run.
        """
        inbox = self._exchange.inbox

        def missing() -> list[int]:
            acted = {agent for agent in agents if isinstance(inbox, LatestInbox) and inbox.stored(Kind.ACTION, agent)}
            return [agent for agent in inbox.missing(iteration, Kind.REPORT, 0, agents) if agent not in acted]

        if self._policy.asks:
            self._waits.ask(missing)
            return
        for agent in agents:
            self._policy.handle(agent, AgentEvent.DEADLINE)
        seconds = self._setup.experiment.timeouts.seconds("exchange")
        raise DeadlineError(
            f"waited {seconds:g} s for an action or the report of iteration {iteration} from {node_names(agents)}",
            where=node_name(ENVIRONMENT),
        )


def staleness(ages: Mapping[int, NDArray[np.int64]], policy: FailurePolicy, world: World | None) -> dict[str, Any]:
    """What there is to record about the use of anything but the newest; empty where nothing of the kind happened.

    Gives ``ages``: per agent and kind, age -> uses; ``late``: per agent, how often its action was replaced;
    ``actions``: per agent, age in ticks of its action -> ticks in which it was played; ``overruns``: ticks that came late.
    """
    facts: dict[str, Any] = {}
    used = {node_name(agent): ages_by_kind(counts) for agent, counts in sorted(ages.items()) if counts[:, 1:].any()}
    if used:
        facts["ages"] = used
    if policy.times_late:
        facts["late"] = {node_name(agent): count for agent, count in sorted(policy.times_late.items())}
    if world is not None:
        facts["actions"] = action_ages(world)
        facts["overruns"] = world.overruns
    return facts
