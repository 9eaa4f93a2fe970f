"""The raw twin: the same messages over bare sockets, with nothing learned, decoded or checked.

It moves what a lockstep run moves (one Step and one Action per agent and step, one State per neighbour and step, and the messages
of the iteration's other phases), over one of the carriers of :mod:`benchmarks.carriers`, so its time is what any runtime on these
sockets must pay.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from benchmarks.carriers import FORKED, SERVER, Carrier, MpiCarrier
from benchmarks.traffic import ACTION, PHASE, REPORT, STATE, STEP, Timing, Traffic


def run_twin(traffic: Traffic, iterations: int, carrier: str = "unix") -> Timing:
    """Move the traffic of ``iterations`` iterations, and time it at the server.

    Args:
        traffic: of one iteration. iterations: how many.
        carrier: a name of :data:`FORKED`, or ``mpi``.
    """
    if carrier == "mpi":
        return _run_mpi(traffic, iterations)
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(prefix="twin-") as directory:
        agents = [context.Process(target=_agent, args=(carrier, traffic, iterations, index, directory)) for index in range(traffic.n)]
        for agent in agents:
            agent.start()
        try:
            links = FORKED[carrier](directory, SERVER, range(traffic.n), traffic)
            timing = serve(links, traffic, iterations)
            links.close()
            return timing
        finally:
            for agent in agents:
                agent.join(10)
                if agent.is_alive():
                    agent.kill()


def _agent(carrier: str, traffic: Traffic, iterations: int, index: int, directory: str) -> None:
    links = FORKED[carrier](directory, index, (SERVER, *traffic.neighbours(index)), traffic)
    act(links, traffic, iterations, index)
    links.close()


def serve(links: Carrier, traffic: Traffic, iterations: int) -> Timing:
    """The server's part."""
    agents = range(traffic.n)
    sends = [links.send_function(index) for index in agents]
    step = bytes([STEP]) + os.urandom(traffic.step_size - 1)
    in_steps = 0.0
    for send in sends:
        send(step)
    links.take(REPORT, agents)
    start = time.perf_counter()
    for iteration in range(iterations):
        for send in sends:
            send(step)
        mark = 0.0
        for executed in range(traffic.steps):
            links.take(ACTION, agents)
            if executed == 0:
                mark = time.perf_counter()
            for send in sends:
                send(step)
        in_steps += time.perf_counter() - mark
        if iteration < iterations - 1:
            links.take(REPORT, agents)
    links.take(REPORT, agents)
    return Timing(in_steps, time.perf_counter() - start)


def act(links: Carrier, traffic: Traffic, iterations: int, index: int) -> None:
    """An agent's part."""
    action = bytes([ACTION]) + os.urandom(traffic.action_size - 1)
    report = bytes([REPORT]) + os.urandom(traffic.report_size - 1)
    state = bytes([STATE]) + os.urandom(max(traffic.state.size - 1, 0))
    bodies = [bytes([PHASE + number]) + os.urandom(max(phase.size - 1, 0)) for number, phase in enumerate(traffic.phases)]
    to_server = links.send_function(SERVER)
    sends = {peer: links.send_function(peer) for peer in traffic.neighbours(index)}
    audience = [sends[peer] for peer in traffic.state.audience[index]]
    heard_by = traffic.state.senders[index]
    phases = [
        (PHASE + number, body, [sends[peer] for peer in phase.audience[index]], phase.senders[index])
        for number, (body, phase) in enumerate(zip(bodies, traffic.phases, strict=True))
    ]
    server = (SERVER,)
    links.take(STEP, server)
    to_server(report)
    for _ in range(iterations):
        for step in range(traffic.steps + 1):
            links.take(STEP, server)
            for send in audience:
                send(state)
            links.take(STATE, heard_by)
            if step < traffic.steps:
                to_server(action)
        for tag, body, receivers, senders in phases:
            for send in receivers:
                send(body)
            links.take(tag, senders)
        to_server(report)


def installed(carrier: str) -> bool:
    """Whether a carrier's library is here."""
    if carrier == "mpi":
        return find_spec("mpi4py") is not None and _mpirun() is not None
    return carrier != "gloo" or find_spec("torch") is not None


def _mpirun() -> str | None:
    beside = Path(sys.executable).with_name("mpirun")
    return str(beside) if beside.exists() else shutil.which("mpirun")


def _run_mpi(traffic: Traffic, iterations: int) -> Timing:
    """The twin as processes of OpenMPI: more of them than cores, and waiting ones yield."""
    mpirun = _mpirun()
    assert mpirun is not None
    with tempfile.TemporaryDirectory(prefix="twin-") as directory:
        file = Path(directory, "traffic.json")
        file.write_text(json.dumps({"iterations": iterations, "traffic": asdict(traffic)}))
        options = ["--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"]
        if os.geteuid() == 0:
            options.append("--allow-run-as-root")
        command = [mpirun, "-n", str(traffic.n + 1), *options, sys.executable, "-m", "benchmarks.raw_twin", str(file)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600.0, check=True)
    return Timing(*json.loads(ended.stdout.strip().splitlines()[-1]))


def main() -> None:
    """One process of the twin under MPI; the server prints its timing."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    traffic = Traffic.from_json(plan["traffic"])
    from mpi4py import MPI

    rank = MPI.COMM_WORLD.Get_rank()
    own = SERVER if rank == traffic.n else rank
    links = MpiCarrier("", own, range(traffic.n) if own == SERVER else (SERVER, *traffic.neighbours(own)), traffic)
    if own != SERVER:
        act(links, traffic, plan["iterations"], own)
        links.close()
        return
    timing = serve(links, traffic, plan["iterations"])
    links.close()
    print(json.dumps([timing.step_seconds, timing.total_seconds]))


if __name__ == "__main__":
    main()
