"""Compose launcher: one container per node, with the run directory, display, root cause and exit codes of the local launcher."""

from __future__ import annotations

import os

from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.launchers.compose.compose_file import HostPaths, launched_file
from netagents.launchers.compose.container_engine import find_engine
from netagents.launchers.compose.container_image import ensure_image
from netagents.launchers.compose.container_networks import networks_of
from netagents.launchers.compose.container_supervisor import ContainerSupervisor
from netagents.launchers.display import Display
from netagents.launchers.launcher import LaunchedRun, Launcher
from netagents.launchers.node_commands import check_fits_containers
from netagents.launchers.supervision.supervised_run import ending, supervise, viewing
from netagents.launchers.supervision.supervisor_events import NodeSpec
from netagents.learning.prepared_experiment import Prepared
from netagents.nodes.bootstrap.node_keys import run_bundles
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.records.run_creation import LOGS, REPLAY
from netagents.wire.security.key_bundles import write_bundles


class ComposeLauncher(Launcher):
    """Starts one container per node through the engine's Compose.

    A run that has begun continues after its newest checkpoint, which its server finds.
    """

    capabilities = CAPABILITIES["compose"]

    def check(self, prepared: Prepared, display: Display) -> None:
        check_fits_containers(prepared.experiment)
        ensure_image(find_engine(), prepared.experiment.runtime.containers.image, display.note)

    def carry_out(self, run: LaunchedRun) -> None:
        prepared, directory = run.prepared, run.directory
        engine = find_engine()
        sockets = SocketDirectory.create()
        with ending(directory, sockets):
            # The only folder that a container shares with the launcher has nothing else in it.
            view = sockets.path / "view"
            view.mkdir()
            with viewing(view) as (listener, _):
                keys, lines = sockets.path / "keys", sockets.path / "lines"
                lines.mkdir()
                write_bundles(run_bundles(prepared.setup).values(), keys)
                specs = node_roles(prepared)
                if note := networks_of(prepared).note:
                    run.display.note(note)
                logs = directory.path / LOGS
                if prepared.setup.replays:
                    (directory.path / REPLAY).mkdir(exist_ok=True)
                for spec in specs:
                    (logs / f"{spec.role}.jsonl").touch()
                user = "0:0" if engine.rootless else f"{os.getuid()}:{os.getgid()}"
                file = sockets.path / "docker-compose.yml"
                file.write_text(launched_file(prepared, HostPaths(user, directory.path, keys, view, lines)), encoding="utf-8")
                with ContainerSupervisor(
                    specs,
                    engine=engine,
                    project=f"netagents-{directory.run_id.hex()}",
                    file=file,
                    timeouts=run.experiment.timeouts,
                    log_directory=logs,
                    sockets=sockets,
                    interruptions=run.interruptions,
                ) as supervisor:
                    supervise(supervisor, prepared, directory, run.display, listener, lines, watch=run.watch)


def node_roles(prepared: Prepared) -> list[NodeSpec]:
    """The nodes to watch, and which of them are essential."""
    failures = prepared.experiment.failures
    monitor = [NodeSpec("monitor", "", essential=failures.monitor == "stop_all")] if prepared.experiment.runtime.monitor else []
    return [NodeSpec("environment", ""), *monitor, *(NodeSpec(f"agent_{index}", "") for index in range(prepared.setup.n))]
