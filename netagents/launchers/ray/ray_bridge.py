"""Bridge to a Ray cluster: the one process of a run that speaks with Ray.

``ray_bridge DESCRIPTOR`` reads the settings of a cluster as a line from its standard input, and answers with the cluster's nodes.  A second
line begins a run: the bridge reserves what the agents take, and for each connection to its socket it starts an actor on the host that the
first line names and passes bytes on between the two.  It ends when its standard input does, and Ray then ends whatever it has not ended
itself.  One process does both because Ray takes seconds to import and to connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from netagents.launchers.ray.bridge_connection import END
from netagents.launchers.ray.runner_actor import RunnerActor
from netagents.nodes.process.socket_directory import SocketDirectory

_READ_SECONDS = 1.0
_READ_BYTES = 1 << 16
_CONNECT_SECONDS = 5.0
_END_SECONDS = 5.0
_GROUP_SECONDS = 2.0
_UNLIMITED = 100_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def connect(address: str) -> None:
    """Connect this process to the cluster.

    Raises:
        ConnectionError: nobody listens at the address.
        Exception: what Ray raises, such as for another version of it, or a token that is missing.
    """
    host, colon, port = address.rpartition(":")
    if colon:
        # Ray itself tries for a minute.
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
        except (OSError, ValueError, OverflowError) as error:
            raise ConnectionError(f"nobody answers at {address}: {getattr(error, 'strerror', None) or error}") from None
    options: dict[str, Any] = {"_node_ip_address": "127.0.0.1"} if address.startswith("127.") else {}
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **options)


def needs(settings: Mapping[str, Any], agents: int = 1) -> dict[str, float]:
    """The resources of so many agents, in Ray's names; of more than one GPU, Ray gives whole ones only."""
    amounts_per_agent = {"CPU": settings["processors"], "GPU": settings["gpus"], **settings["resources"]}
    amounts = {name: round(agents * amount, 4) for name, amount in amounts_per_agent.items() if amount}
    if amounts.get("GPU", 0.0) > 1.0:
        amounts["GPU"] = float(math.ceil(amounts["GPU"]))
    return amounts


def living_nodes(settings: Mapping[str, Any]) -> list[tuple[str, str, int, str]]:
    """Name, id, number of agents for which it has resources, and address of each living node."""
    requirements, nodes = needs(settings), []
    for node in ray.nodes():
        if node["Alive"]:
            there = node["Resources"]
            slots = min((int(there.get(name, 0.0) / amount + 1e-9) for name, amount in requirements.items()), default=_UNLIMITED)
            nodes.append((str(node["NodeManagerHostname"]), str(node["NodeID"]), slots, str(node["NodeManagerAddress"])))
    names = [name for name, *_ in nodes]
    # Two raylets of one machine have one name.
    return sorted((name if names.count(name) == 1 else f"{name}-{node[:6]}", node, slots, address) for name, node, slots, address in nodes)


class RayBridge:
    """One run on the cluster.

    Args:
        settings: ``ray`` (:class:`~netagents.experiment.launcher_settings.RaySettings`), ``agents`` (id of a Ray node -> number of its
            agents), ``python`` (of the hosts, or None), ``runner`` (what that runs) and ``seconds`` (for which taken resources are waited
            for).
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._agents: dict[str, int] = dict(settings["agents"])
        self._places = {identity: place for place, identity in enumerate(self._agents)}
        self._group: Any = None
        self.fault = ""

    def open(self) -> None:
        """Reserve what the agents take, all at once and each share on its host.

        Raises:
            TimeoutError: others have taken it.
            ConnectionError: a host is gone.
            Exception: what Ray raises.
        """
        bundles = [needs(self._settings["ray"], agents) for agents in self._agents.values()]
        selectors = [{"ray.io/node-id": identity} for identity in self._agents]
        self._group = placement_group(bundles, strategy="PACK", bundle_label_selector=selectors)
        seconds = float(self._settings["seconds"])
        limit = time.monotonic() + seconds
        while not self._group.wait(_GROUP_SECONDS):
            # The cluster may need some seconds to notice that a host is gone.
            if self._agents.keys() - {identity for _, identity, *_ in living_nodes(self._settings["ray"])}:
                raise ConnectionError("a host has left the cluster meanwhile")
            if time.monotonic() < limit:
                continue
            shares = "; ".join(", ".join(f"{amount:g} {name}" for name, amount in bundle.items()) for bundle in bundles)
            raise TimeoutError(f"waited {seconds:g} s for what others have taken: {shares}, on one host each")

    def start_actor(self, identity: str) -> Any:
        """An actor with a runner on a host, with all that was reserved there."""
        reserved = needs(self._settings["ray"], self._agents[identity])
        remote: Any = ray.remote(RunnerActor)
        options = {
            "num_cpus": reserved.pop("CPU", 0.0),
            "num_gpus": reserved.pop("GPU", 0.0),
            "max_restarts": 0,  # failures.agent decides
            "max_concurrency": 3,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(self._group, self._places[identity]),
        }
        return remote.options(**options).remote(self._settings["python"], self._settings["runner"])

    async def serve(self, listener: socket.socket) -> None:
        """Serve connections until standard input ends."""
        serving: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            serving.add(task)
            task.add_done_callback(serving.discard)
            await self._serve_host(reader, writer)

        server = await asyncio.start_unix_server(accept, sock=listener)
        await _end_of_input()
        server.close()
        if serving:
            await asyncio.wait(serving, timeout=_END_SECONDS)

    async def _serve_host(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        identity = (await reader.readline()).decode().strip()
        with contextlib.suppress(OSError):
            try:
                words = self.fault or await self._pass_bytes(self.start_actor(identity), reader, writer)
            except Exception as error:
                words = one_line(error)
            if words:
                writer.write(END + words.encode() + b"\n")
            writer.close()
            await writer.wait_closed()

    async def _pass_bytes(self, actor: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Pass bytes on between the launcher and an actor until either ends; gives why the runner ended, if it did first."""

        async def inwards() -> None:
            while data := await reader.read(_READ_BYTES):
                await actor.write.remote(data)

        async def outwards() -> None:
            while (data := await actor.read.remote(_READ_SECONDS)) is not None:
                if data:
                    writer.write(data)
                    await writer.drain()

        tasks = [asyncio.create_task(inwards()), asyncio.create_task(outwards())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[1].done():
                tasks[1].result()
                return str(await actor.ending.remote())
            tasks[0].result()
            await asyncio.wait_for(actor.end.remote(), _END_SECONDS)
            return ""
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(Exception):
                ray.kill(actor)

    def close(self) -> None:
        """Give back what was reserved."""
        with contextlib.suppress(Exception):
            if self._group is not None:
                remove_placement_group(self._group)


async def _end_of_input() -> None:
    """Wait until standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(_READ_BYTES):
        pass


def one_line(error: BaseException) -> str:
    """What an exception of Ray says, in one line."""
    lines = [line.strip() for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # Behind the first line of an actor that could not be made stands its traceback, whose last line says why.
    return lines[-1 if "creation task" in lines[0] else 0][:300]


def main() -> int:
    """Tell the nodes, and serve a run."""
    # What Ray prints goes to standard error.
    output = os.dup(1)
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listener = socket.socket(fileno=int(sys.argv[1]))
    folder = SocketDirectory(Path(listener.getsockname()).parent)
    try:
        answer = _answer(json.loads(sys.stdin.readline()))
        with contextlib.suppress(BrokenPipeError):
            os.write(output, json.dumps(answer).encode() + b"\n")
        run = sys.stdin.readline()
        if run:
            bridge = RayBridge(json.loads(run))
            try:
                try:
                    bridge.open()
                except Exception as error:
                    bridge.fault = one_line(error)
                asyncio.run(bridge.serve(listener))
            finally:
                bridge.close()
    finally:
        with contextlib.suppress(Exception):
            ray.shutdown()
        folder.remove()
    return 0


def _answer(settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        connect(settings["address"])
        return {"nodes": living_nodes(settings)}
    except Exception as error:
        return {"fault": one_line(error)}


if __name__ == "__main__":
    sys.exit(main())
