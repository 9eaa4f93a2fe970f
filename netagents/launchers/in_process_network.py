"""In-process network: all agents and the environment in one process, messages passed in memory; for debugging, and the oracle of tests.

It runs the very agents that ``nodes/agent`` runs, and folds every inbox in the same order, so it leaves the same bits behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.environment_session import Returns
from netagents.environments.networked_mdp import NetworkedMDP
from netagents.experiment.imported_parts import has_foreign_code
from netagents.learning import (
    ExchangeRequest,
    IterationRecord,
    Ledger,
    NetworkedAgent,
    Outgoing,
    Setup,
    TabularAgent,
    make_agent,
    make_record,
)
from netagents.learning.branch_audit import BranchAudit, BranchRounds
from netagents.learning.protocol.agent_checkpoint import restore_agent
from netagents.learning.protocol.information_age import delays, is_aged
from netagents.learning.protocol.relay_routes import Routes
from netagents.learning.protocol.requests import ROLLOUT_DONE, RolloutRequest
from netagents.measures.power.branched_power import BranchedPower
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Action, BranchAction, Kind, Message, Report, Snapshot, Step
from netagents.nodes.process.freed_memory import keep_freed_memory
from netagents.randomness import ENVIRONMENT_OWNER, GlobalNumbers
from netagents.records.frozen_policies import load_frozen_policy
from netagents.records.replay_buffer_files import ReplayFiles
from netagents.wire.links.in_process_link_costs import InProcessLinkCosts
from netagents.wire.links.link_model import link_faults

Observer = Callable[[int, ExchangeRequest, list[Message]], None]
"""Called as ``observer(agent, turn, messages)`` each time an agent gets what it waited for."""


class InProcessNetwork:
    """A whole run in one process.

    Args:
        setup: what all agents share.
        environment: the networked MDP.
        observer: sees every delivery (tests, debugging).
        replay: folder of the agents' replay buffers; None keeps them in memory alone.
    """

    def __init__(self, setup: Setup, environment: NetworkedMDP, observer: Observer | None = None, replay: Path | None = None) -> None:
        self.setup = setup
        foreign = has_foreign_code(setup.experiment)
        self._numbers = GlobalNumbers(setup.experiment.seed, foreign)
        self.agents: list[NetworkedAgent] = [make_agent(index, setup) for index in range(setup.n)]
        self._replay = [ReplayFiles(replay, agent.index) for agent in self.agents]
        self.session = setup.session(environment)
        self._audit = None if setup.branch_plan is None else BranchAudit(setup, setup.branch_plan, environment)
        self._observer = observer
        self._server_ledger = Ledger(lambda _: 0)
        experiment = setup.experiment
        self.links = (
            InProcessLinkCosts(experiment.faults, experiment.seed, experiment.timeouts.seconds("exchange"))
            if link_faults(experiment.faults)
            else None
        )
        """What models of links would have cost; None where there are none."""
        # Who looks at messages, delays them or keeps global random numbers of each agent's own apart needs them one by one.
        self._at_once = observer is None and self.links is None and not foreign and not is_aged(setup)
        self._routes = Routes(setup) if self.links is not None and experiment.routing == "relay" else None
        self._delays = [delays(setup, index) for index in range(setup.n)] if is_aged(setup) else None
        self._mail: dict[tuple[int, Kind, int, int, int], Message] = {}
        self._all_agents = tuple(range(setup.n))
        self._server_pages: dict[int, tuple[Returns, NDArray[np.int64], BranchedPower | None]] = {}
        self.snapshots: dict[int, Mapping[str, NDArray[Any]]] = {}
        """Per agent every named array of the newest state that they told; it is that after ``snapshot_iteration``."""
        self.snapshot_iteration = -1
        self.sample_seconds = 0.0
        """Spent in the steps of all iterations so far, where these are played without messages; what agents learn does not count."""

    @property
    def tabular_agents(self) -> list[TabularAgent]:
        """The agents of an experiment that learns with tables, whose entries may be looked at."""
        return [agent for agent in self.agents if isinstance(agent, TabularAgent)]

    def restore(self, states: Mapping[int, Mapping[str, NDArray[Any]]], where: str) -> None:
        """Give every agent its state of a checkpoint.

        Raises:
            RunDirectoryError: a component is missing, unknown or does not fit.
        """
        for agent in self.agents:
            restore_agent(agent, states[agent.index], where)
            self._replay[agent.index].load(agent)

    def run(self, first: int, last: int) -> Iterator[IterationRecord]:
        """Train iterations ``first`` to ``last`` - 1; each record comes as soon as all its reports are in, and after it
        :attr:`snapshot_iteration` tells whether there is a new state as well."""
        keep_freed_memory()
        if first == 0:
            for agent in self.agents:
                load_frozen_policy(agent)
        for iteration in range(first, last):
            self._iterate(iteration)
            for files, agent in zip(self._replay, self.agents, strict=True):
                files.keep(agent, iteration)
            if iteration > first:
                yield self._close(iteration - 1)
        for agent in self.agents:
            for outgoing in agent.farewell(last - 1):
                self._deliver(agent.index, outgoing)
        yield self._close(last - 1)

    def _iterate(self, iteration: int) -> None:
        for owner in (ENVIRONMENT_OWNER, *self._all_agents):
            self._numbers.begin(owner, iteration)
        generators = [agent.iterate(iteration) for agent in self.agents]
        waiting: list[ExchangeRequest | None] = []
        for index, generator in enumerate(generators):
            with self._numbers.of(index):
                first = next(generator)
            self._send(index, first)
            waiting.append(first)
        rollouts = [request.rollout for request in waiting if request is not None and request.rollout is not None]
        executed = 0
        audit: BranchRounds | None = None
        if self._at_once and len(rollouts) == self.setup.n:
            start = perf_counter()
            self._play(iteration, rollouts)
            self.sample_seconds += perf_counter() - start
            executed = self.setup.steps
            for index, generator in enumerate(generators):
                try:
                    waiting[index] = generator.send(ROLLOUT_DONE)
                except StopIteration:
                    # It hears nobody and nobody hears it: the rollout was all.
                    waiting[index] = None
                self._send(index, waiting[index])
        else:
            self._step(iteration, 0, None)
        while any(turn is not None for turn in waiting):
            moved = False
            for index, generator in enumerate(generators):
                while (turn := waiting[index]) is not None and (messages := self._collect(index, turn)) is not None:
                    moved = True
                    if self._observer is not None:
                        self._observer(index, turn, messages)
                    try:
                        with self._numbers.of(index):
                            waiting[index] = generator.send(messages)
                    except StopIteration:
                        waiting[index] = None
                        break
                    self._send(index, waiting[index])
            if executed < self.setup.steps:
                actions = self._collect(ENVIRONMENT, ExchangeRequest([], Kind.ACTION, iteration, executed, self._all_agents))
                if actions is not None:
                    executed += 1
                    self._step(iteration, executed, [action.actions for action in actions if isinstance(action, Action)])
                    moved = True
            elif audit is None and self._audit is not None and self._audit.due(iteration):
                audit = self._audit.rounds(iteration, self.session)
                self._ask_in_branches(iteration, audit)
                moved = True
            elif audit is not None and audit.requests is not None:
                branched = ExchangeRequest([], Kind.BRANCH_ACTION, iteration, audit.ordinal, self._all_agents)
                answers = self._collect(ENVIRONMENT, branched)
                if answers is not None:
                    audit.answer([each.actions for each in answers if isinstance(each, BranchAction)])
                    self._ask_in_branches(iteration, audit)
                    moved = True
            if not moved:
                stuck = [f"agent {index} for {turn.kind.name.lower()}" for index, turn in enumerate(waiting) if turn is not None]
                raise RuntimeError(f"iteration {iteration} cannot go on: {', '.join(stuck)}")
        power = None if audit is None else audit.power
        self._server_pages[iteration] = (self.session.returns(), self._server_ledger.close(), power)

    def _ask_in_branches(self, iteration: int, audit: BranchRounds) -> None:
        """Deliver what everybody observes in the branches of an audit."""
        for agent, message in enumerate(audit.requests or ()):
            outgoing = Outgoing(Kind.BRANCH_STEP, iteration, audit.ordinal, message, (agent,))
            self._server_ledger.count(outgoing)
            self._deliver(ENVIRONMENT, outgoing)

    def _play(self, iteration: int, rollouts: Sequence[RolloutRequest]) -> None:
        """All steps of an iteration, without a message for each: what :func:`netagents.nodes.agent.rollout_driver.drive_rollout` does in
        every process, for all agents at once."""
        session, ledger, steps = self.session, self._server_ledger, self.setup.steps
        windows = []
        for index, request in enumerate(rollouts):
            window = list(request.in_neighbours)
            window.insert(request.own_index, index)
            windows.append((request.decide, window))
        observers = [request.observe for request in rollouts]
        forms = [(request.sample_action.actions.dtype, request.sample_action.actions.shape) for request in rollouts]
        (dtype, shape), alike = forms[0], len(set(forms)) == 1
        messages = self._begin(iteration)
        ledger.count_steps(iteration, messages, steps)
        for step in range(steps + 1):
            for observe, message in zip(observers, messages, strict=True):
                observe(message)
            states = [message.observation.tobytes() for message in messages]
            joint_action = [decide(step, [states[j] for j in window]) for decide, window in windows]
            if step < steps:
                actions: Any
                if alike:
                    actions = np.frombuffer(b"".join(joint_action), dtype).reshape(len(joint_action), *shape)
                else:
                    actions = [np.frombuffer(each, dtype).reshape(shape) for each, (dtype, shape) in zip(joint_action, forms, strict=True)]
                messages = session.advance(actions)

    def _step(self, iteration: int, step: int, actions: list[NDArray[Any]] | None) -> None:
        with self._numbers.of(ENVIRONMENT_OWNER):
            messages = self._begin(iteration) if actions is None else self.session.advance(actions)
        if step == 0:
            self._server_ledger.count_steps(iteration, messages, self.setup.steps)
        else:
            self._server_ledger.count_executed(messages)
        for index, message in enumerate(messages):
            self._deliver(ENVIRONMENT, Outgoing(Kind.STEP, iteration, step, message, (index,)))

    def _begin(self, iteration: int) -> list[Step]:
        messages = self.session.begin(iteration)
        if self._audit is not None and self._audit.due(iteration):
            self.session.remember()
        return messages

    def _send(self, sender: int, turn: ExchangeRequest | None) -> None:
        if turn is not None:
            for outgoing in turn.outgoing:
                self._deliver(sender, outgoing)

    def _deliver(self, sender: int, outgoing: Outgoing) -> None:
        message = outgoing.message
        if isinstance(message, Snapshot):
            # It goes on learning before this is looked at.
            message = Snapshot({name: array.copy() for name, array in message.arrays.items()})
        if self.links is not None:
            for node, receivers in self._ways(sender, outgoing):
                self.links.carry(node, receivers, outgoing.kind, outgoing.iteration, outgoing.step, message)
        delays = self._delays if outgoing.kind is Kind.STATE else None
        for receiver in outgoing.receivers:
            step = outgoing.step if not delays else outgoing.step + delays[receiver][sender]
            # What would count after the last step is of no use.
            if not delays or step <= self.setup.steps:
                self._mail[receiver, outgoing.kind, outgoing.iteration, step, sender] = message

    def _ways(self, sender: int, outgoing: Outgoing) -> Iterator[tuple[int, Sequence[int]]]:
        """The hops of a message between processes: directly to the out-neighbours, or from neighbour to neighbour."""
        if self._routes is None or outgoing.kind not in NEIGHBOUR_KINDS:
            yield sender, outgoing.receivers
            return
        for node, place in self._routes.tree(outgoing.kind, sender).items():
            yield node, place.children

    def _collect(self, receiver: int, turn: ExchangeRequest) -> list[Message] | None:
        mail, keys = self._mail, [(receiver, turn.kind, turn.iteration, turn.step, sender) for sender in turn.senders]
        for key in keys:
            if key not in mail:
                return None
        return [mail.pop(key) for key in keys]

    def _close(self, iteration: int) -> IterationRecord:
        reports = [self._mail.pop((ENVIRONMENT, Kind.REPORT, iteration, 0, index)) for index in range(self.setup.n)]
        returns, ledger, power = self._server_pages.pop(iteration)
        typed = [report for report in reports if isinstance(report, Report)]
        snapshots = [self._mail.pop((ENVIRONMENT, Kind.SNAPSHOT, iteration, 0, index), None) for index in range(self.setup.n)]
        if all(isinstance(snapshot, Snapshot) for snapshot in snapshots):
            self.snapshots = {index: snapshot.arrays for index, snapshot in enumerate(snapshots) if isinstance(snapshot, Snapshot)}
            self.snapshot_iteration = iteration
        return make_record(iteration, self.setup.metric_names, returns.team, returns.discounted, typed, ledger, ENVIRONMENT, power)
