"""Compose file of a run: one service per node, for ``docker compose`` version 2 and ``docker-compose`` 1.29.

There are two kinds.  The standalone file needs nothing but ``docker compose up``; its first service makes the run's keys.  The compose
launcher's file mounts keys, run directory and logs that the launcher has created.

A container gets only what is in its service: no files of other nodes, no network but its own, and no privileges.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from netagents.experiment import Experiment
from netagents.experiment.load import LoadedExperiment
from netagents.launchers.compose.container_networks import Networks, networks_of
from netagents.launchers.node_commands import agent_service, check_fits_containers, default_image, joining, listening, node_names
from netagents.launchers.portable_experiment import portable_text
from netagents.learning.prepared_experiment import Prepared
from netagents.nodes.by_hand import OWN_ADDRESS
from netagents.records.run_creation import REPLAY

REPORT_PORT = 8701
"""Port of the report, published on this host's loopback only."""

EXPERIMENT_VARIABLE = "NETAGENTS_EXPERIMENT"

Service = dict[str, Any]

_PROCESSES = 64
_GRACE_SECONDS = 10


def role_of_service(service: str) -> str:
    """The role that runs in a service, as logs and records name it."""
    return service.replace("-", "_")


def standalone_file(loaded: LoadedExperiment, prepared: Prepared) -> str:
    """The Compose file with which ``docker compose up`` runs an experiment on its own; records and report go to ``./runs``.

    Args:
        loaded: the experiment; only settings other than defaults are written.
        prepared: the same, prepared.

    Raises:
        EngineError: the experiment cannot run in containers.
    """
    check_fits_containers(prepared.experiment)
    experiment, n, networks = prepared.experiment, prepared.setup.n, networks_of(prepared)
    agents = [agent_service(index) for index in range(n)]
    nodes = node_names(prepared)
    volumes = {name: f"keys-{name}" for name in nodes}
    image = experiment.runtime.containers.image
    node = {
        "image": image or default_image(),
        "pull_policy": "if_not_present" if image else "never",
        **_hardened(experiment),
        "depends_on": {"keys": {"condition": "service_completed_successfully"}},
    }
    restart = f"on-failure:{experiment.failures.restarts}" if experiment.failures.agent == "restart" else "no"
    own_runs = "./runs:/runs"
    build = {} if image else {"build": {"context": ".", "dockerfile": "launch/Dockerfile"}}
    keys: Service = {
        "image": node["image"],
        **build,
        **_hardened(experiment),
        # Each folder of keys belongs to the user of its container, so only this service runs as root, for a second and without a network.
        "user": "0:0",
        "cap_add": ["CHOWN", "DAC_OVERRIDE"],
        "network_mode": "none",
        "command": ["keys", f"env:{EXPERIMENT_VARIABLE}", "--into-volumes", "/runs", "--out", "/keys"],
        "volumes": [*(f"{volume}:/keys/{name}" for name, volume in volumes.items()), f"{own_runs}:ro"],
    }
    server: Service = {
        # It changes to the owner of ./runs first, so that the records belong to that user; the init process stays root and needs KILL to
        # forward signals.
        "user": "0:0",
        "cap_add": ["KILL", "SETGID", "SETUID"],
        "command": [
            *("node", "environment", "--become-owner-of", "/runs", "--experiment", f"env:{EXPERIMENT_VARIABLE}", "--report"),
            *listening("environment"),
        ],
        "volumes": [f"{volumes['environment']}:/keys", own_runs],
        "mem_limit": f"{experiment.runtime.containers.server_memory}m",
        "stop_grace_period": f"{3 * _GRACE_SECONDS}s",
        "networks": networks.of("environment"),
    }
    members: dict[str, Service] = {}
    if experiment.runtime.monitor:
        members["monitor"] = {"command": [*_joining("monitor", experiment, networks), "--progress"], "networks": networks.of("monitor")}
    for name in agents:
        members[name] = {"command": [*_joining(name, experiment, networks), "--replace"], "restart": restart, "networks": networks.of(name)}
    for name, service in members.items():
        service["volumes"] = [f"{volumes[name]}:/keys:ro"]
    report: Service = {
        **_hardened(experiment),
        "image": node["image"],
        "profiles": ["report"],
        "user": "0:0",
        "cap_add": ["KILL", "SETGID", "SETUID"],
        "command": ["report", "--become-owner-of", "/runs", "--serve", f"0.0.0.0:{REPORT_PORT}"],
        "volumes": [f"{own_runs}:ro"],
        "networks": ["report"],
        "ports": [f"127.0.0.1:{REPORT_PORT}:{REPORT_PORT}"],
    }
    text = portable_text(loaded, prepared).replace("$", "$$")
    head = [
        f"# `docker compose up` trains the {n} agents of {experiment.name}, one container each; records and report appear in ./runs.",
        "# Written by `netagents compose`: docs/containers.md says how, and what the parts are for.",
        *([f"# {networks.note}."] if networks.note else []),
        "",
        f"x-experiment: &experiment |\n{_indent(text, 2)}",
        "",
        f"x-node: &node\n{_indent(_dump(node), 2)}",
        "",
        "services:",
    ]
    variable = f"    environment:\n      {EXPERIMENT_VARIABLE}: *experiment"
    parts = [
        f"  keys:\n{_indent(_dump(keys), 4)}\n{variable}",
        f"  environment:\n    <<: *node\n{_indent(_dump(server), 4)}\n{variable}",
        *(f"  {name}:\n    <<: *node\n{_indent(_dump(service), 4)}" for name, service in members.items()),
        f"  report:\n{_indent(_dump(report), 4)}",
    ]
    tail = [_dump({"networks": {**networks.declared, "report": {}}}), _dump({"volumes": {volume: {} for volume in volumes.values()}})]
    return "\n\n".join(["\n".join(head) + f"\n{parts[0]}", *parts[1:], *tail]) + "\n"


@dataclass(frozen=True)
class HostPaths:
    """Paths on the host that the compose launcher mounts into its containers.

    Attributes:
        user: ``uid:gid`` of the user who started the run.
        run_directory: of the run.
        keys: a folder of keys for every node.
        view: folder in which the launcher listens for views.
        lines: folder of the control pipes between launcher and server.
    """

    user: str
    run_directory: Path
    keys: Path
    view: Path
    lines: Path


def launched_file(prepared: Prepared, paths: HostPaths) -> str:
    """The Compose file of one run of the compose launcher, which restarts failed agents itself."""
    check_fits_containers(prepared.experiment)
    experiment, networks = prepared.experiment, networks_of(prepared)
    logs = paths.run_directory / "logs"

    def service(name: str, command: Sequence[str], *mounts: Service) -> Service:
        role = role_of_service(name)
        return {
            "image": experiment.runtime.containers.image or default_image(),
            "pull_policy": "never",
            **_hardened(experiment),
            "user": paths.user,
            "command": [*command, "--log", "/log.jsonl"],
            "volumes": [_bind(paths.keys / name, "/keys", read_only=True), _bind(logs / f"{role}.jsonl", "/log.jsonl"), *mounts],
            "networks": networks.of(name),
        }

    services: dict[str, Service] = {}
    command = ["node", "environment", "--run", "/run-directory", "--trust", "--lines", "/lines", *listening("environment")]
    shared = [_bind(paths.run_directory, "/run-directory"), _bind(paths.lines, "/lines")]
    services["environment"] = service("environment", command, *shared)
    services["environment"]["mem_limit"] = f"{experiment.runtime.containers.server_memory}m"
    if experiment.runtime.monitor:
        command = [*_joining("monitor", experiment, networks), "--view", "ipc:///view/view"]
        services["monitor"] = service("monitor", command, _bind(paths.view, "/view"))
    for index in range(prepared.setup.n):
        name = agent_service(index)
        command = [*_joining(name, experiment, networks), "--replace"]
        if not prepared.setup.replays:
            services[name] = service(name, command)
        else:
            services[name] = service(name, [*command, "--replay", "/replay"], _bind(paths.run_directory / REPLAY, "/replay"))
    return json.dumps({"services": services, "networks": networks.declared}, indent=1)


def _hardened(experiment: Experiment) -> Service:
    """The settings of every container: an init process, no privileges, nothing writable but /tmp, and limits."""
    containers = experiment.runtime.containers
    return {
        "init": True,
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": _PROCESSES,
        "mem_limit": f"{containers.memory}m",
        "cpus": containers.processors,
        # Nothing outside is needed, so a lookup of a missing name should fail at once.
        "dns_opt": ["timeout:1", "attempts:1"],
        "stop_grace_period": f"{_GRACE_SECONDS}s",
        "restart": "no",
    }


def _joining(name: str, experiment: Experiment, networks: Networks) -> list[str]:
    # On several networks a node has several addresses, and its name gives each neighbour the right one.
    return joining(name, experiment, advertise=OWN_ADDRESS if len(networks.declared) == 1 else name)


def _bind(source: Path, target: str, *, read_only: bool = False) -> Service:
    # `$` begins a variable in a Compose file.
    mount: Service = {"type": "bind", "source": str(source.resolve()).replace("$", "$$"), "target": target}
    return {**mount, "read_only": True} if read_only else mount


def _dump(value: Mapping[str, Any] | list[Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=140, allow_unicode=True).rstrip("\n")


def _indent(text: str, spaces: int) -> str:
    return "\n".join(f"{' ' * spaces}{line}" if line else line for line in text.splitlines())
