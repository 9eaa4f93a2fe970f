"""Launcher of nodes on several hosts: what an engine has to say is how a host is reached; the rest is common to all engines.

The environment server and the monitor run beside the launcher, where the run directory is.  Agents are placed on hosts so that few bytes
cross between them.  Links are tcp with keys.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.errors import EngineError
from netagents.experiment import Experiment
from netagents.launchers.hosts.agent_placement import Placement, place_agents
from netagents.launchers.hosts.host_channel import Host, runner_command
from netagents.launchers.hosts.host_supervisor import HostRun, HostSupervisor
from netagents.launchers.launcher import LaunchedRun, Launcher
from netagents.launchers.local import copies_file
from netagents.launchers.supervision.supervised_run import ending, supervise, viewing
from netagents.launchers.supervision.supervisor_events import NodeSpec
from netagents.learning.prepared_experiment import Prepared
from netagents.messages import ENVIRONMENT, MONITOR
from netagents.nodes.agent.inbox_recording import inbox_folder
from netagents.nodes.bootstrap.foreign_code import imported_parts
from netagents.nodes.bootstrap.node_keys import run_bundles
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.records.run_creation import LOGS, REPLAY
from netagents.records.run_directory import RunDirectory
from netagents.wire.security.key_bundles import KeyBundle, bundle_files, role_name, write_bundles

SERVER = "netagents.nodes.server.environment_server:run_environment"
WATCHER = "netagents.nodes.monitor.monitor_process:run_monitor"
AGENT = "netagents.nodes.agent.agent_process:run_agent"


class HostLauncher(Launcher):
    """Base of launchers that place nodes on hosts.  A subclass of yours gives :meth:`hosts`."""

    @abstractmethod
    def hosts(self, experiment: Experiment) -> Sequence[Host]:
        """The hosts on which agents may be placed.

        Raises:
            EngineError: there are none; one line, with the engine's own words.
        """

    def sees_files(self, experiment: Experiment) -> bool:  # noqa: ARG002 - some ask their settings
        """Whether the hosts see this host's files under the same paths; logs and keys then need not be sent."""
        return self.capabilities.own_files

    def home(self) -> Host:
        """How a runner is started on the launcher's own host."""
        return Host("this host", runner_command())

    def place(self, run: LaunchedRun, hosts: Sequence[Host]) -> Placement:
        """Which agents run on which host."""
        return place_agents(run.prepared.setup, [host.slots for host in hosts])

    def connections(self, hosts: Sequence[Host], placement: Placement) -> list[tuple[Host, list[str]]]:
        """The connections to make, each with its roles: one per host that has agents."""
        return [(host, [f"agent_{agent}" for agent in agents]) for host, agents in zip(hosts, placement.agents, strict=True) if agents]

    def runner_settings(self, run: LaunchedRun, hosts: Sequence[Host], placement: Placement) -> dict[str, Any]:  # noqa: ARG002
        """What every runner is told, see :class:`~netagents.launchers.hosts.host_runner.HostRunner`."""
        return _runner_settings(run, shared=self.sees_files(run.experiment))

    def explain(self, host: Host, code: int | None, words: Sequence[str]) -> EngineError:
        """The error of a host that could not be reached, or whose runner ended before it began.

        Args:
            host: that one. code: exit code of the command that reaches it. words: its last lines of standard error.
        """
        what = words[-1][:300] if words else f"ended with exit code {code}"
        return EngineError(what, where=f"host {host.name}", fix="see whether netagents runs there")

    def check(self, prepared: Prepared, display: Any) -> None:  # noqa: ARG002 - some say what they wait for
        experiment = prepared.experiment
        if prepared.setup.replays and not self.sees_files(experiment):
            raise EngineError(
                "agents keep replay buffers in files of the run directory, which the hosts do not see",
                where=f"launcher {experiment.runtime.launcher}",
                fix="use hosts that share a file system, and say so with runtime.hosts.shared_files=true",
            )
        hosts = self.hosts(experiment)
        slots = sum(host.slots for host in hosts)
        if slots < prepared.setup.n:
            names = ", ".join(f"{host.name} {host.slots}" for host in hosts[:20])
            raise EngineError(
                f"{prepared.setup.n} agents, and {slots} slots ({names})",
                where=f"launcher {experiment.runtime.launcher}",
                fix="name more hosts, or more slots",
            )

    def carry_out(self, run: LaunchedRun) -> None:
        experiment, prepared, directory = run.experiment, run.prepared, run.directory
        hosts = list(self.hosts(experiment))
        placement = self.place(run, hosts)
        run.display.note(placement.sentence([host.name for host in hosts]))
        sockets = SocketDirectory.create()
        with ending(directory, sockets), viewing(sockets.path) as (listener, view):
            bundles = run_bundles(prepared.setup)
            shared = self.sees_files(experiment)
            folder = self.key_folder(directory) if shared else sockets.path / "keys"
            try:
                at_home = [bundle for index, bundle in bundles.items() if shared or index in (ENVIRONMENT, MONITOR)]
                write_bundles(at_home, folder)
                specs = host_specs(run, sockets, view, folder if shared else None)
                home = [spec.role for spec in specs if not spec.role.startswith("agent_")]
                with HostSupervisor(
                    specs,
                    home=(self.home(), home),
                    others=self.connections(hosts, placement),
                    run=HostRun(
                        settings=self.runner_settings(run, hosts, placement),
                        home=_runner_settings(run, shared=True) | {"sockets": str(sockets.path)},
                        announced=sockets.path / "endpoint",
                        keys={} if shared else _key_files(bundles),
                        explain=self.explain,
                        note=run.display.note,
                    ),
                    timeouts=experiment.timeouts,
                    log_directory=directory.path / LOGS,
                    sockets=sockets,
                    interruptions=run.interruptions,
                ) as supervisor:
                    copies = copies_file(prepared, sockets)
                    supervise(supervisor, prepared, directory, run.display, listener, sockets.path, copies, run.watch)
            finally:
                self.remove_keys(folder)

    def key_folder(self, directory: RunDirectory) -> Path:
        """Where keys lie that all hosts see, in a folder that only its owner may enter."""
        return directory.path.absolute() / "keys"

    def remove_keys(self, folder: Path) -> None:
        """Remove the keys of a run that has ended."""
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def host_specs(run: LaunchedRun, sockets: SocketDirectory, view: str, keys: Path | None) -> list[NodeSpec]:
    """What to start: server and monitor beside the launcher, and the agents, which learn the server's address when they start.

    Args:
        run: to carry out. sockets: of the launcher's host. view: where the monitor sends what it sees.
        keys: folder of all keys that every host sees; None where agents are sent theirs.
    """
    experiment, directory, prepared = run.experiment, run.directory, run.prepared
    path = directory.path.absolute()
    hosting = {"run_directory": str(path), "lines": str(sockets.path), "trust": "1", "listen": "tcp://0.0.0.0:0", "advertise": "127.0.0.1"}
    hosting |= {"announce": f"{sockets.path}/endpoint", "keys": str(keys or sockets.path / "keys")}
    copies = copies_file(prepared, sockets)
    if copies is not None:
        hosting["copies"] = str(copies)
    if run.first is not None:
        hosting["resume_from"] = str(run.first)
    common = {"run": directory.run_id.hex(), "timeout_scale": str(experiment.timeouts.scale), "listen": "tcp://0.0.0.0:0"}
    common["join_seconds"] = str(experiment.timeouts.seconds("join"))
    watching = {**common, "view": view, "keys": hosting["keys"], "allow_imports": "1"}
    essential = experiment.failures.monitor == "stop_all"
    monitor = [NodeSpec("monitor", WATCHER, watching, essential=essential)] if experiment.runtime.monitor else []
    recorded = experiment.runtime.record_inbox
    agents = []
    for index in range(prepared.setup.n):
        arguments = {**common, "index": str(index)}
        if imported_parts(experiment):
            # Chosen by who started the run, on hosts of theirs.
            arguments["allow_imports"] = "1"
        if keys is not None:
            arguments["keys"] = str(keys / role_name(index))
        if prepared.setup.replays:
            arguments["replay"] = str(path / REPLAY)
        if recorded == "all" or index in recorded:
            arguments["record_inbox"] = str(inbox_folder(path, index))
        agents.append(NodeSpec(f"agent_{index}", AGENT, arguments))
    return [NodeSpec("environment", SERVER, hosting), *monitor, *agents]


def _runner_settings(run: LaunchedRun, *, shared: bool) -> dict[str, Any]:
    return {
        "networks": run.experiment.uses_networks,
        "logs": str(run.directory.path.absolute() / LOGS) if shared else None,
        "run": run.directory.run_id.hex(),
        "paths": [path for path in sys.path if path] if shared else [],
        "scale": run.experiment.timeouts.scale,
    }


def _key_files(bundles: Mapping[int, KeyBundle]) -> dict[str, dict[str, str]]:
    return {f"agent_{index}": bundle_files(bundle) for index, bundle in bundles.items() if index >= 0}
