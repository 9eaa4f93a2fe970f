"""One process per node on this machine, supervised; the records are written by the environment server's process."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netagents.errors import DecodeError, InterruptedRunError, NodeFailedError
from netagents.experiment.failures import FailureSettings
from netagents.launchers.display import Display
from netagents.launchers.events import Exited, NodeEvent, NodeSpec, Ready, Restarted
from netagents.launchers.forkserver import PRELOAD
from netagents.launchers.interruptions import Interruptions
from netagents.launchers.restart import GoingOn, Recovery, Restarts
from netagents.launchers.supervisor import Supervisor
from netagents.launchers.watch import FORKSERVER
from netagents.launchers.watchdog import Watchdog
from netagents.learning.prepare import Prepared
from netagents.nodes.inbox_recording import inbox_folder
from netagents.nodes.keys import run_bundles
from netagents.nodes.socket_directory import SocketDirectory
from netagents.nodes.view import View
from netagents.nodes.word_line import LOST, SILENT, WordLine
from netagents.records.run_directory import LOGS, METRICS, RunDirectory
from netagents.wire.security import write_bundles
from netagents.wire.transport import LinkSettings, Listener, open_transport

VIEW_INTERVAL = 0.1
"""Seconds between looks at what the monitor sent."""

TABULAR_PRELOAD = (
    *PRELOAD[:-1],
    "numpy.random",  # numpy imports it when it is first used, which would be once per agent
    "netagents.nodes.agent",
    "netagents.nodes.monitor",
    "netagents.learning.prepare",
    "netagents.topology.json",
    PRELOAD[-1],
)
"""What every node of a tabular run imports once, before the first fork; the guard stays last."""

NEURAL_PRELOAD = (
    *TABULAR_PRELOAD[:-1],
    "torch",
    "torch.optim.adam",
    "netagents.learning.neural_agent",
    PRELOAD[-1],
)
"""The same for agents that train networks."""


def run_local(
    prepared: Prepared, directory: RunDirectory, display: Display, first: int | None = None, interruptions: Interruptions | None = None
) -> None:
    """Start all nodes, show what the monitor sees, and return when the run has finished.

    Args:
        prepared, directory, display: as :func:`netagents.launchers.launch.carry_out` has them.
        first: the iteration to go on with; None for a new run.
        interruptions: signals that were caught before, and are answered here.

    Raises:
        NodeFailedError: names the process that failed first; all others have been ended, and nothing is left behind but the records.
        InterruptedRunError: Ctrl-C or SIGTERM; the records are complete up to then.
    """
    experiment = prepared.experiment
    sockets = SocketDirectory.create()
    view = f"ipc://{sockets.path}/view"
    viewer = open_transport(view, LinkSettings(linger_seconds=0.0))
    listener = viewer.listen(view)
    try:
        specs = node_specs(prepared, directory, sockets, view, first)
        with (
            contextlib.ExitStack() as exits,
            Supervisor(
                specs,
                timeouts=experiment.timeouts,
                log_directory=directory.path / "logs",
                sockets=sockets,
                preload=NEURAL_PRELOAD if experiment.learning.is_neural else TABULAR_PRELOAD,
                interruptions=interruptions,
            ) as supervisor,
        ):
            if experiment.failures.agent != "stop_all":
                lost, silent = (exits.enter_context(contextlib.closing(WordLine(sockets.path / name))) for name in (LOST, SILENT))
                supervisor.recovery = _recovery(prepared, lost)
                supervisor.watch(silent.descriptor)
            supervisor.start()
            display.started(experiment.name, supervisor.pids())
            watchdog = Watchdog(directory.path / METRICS, directory.path / LOGS, experiment.timeouts.seconds("progress"))

            def tick() -> None:
                _show(listener, display)
                for line in watchdog.look({role: pid for role, pid in supervisor.pids().items() if role != FORKSERVER}):
                    display.note(line)

            def handle(event: NodeEvent) -> None:
                _note(event, display, experiment.failures)
                if isinstance(event, Ready):
                    for word in silent.words():
                        agent, _, why = word.partition(" ")
                        display.note(f"agent_{agent} {why}; its process is killed")
                        supervisor.end(f"agent_{agent}")

            supervisor.wait(
                handle=handle,
                tick=tick,
                interval=VIEW_INTERVAL,
                ask=("environment",),
            )
            _show(listener, display)
    except NodeFailedError as error:
        failure = getattr(error, "failure", None)
        directory.append_event(
            "failed", role=error.where or "", exit_code=error.exit_code, line=str(error), signal=getattr(failure, "signal", None)
        )
        raise
    except InterruptedRunError as error:
        if directory.ending()[0] not in ("interrupted", "finished"):
            directory.append_event("interrupted", role="launcher", exit_code=error.code, line=str(error))
        raise
    finally:
        listener.close()
        viewer.close()
        sockets.remove()
        directory.sweep_temporaries()


def node_specs(
    prepared: Prepared, directory: RunDirectory, sockets: SocketDirectory, view: str, first: int | None = None
) -> list[NodeSpec]:
    """What to start: the environment server, the monitor and one process per agent, in the order that the experiment asks for."""
    experiment, run = prepared.experiment, directory.run_id.hex()
    listen = join = f"ipc://{sockets.path}/environment"
    hosting = {"run_directory": str(directory.path), "lines": str(sockets.path)}
    if first is not None:
        hosting["resume_from"] = str(first)
    if experiment.runtime.transport == "tcp":
        # The server takes a free port and says which; nobody guesses.
        listen, join = "tcp://127.0.0.1:0", f"file://{sockets.path}/endpoint"
        hosting["announce"] = f"{sockets.path}/endpoint"
        hosting["keys"] = keys = f"{sockets.path}/keys"
        write_bundles(run_bundles(prepared.setup).values(), Path(keys))
    # What the experiment names was chosen by who started it, on this machine.
    common = {"join": join, "run": run, "timeout_scale": str(experiment.timeouts.scale), "allow_imports": "1"}
    if "keys" in hosting:
        common["keys"] = hosting["keys"]
    specs = [
        NodeSpec("environment", "netagents.nodes.environment:run_environment", {**hosting, "listen": listen}),
        *(
            [
                NodeSpec(
                    "monitor",
                    "netagents.nodes.monitor:run_monitor",
                    {**common, "view": view},
                    essential=experiment.failures.monitor == "stop_all",
                )
            ]
            if experiment.runtime.monitor
            else []
        ),
        *(
            NodeSpec(
                f"agent_{index}",
                "netagents.nodes.agent:run_agent",
                {**common, **_recorded(prepared, directory, index), "index": str(index)},
            )
            for index in range(prepared.setup.n)
        ),
    ]
    seed = experiment.runtime.start_order_seed
    if seed is None:
        return specs
    order: Sequence[int] = np.random.default_rng(seed).permutation(len(specs)).tolist()
    return [specs[place] for place in order]


def _recorded(prepared: Prepared, directory: RunDirectory, index: int) -> dict[str, str]:
    """Where an agent writes down what it is told, if the experiment asks for that."""
    chosen = prepared.experiment.runtime.record_inbox
    return {"record_inbox": str(inbox_folder(directory.path.resolve(), index))} if chosen == "all" or index in chosen else {}


def _recovery(prepared: Prepared, lost: WordLine) -> Recovery | None:
    failures = prepared.experiment.failures
    agents = [f"agent_{index}" for index in range(prepared.setup.n)]
    if failures.agent == "restart":
        return Restarts(failures, agents)
    if failures.agent == "continue_without":
        return GoingOn(agents, lambda role, how: lost.say(f"{role.removeprefix('agent_')} {how}"))
    return None


def _note(event: NodeEvent, display: Display, failures: FailureSettings) -> None:
    if isinstance(event, Restarted):
        display.note(f"{event.role} failed and was started again ({event.attempt}); all go back to the newest checkpoint")
    if isinstance(event, Exited) and event.failed:
        how = f"was killed by {event.signal}" if event.signal else f"ended with exit code {event.exit_code}"
        if not event.essential:
            display.note(f"the {event.role} {how}; the run goes on without it")
        elif failures.agent == "continue_without" and event.role.startswith("agent_"):
            display.note(f"{event.role} {how}; the run goes on without it, and {failures.stand_in} plays in its place")


def _show(listener: Listener, display: Display) -> None:
    for received in listener.drain():
        try:
            display.show(View.from_json(bytes(received.frames[0])))
        except DecodeError as error:
            display.note(str(error))
