"""A real Ray cluster for tests: a head and a second raylet on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ADDRESS = "127.0.0.1:6399"


def why_no_ray() -> str | None:
    """Why none can be started here; None if one can."""
    return None if find_spec("ray") is not None else "Ray is not installed: pip install 'netagents[ray]'"


class RayCluster:
    """Two raylets with eight processors each.

    Args:
        folder: for its files, with a short path; must exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            # A raylet that is killed is noticed within seconds.
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "5",
        }
        self.nodes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start both; returns when the cluster knows them."""
        (self.folder / "token").write_text(os.urandom(32).hex())
        (self.folder / "token").chmod(0o600)
        common = ["--node-ip-address=127.0.0.1", "--num-cpus=8", "--object-store-memory=80000000", "--disable-usage-stats", "--block"]
        head = ["--head", f"--port={ADDRESS.rpartition(':')[2]}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        self._ray(["start", *head, *common])
        self._until_nodes(1)
        self.add_node()
        self._until_nodes(2)

    def add_node(self) -> None:
        """Start a further raylet."""
        common = ["--node-ip-address=127.0.0.1", "--num-cpus=8", "--object-store-memory=80000000", "--disable-usage-stats", "--block"]
        self._ray(["start", f"--address={ADDRESS}", *common])

    def _ray(self, words: list[str]) -> None:
        with (self.folder / f"node-{len(self.nodes)}.out").open("wb") as output:
            command = [str(Path(sys.executable).with_name("ray")), *words]
            environment = {**os.environ, **self.environment}
            self.nodes.append(subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True))

    def _until_nodes(self, count: int) -> None:
        settings = f'{{"address": "{ADDRESS}", "processors": 1, "gpus": 0, "resources": {{}}}}'
        command = [sys.executable, "-P", "-m", "netagents.launchers.ray.ray_bridge", "nodes", settings]
        deadline = time.monotonic() + 300.0
        while True:
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **self.environment}, timeout=300)
            answer = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
            if len(answer.get("nodes", [])) >= count:
                return
            assert time.monotonic() < deadline, f"waited for {count} raylets: {done.stdout} {done.stderr[-500:]}"
            time.sleep(0.5)

    def kill_raylet(self) -> None:
        """Kill the second node's raylet, and nothing else."""
        children = Path(f"/proc/{self.nodes[1].pid}/task/{self.nodes[1].pid}/children").read_text().split()
        raylets = [int(pid) for pid in children if b"/raylet/raylet" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(raylets) == 1, raylets
        os.kill(raylets[0], signal.SIGKILL)

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

    def _end_rest(self) -> None:
        """Kill what names the folder of this cluster on its command line."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.folder).encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                    os.kill(int(process.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue
        shutil.rmtree(self.folder, ignore_errors=True)
