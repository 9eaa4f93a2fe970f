"""A real Ray cluster for tests: a head and a second raylet on loopback, which demand a token."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from hidden_folder import without

from netagents.nodes.process.stray_processes import RUN_MARKER

SETTINGS = {"processors": 1.0, "gpus": 0.0, "resources": {}}


def why_no_ray() -> str | None:
    """Why none can be started here; None if one can."""
    return None if find_spec("ray") is not None else "Ray is not installed: pip install 'netagents[ray]'"


class RayCluster:
    """Two raylets.

    Args:
        folder: for its files, with a short path; must exist.
        processors: of each raylet, as Ray counts them.
    """

    def __init__(self, folder: Path, processors: int = 8) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_USAGE_STATS_ENABLED": "0"}
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.hidden = folder / "hidden"
        """A folder that the second raylet does not see, where this user may arrange that."""
        self.hidden.mkdir()
        self.nodes: list[subprocess.Popen[bytes]] = []
        self.living: list[str] = []
        self.killed: set[str] = set()
        self._common = ["--node-ip-address=127.0.0.1", f"--num-cpus={processors}", "--object-store-memory=80000000"]
        self._common += ["--disable-usage-stats", "--block"]

    def start(self) -> None:
        """Start both; returns when the cluster knows them."""
        token = self.folder / "token"
        token.write_text(os.urandom(32).hex())
        token.chmod(0o600)
        port = self.address.rpartition(":")[2]
        self._ray(["start", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}", *self._common])
        self._until_known()
        self.add_node()

    def add_node(self) -> None:
        """Start a further raylet; returns when the cluster knows it."""
        self._ray(["start", f"--address={self.address}", *self._common], without(self.hidden))
        self._until_known()

    def _ray(self, words: list[str], prefix: Sequence[str] = ()) -> None:
        with (self.folder / f"node-{len(self.nodes)}.out").open("wb") as output:
            command = [*prefix, str(Path(sys.executable).with_name("ray")), *words]
            environment = {**os.environ, **self.environment, "TMPDIR": str(self.temporary)}
            # Workers of Ray step back by 15 otherwise, and on a busy machine nothing is left for them.
            environment["RAY_worker_niceness"] = "0"
            self.nodes.append(subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True))

    def _until_known(self) -> None:
        """Wait until the cluster knows the newest node, and no longer those that were killed."""
        deadline = time.monotonic() + 200.0
        while True:
            result = self._ask_nodes()
            answer = json.loads(result.stdout.strip().splitlines()[-1]) if result.stdout.strip() else {}
            known = {identity for _, identity, *_ in answer.get("nodes", [])}
            new = known - {*self.living, *self.killed}
            if new and not known & self.killed:
                self.living += new
                return
            assert time.monotonic() < deadline, f"waited for a raylet: {result.stdout} {result.stderr[-500:]}"
            time.sleep(0.5)

    def _ask_nodes(self) -> subprocess.CompletedProcess[str]:
        """The answer of a bridge that is given no run, so that nobody connects to its socket."""
        path = self.folder / "probe"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.unlink()
            number = listener.fileno()
            return subprocess.run(
                [sys.executable, "-P", "-m", "netagents.launchers.ray.ray_bridge", str(number)],
                input=json.dumps({"address": self.address, **SETTINGS}) + "\n",
                capture_output=True,
                text=True,
                env={**os.environ, **self.environment},
                pass_fds=(number,),
                timeout=100,
            )

    def kill_raylet(self) -> None:
        """Kill the newest node's raylet, and nothing else."""
        node = self.nodes[-1]
        children = Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
        (raylet,) = [int(pid) for pid in children if b"/raylet/raylet" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(raylet, signal.SIGKILL)
        self.killed.add(self.living.pop())

    def await_end_of_node(self) -> None:
        """Wait until the command that started the newest node has noticed that its raylet is gone."""
        self.nodes[-1].wait(60)

    def left(self) -> list[str]:
        """What runs have left on the hosts: processes, and folders for sockets."""
        marker = f"{RUN_MARKER}={self.temporary}".encode()
        processes = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if marker in (folder / "environ").read_bytes():
                    processes.append(folder.name)
            except OSError:
                continue
        return [*processes, *map(str, self.temporary.glob("netagents-*"))]

    def stop(self) -> None:
        """End everything."""
        for node in reversed(self.nodes):
            try:
                os.killpg(node.pid, signal.SIGTERM)
                node.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                node.kill()
                node.wait()
        self._end_rest()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_rest(self) -> None:
        """Kill what names the folder of this cluster on its command line."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.folder).encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue
