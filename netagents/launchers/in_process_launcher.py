"""In-process launcher: all agents and the environment in the caller's process, with the records of every other launcher."""

from __future__ import annotations

from netagents.errors import InterruptedRunError, NetagentsError, exit_code_of
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.foreign.containment import contained
from netagents.foreign.part_faults import foreign_faults
from netagents.launchers.copy_progress import CopyProgress
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.launchers.launcher import LaunchedRun, Launcher
from netagents.messages import LINK_COSTS
from netagents.monitoring.sinks.sink_host import open_sinks
from netagents.nodes.monitor.progress_view import PowerMonitor, make_view
from netagents.records.recorder import Recorder
from netagents.records.run_creation import REPLAY


class InProcessLauncher(Launcher):
    """Runs an :class:`~netagents.launchers.in_process_network.InProcessNetwork` and records what it gives."""

    capabilities = CAPABILITIES["in_process"]

    def carry_out(self, run: LaunchedRun) -> None:
        with contained():
            try:
                _train(run)
            finally:
                run.prepared.environment.close()


def _train(run: LaunchedRun) -> None:
    prepared, directory, display, first = run.prepared, run.directory, run.display, run.first
    iterations = prepared.experiment.learning.iterations
    prepared.environment.open(prepared.setup.batch, CopyProgress(display.note))
    network = InProcessNetwork(prepared.setup, prepared.environment, replay=directory.path / REPLAY)
    power = PowerMonitor(prepared.setup)
    if first:
        network.restore(directory.state_before(first, prepared.setup.n), str(directory.path))
    display.started(prepared.experiment.name, {})
    sinks = open_sinks(prepared.experiment, directory.run_id.hex(), prepared.topology.labels)
    try:
        with Recorder(directory, prepared.setup, resume_from=first) as recorder:
            try:
                try:
                    with foreign_faults():
                        for record in network.run(first or 0, iterations):
                            recorder.iteration(record)
                            if network.snapshot_iteration == record.iteration:
                                recorder.snapshot(record.iteration, network.snapshots)
                            display.show(make_view(power, record, iterations, 0))
                            if sinks:
                                sinks.write(record, power.concentration(power.matrix(record.power)))
                            if run.watch is not None:
                                run.watch.look()
                            if run.interruptions.first is not None:
                                raise InterruptedRunError("the run was interrupted", signal_number=run.interruptions.first)
                finally:
                    if network.links is not None:
                        recorder.event("links", columns=list(LINK_COSTS), rows=network.links.costs().tolist())
                recorder.close("finished")
            except InterruptedRunError as error:
                recorder.close("interrupted", line=str(error), code=error.code, role="launcher")
                raise
            except Exception as error:
                line = str(error) if isinstance(error, NetagentsError) else f"{type(error).__name__}: {error}"
                recorder.close("failed", line=line, code=exit_code_of(error), role="in_process")
                raise
    finally:
        sinks.close()
