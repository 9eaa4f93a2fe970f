"""A lockstep step over each transport, and the same messages over bare sockets, MPI and gloo, in turn."""

from __future__ import annotations

import os

from benchmarks.pairs import summarise
from benchmarks.raw_twin import installed, run_twin
from benchmarks.table import Section
from benchmarks.workloads import line_msg, over, play_seconds, traffic_of, train
from netagents.learning.prepared_experiment import prepare

ITERATIONS = 4
TRANSPORTS = ("unix", "ipc")
CORES = min(2, os.cpu_count() or 1)
TWINS = ("unix", "ipc", "datagrams", "mpi", "gloo")


def measure(rounds: int) -> Section:
    """n = 16, B = 64, kappa_policy 1 and 2."""
    twins = [name for name in TWINS if installed(name)]
    section = Section(
        "A lockstep step against raw messages",
        "LineMsg, n = 16, B = 64. A twin moves the same messages and does nothing else: over the sockets of a transport (`unix`, `ipc`), "
        "over one Unix datagram socket per process, with OpenMPI whose waiting processes yield (`mpi`), with gloo. All in turn, in "
        "every round. The ratio is time of netagents over that transport / time of the twin; 1 would mean that environment, policies, "
        "checks and codec cost nothing. The last rows for each kappa_policy are a lower bound: the twin of the transport and, spread "
        f"evenly over {CORES} cores, what the same step computes in one process without any message (environment and policies)."
        + ("" if len(twins) == len(TWINS) else f" Not installed here: {', '.join(sorted({*TWINS} - {*twins}))}."),
        ("kappa_policy", "netagents over", "ms per step", "twin", "twin ms per step", "netagents / twin"),
    )
    for kappa in (1, 2):
        experiment = line_msg(16, 64, ITERATIONS, kappa_policy=kappa)
        traffic = traffic_of(prepare(experiment))
        steps = ITERATIONS * (traffic.steps - 1)
        own: dict[str, list[float]] = {name: [] for name in TRANSPORTS}
        raw: dict[str, list[float]] = {name: [] for name in twins}
        inside: list[float] = []
        for _ in range(rounds + 1):
            inside.append(1e3 * play_seconds(experiment))
            for name in TRANSPORTS:
                own[name].append(1e3 * train(over(experiment, name), "local").per_step)
            for name in twins:
                raw[name].append(1e3 * run_twin(traffic, ITERATIONS, name).step_seconds / steps)
        for transport in TRANSPORTS:
            for twin in twins:
                result = summarise(list(zip(own[transport][1:], raw[twin][1:], strict=True)))
                section.add(kappa, transport, f"{result.first:.2f}", twin, f"{result.second:.2f}", result.text())
        for transport in TRANSPORTS:
            least = [twin + computed / CORES for twin, computed in zip(raw[transport], inside, strict=True)]
            for twin in dict.fromkeys((transport, *(name for name in twins if name == "mpi"))):
                result = summarise(list(zip(least[1:], raw[twin][1:], strict=True)))
                section.add(kappa, f"{transport}, at least", f"{result.first:.2f}", twin, f"{result.second:.2f}", result.text())
    return section
