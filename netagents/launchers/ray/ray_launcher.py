"""Ray launcher: agents on the hosts of a Ray cluster, which reserves for each agent what it takes.

On every host with agents an actor hosts a runner, which forks the ordinary processes of its agents.  All that speaks with Ray is one
process beside the launcher, the bridge, so that neither Ray's threads nor its environment reach the launcher or a node.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netagents.errors import EngineError, MissingPackageError
from netagents.experiment import Experiment
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.launchers.display import Display
from netagents.launchers.hosts.agent_placement import Placement
from netagents.launchers.hosts.host_channel import Host
from netagents.launchers.hosts.host_launcher import HostLauncher
from netagents.launchers.launcher import LaunchedRun
from netagents.learning.prepared_experiment import Prepared
from netagents.nodes.process.socket_directory import SocketDirectory

BRIDGE = "netagents.launchers.ray.ray_bridge"
WHERE = "launcher ray"

_CONNECTION = Path(__file__).with_name("bridge_connection.py")
_ANSWER_SECONDS = 60.0
_RESERVE_SHARE = 0.7
"""Of the deadline of joining: that long taken resources are waited for."""
_STOP_SECONDS = 8.0


class RayLauncher(HostLauncher):
    """Places agents on the hosts of the cluster at ``runtime.ray.address``."""

    capabilities = CAPABILITIES["ray"]

    def __init__(self) -> None:
        self._hosts: list[Host] | None = None
        self._placement: Placement | None = None
        self._socket = Path()

    def sees_files(self, experiment: Experiment) -> bool:
        return experiment.runtime.hosts.shared_files

    def check(self, prepared: Prepared, display: Display) -> None:
        if find_spec("ray") is None:
            raise MissingPackageError("the package ray is not installed", where=WHERE, fix="pip install 'netagents[ray]'")
        super().check(prepared, display)

    def hosts(self, experiment: Experiment) -> Sequence[Host]:
        if self._hosts is None:
            server = experiment.runtime.hosts.server
            self._hosts = [Host(name, (identity,), slots, address, server) for name, identity, slots, address in cluster_nodes(experiment)]
        return self._hosts

    def place(self, run: LaunchedRun, hosts: Sequence[Host]) -> Placement:
        if self._placement is None:
            self._placement = super().place(run, hosts)
        return self._placement

    def connections(self, hosts: Sequence[Host], placement: Placement) -> list[tuple[Host, list[str]]]:
        python = (sys.executable, "-I", "-S", str(_CONNECTION), str(self._socket))
        return [(replace(host, command=(*python, *host.command)), roles) for host, roles in super().connections(hosts, placement)]

    def carry_out(self, run: LaunchedRun) -> None:
        with contextlib.ExitStack() as exits:
            folder = SocketDirectory.create()
            exits.callback(folder.remove)
            self._socket = folder.path / "bridge"
            # It listens before there is a bridge, so that connections may be made at once.
            listener = exits.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(self._socket))
            listener.listen(1024)
            exits.enter_context(_bridge(listener, self._bridge_settings(run)))
            listener.close()
            super().carry_out(run)

    def _bridge_settings(self, run: LaunchedRun) -> dict[str, Any]:
        experiment = run.experiment
        hosts = self.hosts(experiment)
        placement = self.place(run, hosts)
        return {
            "ray": experiment.runtime.ray.model_dump(mode="json"),
            "agents": {host.command[0]: len(agents) for host, agents in zip(hosts, placement.agents, strict=True) if agents},
            "python": experiment.runtime.hosts.python,
            "seconds": _RESERVE_SHARE * experiment.timeouts.seconds("join"),
        }

    def explain(self, host: Host, code: int | None, words: Sequence[str]) -> EngineError:
        what = words[-1][:300] if words else f"the connection ended with exit code {code}"
        missing = "No module named 'netagents" in what
        fix = "install netagents[ray] on all hosts of the cluster" if missing else "`ray status` must show what the agents take as free"
        return EngineError(what, where=f"host {host.name}", fix=fix)


@contextlib.contextmanager
def _bridge(listener: socket.socket, settings: Mapping[str, Any]) -> Iterator[None]:
    """A bridge, as long as inside."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", BRIDGE, "serve", str(listener.fileno())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(listener.fileno(),),
    )
    assert process.stdin is not None
    try:
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
        yield
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()


def cluster_nodes(experiment: Experiment) -> list[tuple[str, str, int, str]]:
    """Name, id, number of agents and address of each living node, asked by a process that connects to the cluster and leaves it.

    Raises:
        EngineError: there is no cluster, or it did not answer.
    """
    settings = experiment.runtime.ray
    fix = "`ray status` must show the cluster; `ray start --head` starts one, and runtime.ray.address names another"
    command = [sys.executable, "-P", "-m", BRIDGE, "nodes", settings.model_dump_json()]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS * experiment.timeouts.scale, check=False)
    except subprocess.TimeoutExpired:
        raise EngineError(f"no answer from {settings.address}", where=WHERE, fix=fix) from None
    try:
        answer = json.loads(result.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        what = lines[-1][:300] if lines else f"the bridge to Ray ended with exit code {result.returncode}"
        raise EngineError(what, where=WHERE, fix=fix) from None
    if "fault" in answer:
        raise EngineError(str(answer["fault"])[:300], where=WHERE, fix=fix)
    return [(str(name), str(identity), int(slots), str(address)) for name, identity, slots, address in answer["nodes"]]
