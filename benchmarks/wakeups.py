"""Wake-ups: how often the processes of a run go to sleep and are interrupted per lockstep step, by what the kernel counts."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import netagents
from benchmarks.table import Section
from benchmarks.workloads import line_msg, over
from netagents.learning.prepared_experiment import prepare

AGENTS, ITERATIONS, SKIPPED = 16, 10, 2
_COUNTED = ("voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:")


def measure(rounds: int) -> Section:  # noqa: ARG001 -- counts hardly differ
    """LineMsg, n = 16, B = 64, kappa_policy 1, over both transports of one host."""
    section = Section(
        "Wake-ups",
        f"LineMsg, n = {AGENTS}, B = 64, kappa_policy 1, without monitor: context switches of all threads of all nodes, learning included, "
        f"divided by the lockstep steps; the first {SKIPPED} iterations do not count. A process that waits is woken once for each "
        f"voluntary switch. {2 * AGENTS + 1} would do: each agent for its Step and for its neighbours' States, the server "
        "once.",
        ("transport", "wake-ups per step", "of the server", "of an agent", "interruptions per step"),
    )
    for transport in ("unix", "ipc"):
        experiment = over(line_msg(AGENTS, 64, ITERATIONS, kappa_policy=1), transport)
        experiment = experiment.model_copy(update={"runtime": experiment.runtime.model_copy(update={"monitor": False})})
        steps = (ITERATIONS - SKIPPED - 1) * prepare(experiment).setup.steps
        samples: list[dict[str, tuple[int, int]]] = []

        def look(_: object, samples: list[dict[str, tuple[int, int]]] = samples) -> None:
            samples.append(dict(_switches()))

        with tempfile.TemporaryDirectory(prefix="netagents-bench-") as folder:
            netagents.run(json.loads(experiment.model_dump_json()), directory=Path(folder) / "run", on_iteration=look)
        first, last = samples[SKIPPED - 1], samples[-2]
        slept, interrupted = ({role: (last[role][which] - first[role][which]) / steps for role in first} for which in (0, 1))
        server = slept.pop("environment")
        section.add(
            transport,
            f"{server + sum(slept.values()):.0f}",
            f"{server:.1f}",
            f"{sum(slept.values()) / len(slept):.1f}",
            f"{sum(interrupted.values()):.0f}",
        )
    return section


def _switches() -> Iterator[tuple[str, tuple[int, int]]]:
    """Role -> voluntary and involuntary context switches so far of all its threads."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            role = (process / "comm").read_text().strip()
            # A node's name begins with its role, and its run is ours: nobody else's runs are counted.
            if (
                not role.startswith(("agent_", "environment"))
                or process.stat().st_uid != os.getuid()
                or not _is_of_this_run(int(process.name))
            ):
                continue
            counts = [0, 0]
            for thread in (process / "task").iterdir():
                for line in (thread / "status").read_text().splitlines():
                    for which, name in enumerate(_COUNTED):
                        if line.startswith(name):
                            counts[which] += int(line.split()[1])
            yield role, (counts[0], counts[1])
        except OSError:
            continue


def _is_of_this_run(process: int) -> bool:
    """Whether a process descends from this one."""
    while process > 1 and process != os.getpid():
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return process == os.getpid()
