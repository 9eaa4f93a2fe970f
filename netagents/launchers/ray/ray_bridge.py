"""Bridge between the launcher and a Ray cluster: one process that speaks the lines of a runner on one side, and with actors on the other.

``ray_bridge nodes SETTINGS`` tells which nodes the cluster has.  Without arguments it serves one run: it reserves a placement group, starts
an actor on each host that has agents, and passes the launcher's messages on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from netagents.launchers.hosts.host_channel import address_towards
from netagents.launchers.hosts.host_runner import greeting
from netagents.launchers.ray.runner_actor import RunnerActor

_LOOK_SECONDS = 0.05
_END_SECONDS = 5.0


def connect(settings: Mapping[str, Any]) -> None:
    """Connect this process to the cluster.

    Raises:
        ConnectionError: there is none.
    """
    address = str(settings["address"])
    loopback = address.startswith(("127.", "[::1]"))
    options: dict[str, Any] = {"_node_ip_address": "127.0.0.1"} if loopback else {}
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **options)


def needs(settings: Mapping[str, Any]) -> dict[str, float]:
    """The resources of one agent, in Ray's names."""
    wanted = {"CPU": settings["processors"], "GPU": settings["gpus"], **settings["resources"]}
    return {name: float(amount) for name, amount in wanted.items() if amount}


def living_nodes(settings: Mapping[str, Any]) -> list[tuple[str, str, int, str]]:
    """Name, id, places for agents and address of each living node."""
    wanted, found = needs(settings), []
    for node in ray.nodes():  # type: ignore[no-untyped-call,unused-ignore]
        if node["Alive"]:
            there = node["Resources"]
            places = min((int(there.get(name, 0.0) / amount + 1e-9) for name, amount in wanted.items()), default=100_000)
            found.append((str(node["NodeManagerHostname"]), str(node["NodeID"]), places, str(node["NodeManagerAddress"])))
    names = [name for name, *_ in found]
    # Two raylets of one machine have one name.
    return sorted((name if names.count(name) == 1 else f"{name}-{identity[:6]}", identity, *rest) for name, identity, *rest in found)  # type: ignore[misc]


@dataclass
class RunnerNode:
    """A node of the cluster that has agents."""

    identity: str
    name: str
    address: str
    actor: Any
    receiving: Any = None
    buffered: bytes = b""
    heard: float = field(default_factory=time.monotonic)
    roles: set[str] = field(default_factory=set)
    lost: str = ""
    greeted: bool = False


class Bridge:
    """One run on the cluster.

    Args:
        settings: of the launcher, see :meth:`netagents.launchers.ray.ray_launcher.RayLauncher.runner_settings`.
        output: descriptor of the launcher's end.
    """

    def __init__(self, settings: Mapping[str, Any], output: int) -> None:
        self._settings, self._output = settings, output
        self._places: dict[str, str] = dict(settings["places"])
        self._group: Any = None
        self.nodes: dict[str, RunnerNode] = {}

    def say(self, **message: Any) -> None:
        """Send a message to the launcher."""
        data = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._output, data) :]

    def open(self) -> None:
        """Reserve what the agents take, and start an actor per host.

        Raises:
            TimeoutError: the resources are taken by others.
        """
        known = {identity: (name, address) for name, identity, _, address in living_nodes(self._settings["ray"])}
        wanted = needs(self._settings["ray"])
        if wanted:
            # A node's own resource keeps each agent where the partition of the graph has put it.
            own = {identity: {f"node:{known[identity][1]}": 1e-4} if _own_resource(known, identity) else {} for identity in known}
            bundles = [{**wanted, **own[identity]} for identity in self._places.values()]
            self._group = placement_group(bundles, strategy="PACK")
            if not self._group.wait(self._settings["join"]):
                raise TimeoutError(f"{len(bundles)} agents of {wanted} do not fit what is free; see `ray status`")
        remote: Any = ray.remote(RunnerActor)
        runner = {key: self._settings[key] for key in ("networks", "logs", "run", "paths", "scale", "nodes")}
        for identity in dict.fromkeys(self._places.values()):
            name, address = known[identity]
            strategy = NodeAffinitySchedulingStrategy(identity, soft=False)
            actor = remote.options(num_cpus=0, max_restarts=0, max_concurrency=4, scheduling_strategy=strategy).remote()
            node = self.nodes[identity] = RunnerNode(identity, name, address, actor)
            actor.send.remote(json.dumps(runner).encode() + b"\n")
            node.receiving = actor.receive.remote()

    def take(self, message: dict[str, Any]) -> None:
        """Pass a message of the launcher on."""
        if "start" in message:
            role = str(message["start"])
            node = self._node_for(role)
            if node is None:
                self.say(exited=role, pid=0, code=None)
                return
            arguments = message["arguments"]
            server = self._settings["server"] or address_towards(node.address)
            arguments |= {"join": f"tcp://{server}:{arguments['join'].rpartition(':')[2]}", "advertise": node.address}
            node.roles.add(role)
            self._send(node, message)
        elif "signal" in message:
            for node in self.nodes.values():
                mine = [role for role in message["roles"] if role in node.roles]
                if mine and not node.lost:
                    self._send(node, {**message, "roles": mine})
        elif "alive" in message:
            for node in self.nodes.values():
                if not node.lost:
                    self._send(node, message)

    def _node_for(self, role: str) -> RunnerNode | None:
        """The node of a role, or the one with the fewest agents where it is lost."""
        node = self.nodes[self._places[role]]
        if not node.lost:
            return node
        return min((each for each in self.nodes.values() if not each.lost), key=lambda each: len(each.roles), default=None)

    def _send(self, node: RunnerNode, message: Mapping[str, Any]) -> None:
        node.actor.send.remote(json.dumps(message).encode() + b"\n")

    def look(self, timeout: float) -> None:
        """Pass on what runners say, and notice nodes that are lost."""
        waiting = {node.receiving: node for node in self.nodes.values() if not node.lost}
        if waiting:
            ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=timeout)
            for future in ready:
                self._receive(waiting[future], future)
        now = time.monotonic()
        for node in self.nodes.values():
            limit = self._settings["silence"] if node.greeted else self._settings["join"]
            if not node.lost and now - node.heard > limit:
                self._lose(node, f"no sign of life for {limit:g} s")

    def _receive(self, node: RunnerNode, future: Any) -> None:
        try:
            data, ending = ray.get(future)
        except ray.exceptions.RayError as error:
            self._lose(node, str(error).strip().splitlines()[0][:200])
            return
        if data:
            node.heard = time.monotonic()
        *lines, node.buffered = (node.buffered + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "hello" in message:
                node.greeted = True
                self._compare(node, message)
            elif "fault" in message:
                self.say(**message)
            else:
                if "exited" in message:
                    node.roles.discard(message["exited"])
                self.say(**message)
        if ending:
            self._lose(node, ending)
        else:
            node.receiving = node.actor.receive.remote()

    def _compare(self, node: RunnerNode, hello: Mapping[str, Any]) -> None:
        own = greeting()
        if hello["version"] != own["version"]:
            self.say(fault=f"host {node.name}: has netagents {hello['version']}, and the launcher {own['version']}; install the same")

    def _lose(self, node: RunnerNode, why: str) -> None:
        node.lost = why
        for role in sorted(node.roles):
            self.say(exited=role, pid=0, code=None, note=f"host {node.name} is lost: {why}")
        node.roles.clear()

    def close(self) -> None:
        """End all runners, give back what was reserved, and leave the cluster."""
        living = [node for node in self.nodes.values() if not node.lost]
        with contextlib.suppress(ray.exceptions.RayError):
            ray.wait([node.actor.end.remote() for node in living], num_returns=len(living), timeout=_END_SECONDS) if living else None
        for node in self.nodes.values():
            with contextlib.suppress(Exception):
                ray.kill(node.actor)
        if self._group is not None:
            with contextlib.suppress(Exception):
                remove_placement_group(self._group)


def _own_resource(known: Mapping[str, tuple[str, str]], identity: str) -> bool:
    """Whether a node's address names it alone; on one machine several nodes may share it."""
    address = known[identity][1]
    return sum(other == address for _, other in known.values()) == 1


def serve(output: int) -> int:
    """One run, until the launcher's end of the lines is closed."""
    from netagents.launchers.hosts.host_runner import InputLines

    lines = InputLines(0)
    os.write(output, json.dumps(greeting()).encode() + b"\n")
    settings = lines.first()
    if settings is None:
        return 0
    bridge = Bridge(settings, output)
    try:
        connect(settings["ray"])
        bridge.open()
        said = time.monotonic()
        while True:
            # What came with the first message waits already.
            messages, ended = lines.take() if select.select([0], [], [], 0)[0] or lines.kept else ([], False)
            for message in messages:
                bridge.take(message)
            if ended:
                break
            bridge.look(_LOOK_SECONDS)
            if time.monotonic() - said > 1.0:
                said = time.monotonic()
                bridge.say(alive=1)
    except Exception as error:
        bridge.say(fault=f"launcher ray: {_one_line(error)}")
        return 14
    finally:
        with contextlib.suppress(Exception):
            bridge.close()
            ray.shutdown()
    return 0


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


def main() -> int:
    """Serve a run, or tell the nodes."""
    output = os.dup(1)
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.argv[1:2] != ["nodes"]:
        return serve(output)
    settings = json.loads(sys.argv[2])
    try:
        connect(settings)
        answer: dict[str, Any] = {"nodes": living_nodes(settings)}
        ray.shutdown()
    except Exception as error:
        answer = {"fault": _one_line(error)}
    os.write(output, json.dumps(answer).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
