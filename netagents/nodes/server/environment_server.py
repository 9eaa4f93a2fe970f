"""The environment server's process: owner of time and of the joint state, and writer of the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.environment_session import EnvironmentSession, Returns
from netagents.environments.specification_json import check_same_environment
from netagents.errors import IllegalActionError, NetagentsError, exit_code_of
from netagents.experiment.clock_settings import FreeRunningSettings
from netagents.experiment.imported_parts import has_foreign_code
from netagents.foreign.part_faults import foreign_faults
from netagents.learning import Ledger, Outgoing, Setup, make_record
from netagents.learning.branch_audit import BranchAudit, BranchRounds
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.learning.protocol.agent_checkpoint import checkpoint_due
from netagents.measures.power.branched_power import BranchedPower
from netagents.messages import ENVIRONMENT, MONITOR, Action, BranchAction, Kind, Message, Report, Snapshot, Step, Stop, node_name
from netagents.nodes.bootstrap.drop_counts import Refusals, refusals, refusals_line
from netagents.nodes.bootstrap.node_addresses import announce
from netagents.nodes.bootstrap.node_keys import WITHOUT_KEYS, link_settings
from netagents.nodes.clocks.free_running import World
from netagents.nodes.monitor.progress_view import to_digest
from netagents.nodes.process.node_process import EndRequestedError, ParentLostError, ProcessContext, watched_descriptors
from netagents.nodes.process.rollback import AgentLostError, AgentRestartedError
from netagents.nodes.server.participants import Participants
from netagents.nodes.server.step_actions import StepActions
from netagents.nodes.server.tolerant_exchange import staleness
from netagents.randomness import ENVIRONMENT_OWNER, seed_globally
from netagents.records.atomic_files import write_atomically
from netagents.records.recorder import Recorder
from netagents.records.run_directory import RunDirectory
from netagents.wire.session.exchange import FINISHED

Receive = Callable[[int, Kind, int, Sequence[int]], list[Message]]


def run_environment(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """The role: gather everybody, step the dynamics, record, send everybody home.

    Args:
        context: of the process.
        arguments: ``run_directory`` (made before), ``listen`` (address), ``announce`` (optional file in which to say the real one) and
            ``resume_from`` (optional iteration to go on with), ``lines`` (optional folder of the pipes to the launcher), ``copies``
            (optional file in which to say how many copies of the environment are made) and ``trust`` (code that the directory's settings
            name may run).

    Raises:
        EnvironmentMismatchError: the environment that is built here is not the one that the run was made with.
        SecurityError: the settings name code, and nobody trusts it.
    """
    directory = RunDirectory.open(Path(arguments["run_directory"]).absolute(), "trust" in arguments)
    directory.require_trust()
    prepared = prepare(directory.experiment(), keep=True)
    try:
        check_same_environment(directory.setup().spec, prepared.setup.spec, str(directory.path))
        _serve(context, arguments, directory, prepared)
    finally:
        prepared.environment.close()


def _serve(context: ProcessContext, arguments: Mapping[str, Any], directory: RunDirectory, prepared: Prepared) -> None:
    links = link_settings(arguments, ENVIRONMENT)
    if links.insecure and str(arguments["listen"]).startswith("tcp"):
        context.log.logger.warning("%s", WITHOUT_KEYS)
    first = int(arguments["resume_from"]) if "resume_from" in arguments else None
    states = directory.state_before(first, prepared.setup.n) if first else {}
    with Recorder(directory, prepared.setup, resume_from=first) as recorder:
        _open_copies(context, prepared, recorder, Path(arguments["copies"]) if "copies" in arguments else None)
        listen, pipes = str(arguments["listen"]), Path(arguments["lines"]) if "lines" in arguments else None
        participants = Participants(context, prepared.setup, recorder, directory.run_id, listen, first or 0, states, links, pipes)
        server = EnvironmentServer(context, prepared.setup, recorder, participants)
        if "announce" in arguments:
            announce(participants.endpoint, context.own(Path(arguments["announce"])))
        try:
            participants.gather()
            with foreign_faults():
                server.train(prepared.setup.session(prepared.environment))
            server.stop(FINISHED)
            recorder.close("finished")
        except EndRequestedError as error:
            context.log.leaving(error)
            server.stop("interrupted")
            recorder.close("interrupted", line="ended by SIGTERM", code=143)
        except ParentLostError as error:
            server.stop(str(error))
            recorder.close("interrupted", line=str(error), tables=False)
        except Exception as error:
            server.stop(f"{node_name(ENVIRONMENT)} failed")
            line = str(error) if isinstance(error, NetagentsError) else f"{type(error).__name__}: {error}"
            recorder.close("failed", line=line, code=exit_code_of(error), role=context.role)
            raise
        finally:
            participants.close()


def _open_copies(context: ProcessContext, prepared: Prepared, recorder: Recorder, file: Path | None) -> None:
    """Make all copies of the environment, before anybody can wait for a step."""
    count, look = prepared.setup.batch, [*dict.fromkeys(watched_descriptors(context).values())]
    context.log.phase("making copies of the environment")

    def report(made: int, whole: int) -> None:
        if file is not None:
            write_atomically(file, f"{made} {whole}".encode())
        context.log.logger.info("%d of %d copies of the environment are made", made, whole)
        for each in look:
            each()

    try:
        prepared.environment.open(count, report)
        if file is not None:
            write_atomically(file, f"{count} {count}".encode())
    except (EndRequestedError, ParentLostError) as ended:
        recorder.close("interrupted", line=str(ended), code=143)
        raise
    except Exception as error:
        line = str(error) if isinstance(error, NetagentsError) else f"{type(error).__name__}: {error}"
        recorder.close("failed", line=line, code=exit_code_of(error), role=context.role)
        raise


class EnvironmentServer:
    """The server of one run: it steps the world with those who take part, and records what they report.

    Args:
        context: of the process.
        setup: what all nodes share.
        recorder: where the records go.
        participants: the nodes of the run.
    """

    def __init__(self, context: ProcessContext, setup: Setup, recorder: Recorder, participants: Participants) -> None:
        self._context, self._setup, self._recorder, self._participants = context, setup, recorder, participants
        self._agents = tuple(range(setup.n))
        self._foreign = has_foreign_code(setup.experiment)
        self._exchange, self._tolerant, self._participation = participants.exchange, participants.tolerant, participants.participation
        self._sends: list[Callable[[Message, int, int], None]] = []
        self._receive: Receive = self._exchange.receive if self._tolerant is None else self._tolerant.receive
        plain = self._tolerant is None and self._exchange.supports_rollouts
        self._take_actions = StepActions(self._exchange, self._agents).take if plain else self._receive_actions
        self._loop = self._train_freely if isinstance(setup.experiment.clock, FreeRunningSettings) else self._train
        self._world: World | None = None
        self._ledger = Ledger(lambda _: 0)
        self._pages: dict[int, tuple[Returns, NDArray[np.int64], BranchedPower | None]] = {}
        self._sample_seconds = 0.0

    # -- training --------------------------------------------------------------------------------------------------------

    def train(self, session: EnvironmentSession) -> None:
        """All iterations; when an agent was started again, from the newest checkpoint on."""
        participants = self._participants
        while True:
            try:
                participants.begin()
                self._begin_attempt()
                self._loop(session)
            except AgentRestartedError as restarted:
                first, incarnation = self._participation.first, self._exchange.incarnation
                self._context.log.logger.warning("%s; all go back to iteration %d", restarted, first)
                self._recorder.event("restarted", agent=restarted.agent, iteration=first, incarnation=incarnation)
            except AgentLostError:
                pass  # recorded where it was lost
            else:
                return

    def _begin_attempt(self) -> None:
        """Forget what was counted of iterations that begin anew, and count no more for agents that are lost."""
        self._pages.clear()
        self._ledger = Ledger(lambda _: 0)
        if self._tolerant is not None:
            self._ledger.leave_out(self._tolerant.lost)
            self._tolerant.begin_again()

    def _train(self, session: EnvironmentSession) -> None:
        """From the newest checkpoint on; every record is written as soon as its reports are in."""
        take, setup = self._take_actions, self._setup
        iterations = setup.experiment.learning.iterations
        first, plan = self._participation.first, setup.branch_plan
        audit = None if plan is None else BranchAudit(setup, plan, session.environment)
        for iteration in range(first, iterations):
            self._context.log.phase(f"iteration {iteration}")
            self._seed_globally(iteration)
            audited = audit is not None and audit.due(iteration)
            self._send_steps(iteration, 0, session.begin(iteration))
            if audited:
                session.remember()
            start = 0.0
            for step in range(setup.steps):
                actions = take(iteration, step)
                replaced = None if self._tolerant is None else self._tolerant.replaced()
                try:
                    after = session.advance(actions, replaced)
                except IllegalActionError as illegal:
                    self._participants.expose(illegal.agent, f"sent what is no action: {illegal.what} in step {step}; {illegal.fix}")
                self._send_steps(iteration, step + 1, after)
                if replaced:
                    self._ledger.count_executed(after)
                session.settle()
                if step == 0:
                    # The reports came with the first actions; everybody is busy with the next step while they are recorded.
                    if iteration > first:
                        self._record(iteration - 1)
                    start = perf_counter()
            self._sample_seconds += perf_counter() - start
            power = self._audit(iteration, audit.rounds(iteration, session)) if audit is not None and audited else None
            self._pages[iteration] = (session.returns(), self._ledger.close(), power)
        self._record(iterations - 1)

    def _receive_actions(self, iteration: int, step: int) -> Sequence[NDArray[Any]]:
        received = self._receive(iteration, Kind.ACTION, step, self._agents)
        return [message.actions for message in received if isinstance(message, Action)]

    def _audit(self, iteration: int, rounds: BranchRounds) -> BranchedPower | None:
        """Ask all agents what they would do in the branches of an audit; their answers are waited for like their actions."""
        while rounds.requests is not None:
            ordinal = rounds.ordinal
            for agent, message in enumerate(rounds.requests):
                self._exchange.send(message, Kind.BRANCH_STEP, iteration, ordinal, (agent,))
                self._ledger.count(Outgoing(Kind.BRANCH_STEP, iteration, ordinal, message, (agent,)))
            answers = self._receive(iteration, Kind.BRANCH_ACTION, ordinal, self._agents)
            try:
                rounds.answer([each.actions for each in answers if isinstance(each, BranchAction)])
            except IllegalActionError as illegal:
                self._participants.expose(illegal.agent, f"sent what is no action: {illegal.what} in an audit; {illegal.fix}")
        return rounds.power

    def _train_freely(self, session: EnvironmentSession) -> None:
        """The same on a timer: an iteration ends when all reports of it are in."""
        tolerant = self._tolerant
        assert tolerant is not None
        if self._world is None:
            self._world = World(self._exchange, self._setup, tolerant.send, tolerant.miss, tolerant.stand_in)
        for iteration in range(self._participation.first, self._setup.experiment.learning.iterations):
            self._context.log.phase(f"iteration {iteration}")
            self._seed_globally(iteration)
            start = perf_counter()
            try:
                steps = self._world.run(session, iteration, [agent for agent in self._agents if agent not in tolerant.lost])
            except IllegalActionError as illegal:
                self._participants.expose(illegal.agent, f"sent what is no action: {illegal.what}; {illegal.fix}")
            self._ledger.count_steps(iteration, steps, self._world.ticks)
            self._sample_seconds += perf_counter() - start
            self._pages[iteration] = (session.returns(), self._ledger.close(), None)
            self._record(iteration)

    def _seed_globally(self, iteration: int) -> None:
        if self._foreign:
            seed_globally(self._setup.experiment.seed, ENVIRONMENT_OWNER, iteration)

    def _send_steps(self, iteration: int, step: int, messages: list[Step]) -> None:
        if self._tolerant is not None:
            for agent, message in enumerate(messages):
                self._tolerant.send(message, Kind.STEP, iteration, step, (agent,))
        else:
            if step == 0:
                # A session's messages have one form throughout.
                channels = [self._exchange.channel(Kind.STEP, (agent,)) for agent in self._agents]
                self._sends = [channel.compile_arrays(message) for channel, message in zip(channels, messages, strict=True)]
            for send, message in zip(self._sends, messages, strict=True):
                send(message, iteration, step)
        if step == 0:
            self._ledger.count_steps(iteration, messages, self._setup.steps)

    def _record(self, iteration: int) -> None:
        reports = self._receive(iteration, Kind.REPORT, 0, self._agents)
        self._check_reports(reports)
        due = checkpoint_due(self._setup.experiment, iteration)
        snapshots = self._receive(iteration, Kind.SNAPSHOT, 0, self._agents) if due else []
        # From here on nothing is waited for, so that a restart finds an iteration recorded and kept, or neither.
        returns, ledger, power = self._pages.pop(iteration)
        if not self._participation.record(iteration):
            return  # after a restart, the same numbers once more
        typed = [report for report in reports if isinstance(report, Report)]
        record = make_record(iteration, self._setup.metric_names, returns.team, returns.discounted, typed, ledger, ENVIRONMENT, power)
        self._recorder.iteration(record)
        self._participants.irregularities.record(iteration, self._refused, self._participants.policy.times_late)
        if due:
            states = {agent: snapshot.arrays for agent, snapshot in enumerate(snapshots) if isinstance(snapshot, Snapshot)}
            self._recorder.snapshot(iteration, states)
            self._participation.keep(iteration)
        if self._setup.experiment.runtime.monitor:
            self._exchange.offer(to_digest(record), Kind.DIGEST, iteration, 0, MONITOR)

    def _check_reports(self, reports: Sequence[Message]) -> None:
        lost = () if self._tolerant is None else self._tolerant.lost
        for agent, report in enumerate(reports):
            if isinstance(report, Report) and agent not in lost:
                breach = self._participants.checks.breach(agent, report)
                if breach is not None:
                    self._participants.expose(agent, breach)

    def _refused(self) -> dict[int, Refusals]:
        return self._participants.reports.refused(refusals(self._exchange.inbox, self._participants.transport))

    # -- end -------------------------------------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Send every node home, best effort, and write down what travelled."""
        self._participants.leave()
        # Counted before anybody is sent home, because links that end after that end as they should.
        refused = refusals(self._exchange.inbox, self._participants.transport)
        if refused:
            self._context.log.logger.warning("refused in all: %s", refusals_line(refused))
        for node in sorted(self._exchange.linked):
            self._exchange.offer(Stop(reason), Kind.STOP, 0, 0, node)
        experiment, reports = self._setup.experiment, self._participants.reports
        if reason == FINISHED and experiment.routing == "relay":
            reports.await_relay_stats(self._exchange, len(self._agents), experiment.timeouts.seconds("linger"))
        reports.write(self._recorder, self._exchange, refused, self._sample_seconds)
        stale = staleness(reports.ages, self._participants.policy, self._world)
        if stale:
            self._recorder.event("staleness", **stale)
