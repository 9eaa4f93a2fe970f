"""The agent's process: it drives the agent's state machine over its links."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from netagents.errors import NodeFailedError, exit_code_of
from netagents.experiment.imported_parts import has_foreign_code
from netagents.foreign.part_faults import foreign_faults
from netagents.learning import Setup, make_agent
from netagents.learning.protocol.agent_checkpoint import restore_agent
from netagents.learning.protocol.relay_routes import Routes, neighbours_used
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Kind, Report
from netagents.nodes.agent.agent_driver import make_drive
from netagents.nodes.agent.inbox_recording import InboxRecorder
from netagents.nodes.bootstrap.joining import Part, join
from netagents.nodes.bootstrap.membership import Membership
from netagents.nodes.clocks.clock_inbox import make_inbox
from netagents.nodes.process.endings import EndRequestedError, ParentLostError
from netagents.nodes.process.node_process import ProcessContext
from netagents.nodes.process.rollback import RollbackError
from netagents.randomness import seed_globally
from netagents.wire.session.inbox import UNKNOWN_RUN
from netagents.wire.session.stop_request import FINISHED, StopReceivedError


def run_agent(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """The role: join, learn, report, leave.

    Args:
        context: of the process.
        arguments: ``index``, ``by_hand`` (there is no launcher that knows how the run ended), and what
            :func:`netagents.nodes.bootstrap.joining.join` needs.

    Raises:
        NodeFailedError: started by hand, and the server sent it home before the last iteration.
    """
    index = int(arguments["index"])
    membership: Membership | None = None
    try:
        membership = join(context, index, arguments, lambda setup: plan(setup, index))
        while True:
            try:
                with _recording(arguments, membership) as recorder, foreign_faults():
                    learn(context, membership, recorder)
            except RollbackError as taken_back:
                context.log.logger.info("%s", taken_back)
                membership.begin_again(taken_back)
    except (StopReceivedError, EndRequestedError, ParentLostError) as ended:
        context.log.leaving(ended)
        if membership is not None:
            membership.tell_carried()
        if isinstance(ended, StopReceivedError) and ended.reason != FINISHED and "by_hand" in arguments:
            # Nobody else tells whoever started it that the work is not done.
            raise NodeFailedError(f"the run did not finish: {ended.reason}", where=context.role) from ended
    except Exception as error:
        if membership is not None:
            membership.fail(error, exit_code_of(error))
        raise
    finally:
        if membership is not None:
            membership.leave()


def plan(setup: Setup, index: int) -> Part:
    """Whom the agent hears and who needs it; the inbox lets in nothing from beyond the radius of each kind."""
    heard = {kind: setup.heard(kind, index) for kind in NEIGHBOUR_KINDS}
    speaks_to = frozenset(j for kind in NEIGHBOUR_KINDS for j in setup.audience(kind, index))
    hears = frozenset(j for senders in heard.values() for j in senders)
    allowed: dict[Kind, tuple[int, ...]] = {Kind.STEP: (ENVIRONMENT,), Kind.SNAPSHOT: (ENVIRONMENT,), **heard}
    inbox = make_inbox(setup, index, UNKNOWN_RUN, allowed)
    if setup.experiment.routing == "relay":
        places = Routes(setup).places(index)
        return Part(inbox, *neighbours_used(places, index), places)
    return Part(inbox, speaks_to, hears)


def learn(context: ProcessContext, membership: Membership, recorder: InboxRecorder | None = None) -> None:
    """All iterations, then the farewell, then wait for the server's stop; a recorder writes down what the agent is told."""
    setup, exchange = membership.setup, membership.exchange
    agent = make_agent(membership.index, setup)
    if membership.state is not None:
        restore_agent(agent, membership.state, "the state that the server sent")
    elif agent.index in setup.frozen:
        # Agents that learn do without records.
        from netagents.records.frozen_policies import load_frozen_policy

        load_frozen_policy(agent)
    drive = make_drive(membership, agent, recorder)
    send, receive, walk = drive.send, drive.receive, drive.drive_rollout
    clock = _Clock(membership)
    iterations = setup.experiment.learning.iterations
    foreign = has_foreign_code(setup.experiment)
    for iteration in range(membership.first_iteration, iterations):
        context.log.phase(f"iteration {iteration}")
        if recorder is not None:
            recorder.begin(iteration, agent.arrays)
        if foreign:
            seed_globally(setup.experiment.seed, agent.index, iteration)
        turns = drive.begin(iteration)
        turn = next(turns)
        while True:
            outgoing, awaited, its, step, senders, rounds = turn
            for kind, of, at, message, receivers in outgoing:
                send(clock.stamp(message) if type(message) is Report else message, kind, of, at, receivers)
            try:
                if rounds is None or walk is None:
                    turn = turns.send(receive(its, awaited, step, senders))
                else:
                    walk(rounds)
                    turn = turns.send([])
            except StopIteration:
                break
        clock.close_iteration()
        if recorder is not None:
            recorder.end(iteration, agent.arrays())
        membership.tell_refusals()
        drive.close()
    for kind, its, step, message, receivers in agent.farewell(iterations - 1):
        send(clock.stamp(message) if isinstance(message, Report) else message, kind, its, step, receivers)
    membership.tell_refusals()
    context.log.phase("finished, waiting for the server's stop")
    exchange.serve(lambda: False, setup.experiment.timeouts.seconds("exchange"), lambda _: "waited for the server's stop")


@contextlib.contextmanager
def _recording(arguments: Mapping[str, Any], membership: Membership) -> Iterator[InboxRecorder | None]:
    """What writes down what the agent is told, if somebody asked for that."""
    if "record_inbox" not in arguments:
        yield None
        return
    most_bytes = membership.setup.experiment.runtime.record_inbox_bytes
    recorder = InboxRecorder(Path(arguments["record_inbox"]), membership.exchange.inbox.run, membership.index, most_bytes)
    try:
        yield recorder
    finally:
        recorder.close()


class _Clock:
    """Where the time of an iteration went: computing, waiting, serialising."""

    def __init__(self, membership: Membership) -> None:
        self._traffic = membership.exchange.traffic
        self._last = (perf_counter(), self._traffic.wait_seconds, self._traffic.serialise_seconds)
        self._spent = np.zeros(3)

    def close_iteration(self) -> None:
        """The iteration ends here."""
        now = (perf_counter(), self._traffic.wait_seconds, self._traffic.serialise_seconds)
        whole, wait, serialise = (after - before for after, before in zip(now, self._last, strict=True))
        self._spent = np.array([whole - wait - serialise, wait, serialise])
        self._last = now

    def stamp(self, report: Report) -> Report:
        """The report with the seconds of the iteration that has ended."""
        return report._replace(timing=self._spent)
