"""Ray launcher: agents on the hosts of a Ray cluster, in one placement group that reserves what each agent takes.

On every host with agents an actor hosts a runner, which forks the ordinary processes of its agents.  All that speaks with Ray is one
process beside the launcher, the bridge, so that neither Ray's threads nor its environment reach a node.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from netagents.errors import EngineError, MissingPackageError
from netagents.experiment import Experiment
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.launchers.hosts.agent_placement import Placement
from netagents.launchers.hosts.host_channel import Host
from netagents.launchers.hosts.host_launcher import HostLauncher
from netagents.launchers.launcher import LaunchedRun
from netagents.learning.prepare import Prepared

BRIDGE = "netagents.launchers.ray.ray_bridge"
WHERE = "launcher ray"

_ANSWER_SECONDS = 60.0


class RayLauncher(HostLauncher):
    """Places agents on the hosts of ``runtime.ray.address``."""

    capabilities = CAPABILITIES["ray"]

    def __init__(self) -> None:
        self._hosts: list[Host] | None = None

    def sees_files(self, experiment: Experiment) -> bool:
        return experiment.runtime.hosts.shared_files

    def check(self, prepared: Prepared, display: Any) -> None:
        if find_spec("ray") is None:
            raise MissingPackageError("ray is not installed", where=WHERE, fix="pip install 'netagents[ray]'")
        super().check(prepared, display)

    def hosts(self, experiment: Experiment) -> Sequence[Host]:
        if self._hosts is None:
            nodes = _ask_nodes(experiment)
            self._hosts = [Host(name, (name, identity), slots, address) for name, identity, slots, address in nodes]
        return self._hosts

    def connections(self, hosts: Sequence[Host], placement: Placement) -> list[tuple[Host, list[str]]]:  # noqa: ARG002
        # One connection for all: the bridge has one to each host.
        roles = [f"agent_{agent}" for agents in placement.agents for agent in agents]
        return [(Host("of the Ray cluster", (sys.executable, "-P", "-m", BRIDGE), address="127.0.0.1", server="127.0.0.1"), roles)]

    def runner_settings(self, run: LaunchedRun, hosts: Sequence[Host], placement: Placement) -> dict[str, Any]:
        settings = super().runner_settings(run, hosts, placement)
        places = {f"agent_{agent}": host.command[1] for host, agents in zip(hosts, placement.agents, strict=True) for agent in agents}
        ray = run.experiment.runtime.ray.model_dump(mode="json")
        limits = {"silence": run.experiment.timeouts.seconds("answer"), "join": run.experiment.timeouts.seconds("join")}
        return settings | {"ray": ray, "places": places, "server": run.experiment.runtime.hosts.server} | limits

    def explain(self, host: Host, code: int | None, words: Sequence[str]) -> EngineError:  # noqa: ARG002 - there is one
        said = words[-1][:300] if words else f"the bridge to Ray ended with exit code {code}"
        return EngineError(said, where=WHERE, fix="`ray status` must show the cluster")


def _ask_nodes(experiment: Experiment) -> list[tuple[str, str, int, str]]:
    """Name, id, free places and address of each living node, from a process that connects to Ray and leaves.

    Raises:
        EngineError: there is no cluster, or it did not answer.
    """
    settings = experiment.runtime.ray
    command = [sys.executable, "-P", "-m", BRIDGE, "nodes", settings.model_dump_json()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS * experiment.timeouts.scale, check=False)
    except subprocess.TimeoutExpired:
        raise EngineError(f"no answer from {settings.address}", where=WHERE, fix="`ray status` must show the cluster") from None
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise EngineError(
            lines[-1][:300] if lines else f"the bridge to Ray ended with exit code {done.returncode}",
            where=WHERE,
            fix="`ray status` must show the cluster",
        ) from None
    if "fault" in answer:
        raise EngineError(
            str(answer["fault"])[:500], where=WHERE, fix="start one with `ray start --head`, or name it with runtime.ray.address"
        )
    return [(str(each[0]), str(each[1]), int(each[2]), str(each[3])) for each in answer["nodes"]]
