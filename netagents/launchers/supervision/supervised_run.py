"""Supervised runs, with processes or containers as nodes: views, notes, the watchdog, and how the run ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from netagents.errors import DecodeError, EngineError, ForeignCodeError, InterruptedRunError, NetagentsError, NodeFailedError
from netagents.experiment.failure_settings import FailureSettings
from netagents.launchers.copy_progress import await_copies
from netagents.launchers.display import Display
from netagents.launchers.iteration_callback import IterationWatch
from netagents.launchers.supervision.node_watch import FORKSERVER
from netagents.launchers.supervision.restarts import ContinueWithout, Recovery, Restarts
from netagents.launchers.supervision.supervisor import Supervisor
from netagents.launchers.supervision.supervisor_events import Exited, NodeEvent, NodeReady, Paused, Restarted
from netagents.launchers.supervision.watchdog import Watchdog
from netagents.learning.prepared_experiment import Prepared
from netagents.monitoring.sinks.sink_host import SETTLING_SECONDS, wanted_sinks
from netagents.nodes.monitor.progress_view import ProgressView
from netagents.nodes.process.control_pipe import LOST, SILENT, ControlPipe
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.records.run_creation import LOGS, METRICS
from netagents.records.run_directory import RunDirectory
from netagents.wire.transport.transport import LinkSettings, Listener, open_transport

VIEW_INTERVAL = 0.1
"""Seconds between looks at what the monitor sent."""


@contextlib.contextmanager
def viewing(folder: Path, scheme: str = "ipc") -> Iterator[tuple[Listener, str]]:
    """Listen in a folder for what the monitor sees; gives the listener and its address.

    Args:
        folder: for the socket.
        scheme: of the run's links; those over tcp say nothing about the view, which stays on this host.
    """
    view = f"{'ipc' if scheme == 'tcp' else scheme}://{folder}/view"
    viewer = open_transport(view, LinkSettings(linger_seconds=0.0))
    try:
        yield viewer.listen(view), view
    finally:
        viewer.close()


@contextlib.contextmanager
def ending(directory: RunDirectory, sockets: SocketDirectory) -> Iterator[None]:
    """Write down how the run ended when its server no longer can, and leave nothing behind but the records."""
    try:
        yield
    except NodeFailedError as error:
        failure = getattr(error, "failure", None)
        directory.append_event(
            "failed", role=error.where or "", exit_code=error.exit_code, line=str(error), signal=getattr(failure, "signal", None)
        )
        raise
    except InterruptedRunError as error:
        # The server says who asked it to end; why that was, the launcher knows.
        if directory.ending()[0] != "finished":
            directory.append_event("interrupted", role="launcher", exit_code=error.code, line=str(error))
        raise
    except (EngineError, ForeignCodeError) as error:
        directory.append_event("failed", role="launcher", exit_code=error.exit_code, line=str(error))
        raise
    finally:
        sockets.remove()
        directory.sweep_temporaries()


def supervise(
    supervisor: Supervisor,
    prepared: Prepared,
    directory: RunDirectory,
    display: Display,
    listener: Listener,
    lines: Path,
    copies: Path | None = None,
    watch: IterationWatch | None = None,
) -> None:
    """Start the nodes and watch them until the run has finished.

    Args:
        supervisor: of the nodes.
        prepared, directory, display: as :func:`netagents.launchers.launch.carry_out` has them.
        listener: for views.
        lines: folder of the lines between launcher and server.
        copies: file in which the server says how many copies of its environment it has made, where others are to start only then.
        watch: of the rows, for the caller's callback.

    Raises:
        EndedByCallbackError, ForeignCodeError: the callback ended the run, or raised an error; all nodes have been ended.
        NodeFailedError: names the node that failed first; all others have been ended.
        InterruptedRunError: Ctrl-C or SIGTERM; all have been ended.
    """
    experiment = prepared.experiment
    with contextlib.ExitStack() as exits:
        silent: ControlPipe | None = None
        if experiment.failures.agent != "stop_all":
            lost, silent = (exits.enter_context(contextlib.closing(ControlPipe(lines / name))) for name in (LOST, SILENT))
            supervisor.recovery = _recovery(prepared, lost)
            supervisor.watch(silent.descriptor)
        supervisor.settling_seconds = SETTLING_SECONDS if wanted_sinks(experiment) else 0.0
        supervisor.completed = lambda role: role != "environment" or _has_ended(directory)
        if copies is None:
            supervisor.start()
        else:
            supervisor.start(("environment",))
            await_copies(supervisor, display, copies, experiment.timeouts)
            supervisor.start_others()
        display.started(experiment.name, supervisor.pids())
        watchdog = Watchdog(directory.path / METRICS, directory.path / LOGS, experiment.timeouts.seconds("progress"))

        def tick() -> None:
            _show(listener, display)
            for line in watchdog.look({role: pid for role, pid in supervisor.pids().items() if role != FORKSERVER}):
                display.note(line)
            if watch is not None:
                try:
                    watch.look()
                except NetagentsError as error:
                    supervisor.stop(str(error), ask=("environment",))
                    raise

        def handle(event: NodeEvent) -> None:
            _note(event, display, experiment.failures)
            if isinstance(event, NodeReady) and silent is not None:
                for line in silent.receive():
                    agent, incarnation, reason = line.split(" ", 2)
                    _end_silent(supervisor, display, f"agent_{agent}", int(incarnation), reason, experiment.timeouts.seconds("answer"))

        for role in supervisor.wait(handle=handle, tick=tick, interval=VIEW_INTERVAL, ask=("environment",), host="environment"):
            display.note(f"{role} had done its work and did not leave; it was ended")
        _show(listener, display)
        if watch is not None:
            watch.look()


def _end_silent(supervisor: Supervisor, display: Display, role: str, incarnation: int, reason: str, answer: float) -> None:
    """Kill a process that gives no sign of life, unless another one has taken its place meanwhile and has had no time for it yet."""
    recovery = supervisor.recovery
    if recovery is not None and role in supervisor.running and recovery.may_end(role, incarnation, time.monotonic(), answer):
        display.note(f"{role} {reason}; its process is killed")
        supervisor.end_silent(role, reason)


def _has_ended(directory: RunDirectory) -> bool:
    """Whether the server has written down how the run ended."""
    words = [event["event"] for event in directory.events() if event["event"] in ("started", "finished", "interrupted")]
    return bool(words) and words[-1] != "started"


def _recovery(prepared: Prepared, lost: ControlPipe) -> Recovery | None:
    failures = prepared.experiment.failures
    agents = [f"agent_{index}" for index in range(prepared.setup.n)]
    if failures.agent == "restart":
        return Restarts(failures, agents)
    if failures.agent == "continue_without":
        return ContinueWithout(agents, lambda role, cause: lost.send(f"{role.removeprefix('agent_')} {cause}"))
    return None


def _note(event: NodeEvent, display: Display, failures: FailureSettings) -> None:
    if isinstance(event, Restarted):
        display.note(f"{event.role} failed and was started again ({event.attempt}); all go back to the newest checkpoint")
    if isinstance(event, Paused):
        display.note(f"{event.role} {'was paused; the others wait for it' if event.paused else 'goes on after a pause'}")
    if isinstance(event, Exited) and event.failed:
        cause = f"was killed by {event.signal}" if event.signal else f"ended with exit code {event.exit_code}"
        if not event.essential:
            display.note(f"the {event.role} {cause}; the run goes on without it")
        elif failures.agent == "continue_without" and event.role.startswith("agent_"):
            display.note(f"{event.role} {cause}; the run goes on without it, and {failures.stand_in} plays in its place")


def _show(listener: Listener, display: Display) -> None:
    for received in listener.drain():
        try:
            display.show(ProgressView.from_json(bytes(received.frames[0])))
        except DecodeError as error:
            display.note(str(error))
