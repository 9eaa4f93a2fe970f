"""From which batch on processes beat one process."""

from __future__ import annotations

from benchmarks.pairs import alternate
from benchmarks.table import Section
from benchmarks.workloads import line_msg, train
from netagents.intervals import ENOUGH

BATCHES = (16, 64, 256, 1024, 4096)
ITERATIONS = {16: 4, 64: 4, 256: 3, 1024: 2, 4096: 1}


def measure(rounds: int) -> Section:
    """local / in_process for growing batches."""
    section = Section(
        "Processes against one process",
        "LineMsg, n = 10: time of the local launcher divided by that of the in-process one. Below 1 processes win.",
        ("B", "local s per iteration", "in process s per iteration", "local / in process"),
    )
    crossing = ""
    for batch in BATCHES:
        count = ITERATIONS[batch]
        experiment = line_msg(10, batch, count)
        result = alternate(
            lambda experiment=experiment: train(experiment, "local").training,  # type: ignore[misc]
            lambda experiment=experiment: train(experiment, "in_process").training,  # type: ignore[misc]
            max(ENOUGH, rounds // 2),
        )
        section.add(batch, f"{result.first / count:.3f}", f"{result.second / count:.3f}", result.text())
        if result.ratio.high < 1.0 and not crossing:
            crossing = f"Processes win from B = {batch} on."
    section.verdict = (
        crossing or f"On this machine there is no crossover up to B = {BATCHES[-1]}: the agents are cheaper than their messages."
    )
    return section
