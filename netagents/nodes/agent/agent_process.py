"""Process of an agent: it joins the run and drives the agent over its links."""

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
from netagents.nodes.agent.agent_driver import make_driver
from netagents.nodes.agent.inbox_recording import InboxRecorder
from netagents.nodes.bootstrap.joining import NodePlan, join
from netagents.nodes.bootstrap.membership import Membership
from netagents.nodes.clocks.clock_inbox import make_inbox
from netagents.nodes.process.node_process import EndRequestedError, ParentLostError, ProcessContext
from netagents.nodes.process.rollback import RollbackError
from netagents.randomness import seed_globally
from netagents.records.replay_buffer_files import ReplayFiles
from netagents.wire.session.exchange import FINISHED, StopReceivedError
from netagents.wire.session.radius_admission import UNKNOWN_RUN


def run_agent(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
    """The role ``agent``: join, learn, report, leave.

    Args:
        context: of the process.
        arguments: ``index``, ``by_hand`` (no launcher knows how the run ends), ``replay`` (folder of replay buffers), and those of
            :func:`netagents.nodes.bootstrap.joining.join`.

    Raises:
        NodeFailedError: it was started by hand, and the server stopped it before the last iteration.
    """
    index = int(arguments["index"])
    replay = ReplayFiles(Path(arguments["replay"]) if "replay" in arguments else None, index)
    membership: Membership | None = None
    try:
        membership = join(context, index, arguments, lambda setup: plan(setup, index))
        while True:
            try:
                with _recording(arguments, membership) as recorder, foreign_faults():
                    learn(context, membership, replay, recorder)
            except RollbackError as rollback:
                context.log.logger.info("%s", rollback)
                membership.rejoin(rollback)
    except (StopReceivedError, EndRequestedError, ParentLostError) as ended:
        context.log.leaving(ended)
        if membership is not None:
            membership.send_relay_stats()
        if isinstance(ended, StopReceivedError) and ended.reason != FINISHED and "by_hand" in arguments:
            # Without a launcher nobody else reports that the run is incomplete.
            raise NodeFailedError(f"the run did not finish: {ended.reason}", where=context.role) from ended
    except Exception as error:
        if membership is not None:
            membership.fail(error, exit_code_of(error))
        raise
    finally:
        if membership is not None:
            membership.leave()


def plan(setup: Setup, index: int) -> NodePlan:
    """The links and the inbox of an agent; the inbox accepts nothing from beyond the radius of each kind."""
    senders = {kind: setup.in_neighbours(kind, index) for kind in NEIGHBOUR_KINDS}
    out_peers = frozenset(j for kind in NEIGHBOUR_KINDS for j in setup.out_neighbours(kind, index))
    in_peers = frozenset(j for kind_senders in senders.values() for j in kind_senders)
    from_server = (Kind.STEP, Kind.SNAPSHOT) if setup.branch_plan is None else (Kind.STEP, Kind.SNAPSHOT, Kind.BRANCH_STEP)
    allowed: dict[Kind, tuple[int, ...]] = {**dict.fromkeys(from_server, (ENVIRONMENT,)), **senders}
    inbox = make_inbox(setup, index, UNKNOWN_RUN, allowed)
    if setup.experiment.routing == "relay":
        tree_nodes = Routes(setup).places(index)
        return NodePlan(inbox, *neighbours_used(tree_nodes, index), tree_nodes)
    return NodePlan(inbox, out_peers, in_peers)


def learn(context: ProcessContext, membership: Membership, replay: ReplayFiles, recorder: InboxRecorder | None = None) -> None:
    """Carry out all iterations, send the last report, and wait for the server's stop.

    Args:
        context: of the process.
        membership: of the run.
        replay: keeps the agent's replay buffer, where it has one.
        recorder: records the inbox.
    """
    setup, exchange = membership.setup, membership.exchange
    agent = make_agent(membership.index, setup)
    replay.carry(agent, begins=membership.state is None)
    if membership.state is not None:
        restore_agent(agent, membership.state, "the state that the server sent")
        replay.load(agent)
    elif setup.frozen or setup.experiment.interventions:
        # All others do without records.
        from netagents.records.frozen_policies import load_frozen_policy

        load_frozen_policy(agent)
    timer = _IterationTimer(membership)
    driver = make_driver(membership, agent, recorder, timer.stamp)
    iterations = setup.experiment.learning.iterations
    foreign = has_foreign_code(setup.experiment)
    for iteration in range(membership.first_iteration, iterations):
        context.log.phase(f"iteration {iteration}")
        if recorder is not None:
            recorder.begin(iteration, agent.arrays)
        if foreign:
            seed_globally(setup.experiment.seed, agent.index, iteration)
        driver.run(iteration)
        replay.keep(agent, iteration)
        timer.close_iteration()
        if recorder is not None:
            recorder.end(iteration, agent.arrays())
        membership.send_drop_counts()
        membership.send_ages()
    driver.send(agent.farewell(iterations - 1))
    membership.send_drop_counts()
    context.log.phase("finished, waiting for the server's stop")
    seconds = setup.experiment.timeouts.seconds("exchange")
    exchange.serve(lambda: False, seconds, lambda _: f"waited {seconds:g} s after its last report for the stop from environment")


@contextlib.contextmanager
def _recording(arguments: Mapping[str, Any], membership: Membership) -> Iterator[InboxRecorder | None]:
    """The recorder of the agent's inbox, if the run records it."""
    if "record_inbox" not in arguments:
        yield None
        return
    most_bytes = membership.setup.experiment.runtime.record_inbox_bytes
    recorder = InboxRecorder(Path(arguments["record_inbox"]), membership.exchange.inbox.run, membership.index, most_bytes)
    try:
        yield recorder
    finally:
        recorder.close()


class _IterationTimer:
    """Times of an iteration: computing, waiting, serialising."""

    def __init__(self, membership: Membership) -> None:
        self._traffic = membership.exchange.traffic
        self._last = (perf_counter(), self._traffic.wait_seconds, self._traffic.serialise_seconds)
        self._seconds = np.zeros(3)

    def close_iteration(self) -> None:
        """Measure the iteration that ends now."""
        now = (perf_counter(), self._traffic.wait_seconds, self._traffic.serialise_seconds)
        whole, wait, serialise = (after - before for after, before in zip(now, self._last, strict=True))
        self._seconds = np.array([whole - wait - serialise, wait, serialise])
        self._last = now

    def stamp(self, report: Report) -> Report:
        """The report with the times of the iteration that has ended."""
        return report._replace(timing=self._seconds)
