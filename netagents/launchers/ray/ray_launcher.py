"""Ray launcher: agents on the hosts of a Ray cluster, which reserves for each agent what it takes.

On every host with agents an actor hosts a runner, which forks the ordinary processes of its agents.  All that speaks with Ray is one
process beside the launcher, the bridge, so that neither Ray's threads nor its environment reach the launcher or a node.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netagents.errors import EngineError, MissingPackageError
from netagents.experiment import Experiment
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.launchers.display import Display
from netagents.launchers.hosts.agent_placement import Placement
from netagents.launchers.hosts.host_channel import Host, runner_command
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
_READ_BYTES = 1 << 16


class RayLauncher(HostLauncher):
    """Places agents on the hosts of the cluster at ``runtime.ray.address``."""

    capabilities = CAPABILITIES["ray"]

    def __init__(self) -> None:
        self._bridge: RayConnection | None = None
        self._hosts: list[Host] = []
        self._placement: Placement | None = None

    def sees_files(self, experiment: Experiment) -> bool:
        return experiment.runtime.hosts.shared_files

    def check(self, prepared: Prepared, display: Display) -> None:
        if find_spec("ray") is None:
            raise MissingPackageError("the package ray is not installed", where=WHERE, fix="pip install 'netagents[ray]'")
        super().check(prepared, display)

    def hosts(self, experiment: Experiment) -> Sequence[Host]:
        if self._bridge is None:
            self._bridge = RayConnection()
            server = experiment.runtime.hosts.server
            nodes = self._bridge.nodes(experiment)
            self._hosts = [Host(name, (identity,), slots, address, server) for name, identity, slots, address in nodes]
        return self._hosts

    def place(self, run: LaunchedRun, hosts: Sequence[Host]) -> Placement:
        if self._placement is None:
            self._placement = super().place(run, hosts)
        return self._placement

    def connections(self, hosts: Sequence[Host], placement: Placement) -> list[tuple[Host, list[str]]]:
        assert self._bridge is not None
        python = (sys.executable, "-I", "-S", str(_CONNECTION), str(self._bridge.path))
        return [(replace(host, command=(*python, *host.command)), roles) for host, roles in super().connections(hosts, placement)]

    def carry_out(self, run: LaunchedRun) -> None:
        try:
            hosts = self.hosts(run.experiment)
            placement = self.place(run, hosts)
            assert self._bridge is not None
            self._bridge.begin(run.experiment, {host.command[0]: agents for host, agents in zip(hosts, placement.agents, strict=True)})
            super().carry_out(run)
        finally:
            self.close()

    def close(self) -> None:
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None

    def explain(self, host: Host, code: int | None, words: Sequence[str]) -> EngineError:
        what = words[-1][:300] if words else f"the connection ended with exit code {code}"
        missing = "No module named 'netagents" in what or "No such file or directory" in what
        install = "install netagents[ray] on all hosts of the cluster; runtime.hosts.python names its Python"
        fix = install if missing else "`ray status` must show what the agents take as free"
        return EngineError(what, where=f"host {host.name}", fix=fix)


class RayConnection:
    """The bridge as the launcher sees it: a process that connects to the cluster, and the socket that it serves.

    Attributes:
        path: of the socket.
    """

    def __init__(self) -> None:
        self._exits = contextlib.ExitStack()
        try:
            folder = SocketDirectory.create()
            self._exits.callback(folder.remove)
            self.path = folder.path / "bridge"
            # It listens before the bridge does, so that connections may be made at once.
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(self.path))
                listener.listen(1024)
                self._errors = self._exits.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - it is a context manager
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", BRIDGE, str(listener.fileno())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    start_new_session=True,
                    pass_fds=(listener.fileno(),),
                )
            self._exits.callback(self._end)
        except BaseException:
            self._exits.close()
            raise

    def nodes(self, experiment: Experiment) -> list[tuple[str, str, int, str]]:
        """Name, id, number of agents and address of each living node.

        Raises:
            EngineError: there is no cluster, or it did not answer.
        """
        settings = experiment.runtime.ray
        fix = "`ray status` must show the cluster; `ray start --head` starts one, and runtime.ray.address names another"
        self._send(settings.model_dump(mode="json"))
        try:
            answer = json.loads(self._answer(_ANSWER_SECONDS * experiment.timeouts.scale))
        except TimeoutError:
            raise EngineError(f"no answer from {settings.address}", where=WHERE, fix=fix) from None
        except ValueError:
            raise EngineError(self._last_words(), where=WHERE, fix=fix) from None
        if "fault" in answer:
            raise EngineError(str(answer["fault"])[:300], where=WHERE, fix=fix)
        return [(str(name), str(identity), int(slots), str(address)) for name, identity, slots, address in answer["nodes"]]

    def begin(self, experiment: Experiment, agents: Mapping[str, Sequence[int]]) -> None:
        """Reserve what the agents take, and serve the connections to their hosts.

        Args:
            experiment: of the run. agents: id of a Ray node -> those that it gets.
        """
        self._send(
            {
                "ray": experiment.runtime.ray.model_dump(mode="json"),
                "agents": {identity: len(those) for identity, those in agents.items() if those},
                "python": experiment.runtime.hosts.python,
                "runner": runner_command()[1:],
                "seconds": _RESERVE_SHARE * experiment.timeouts.seconds("join"),
            }
        )

    def close(self) -> None:
        """End the bridge, which gives back what it has reserved."""
        self._exits.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        # Whoever waits for the answer notices that the bridge is gone.
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _answer(self, seconds: float) -> bytes:
        """The line that the bridge writes; what has come until it ended, if it does.

        Raises:
            TimeoutError: neither within ``seconds``.
        """
        assert self._process.stdout is not None
        descriptor, data, limit = self._process.stdout.fileno(), b"", time.monotonic() + seconds
        while not data.endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, limit - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(descriptor, _READ_BYTES)
            if not part:
                break
            data += part
        return data

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else f"the bridge to Ray ended with exit code {self._process.poll()}"

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()
