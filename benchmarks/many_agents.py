"""Hundreds of agents in one process and as processes, beside what ``netagents plan`` predicts: bytes, memory, time of start and step.

``python -m benchmarks.many_agents 100 300 1000`` prints the table of docs/hosts.md.  The time of a step is processor time of all processes,
by the difference of a long and a short run, divided by the number of cores that the prediction assumes, so that other load does not count.
The start lasts from the run directory until the server has heard of all nodes; that and the time of an iteration are of the clock.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import netagents
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.nodes.process.stray_processes import RUN_MARKER
from netagents.studies.cost_model import Cost, predict

CORES = 2
"""For which the rates of :class:`netagents.studies.cost_model.Rates` stand."""

SHORT, LONG, STEPS = 2, 12, 10


def grid(n: int, launcher: str, iterations: int) -> dict[str, Any]:
    """A SIS epidemic on a grid of ten columns."""
    return {
        "name": f"many-{n}",
        "environment": {"kind": "sis"},
        "topology": {"kind": "grid", "rows": n // 10, "columns": 10},
        "kappa": 1,
        "learning": {"iterations": iterations, "batch": 4, "horizon": STEPS},
        "runtime": {"launcher": launcher},
        "timeouts": {"scale": 10.0},
    }


class Memory(threading.Thread):
    """Watches the largest sum of proportional memory over all processes of a run, in bytes.

    Args:
        folder: for temporary files of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._marker = f"{RUN_MARKER}={folder}".encode()
        self.most = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Look until it is over."""
        while not self.over.wait(5.0):
            self.most = max(self.most, sum(map(self._proportional, Path("/proc").glob("[0-9]*"))))

    def _proportional(self, folder: Path) -> int:
        try:
            if self._marker not in (folder / "environ").read_bytes():
                return 0
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def processor_seconds() -> float:
    """Of this process and all that have ended below it."""
    used = [resource.getrusage(processes) for processes in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure(n: int, launcher: str) -> str:
    """A row of the table."""
    cost: Cost = predict(prepare(load_experiment(grid(n, launcher, LONG)).experiment).setup)
    start, seconds, payload, gathered, wall = time.time(), [], 0, 0.0, np.zeros(1)
    with tempfile.TemporaryDirectory(prefix="many-", dir="/tmp") as folder:
        tempfile.tempdir = folder
        memory = Memory(Path(folder))
        if launcher == "local":
            memory.start()
        for iterations in (SHORT, LONG):
            before = processor_seconds()
            run = netagents.run(grid(n, launcher, iterations), directory=Path(folder) / str(iterations))
            seconds.append(processor_seconds() - before)
            payload = sum(traffic.bytes for traffic in run.ledger.by_link().values())
            times = {event["event"]: float(event["time"]) for event in run.events}
            gathered, wall = times.get("gathered", 0.0) - times["created"], run.seconds
    tempfile.tempdir = None
    memory.over.set()
    step = (seconds[1] - seconds[0]) / (LONG - SHORT) / STEPS / (CORES if launcher == "local" else 1)
    predicted = sum(flow.payload for flow in cost.total(LONG).values())
    here = f"{memory.most / 2**30:.2f} GiB" if memory.most else "-"
    memory_text = f"{cost.memory_bytes[1] / 2**30:.2f} GiB" if launcher == "local" else "-"
    rates = f"{1e3 * cost.step_seconds():.1f} ms" if launcher == "local" else "-"
    clock = f"{gathered:.1f} s | {(wall[-1] - wall[0]) / (len(wall) - 1):.2f} s" if launcher == "local" else "- | -"
    whole = f"{(time.time() - start):.0f} s"
    sizes = f"{predicted:,.0f} | {payload:,} | {memory_text} | {here}"
    return f"| {n:,} | {launcher} | {sizes} | {rates} | {1e3 * step:.1f} ms | {clock} | {whole} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_agents")
    parser.add_argument("sizes", nargs="*", type=int, default=[100, 300, 1000])
    parser.add_argument("--launcher", action="append", help="in_process, local; default: both")
    arguments = parser.parse_args()
    titles = "agents | launcher | payload, predicted | payload, ledger | memory, predicted | memory | step, predicted | step | start"
    print(f"| {titles} | iteration | both runs |")
    print(f"|{'---|' * 11}")
    for launcher in arguments.launcher or ["in_process", "local"]:
        for n in arguments.sizes:
            print(measure(n, launcher), flush=True)


if __name__ == "__main__":
    main()
