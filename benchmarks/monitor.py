"""What the monitor costs."""

from __future__ import annotations

from benchmarks.statistics import alternate
from benchmarks.table import Section
from benchmarks.workloads import line_msg, train

ITERATIONS = 8


def measure(rounds: int) -> Section:
    """Training with and without a monitor."""
    section = Section(
        "The monitor",
        "LineMsg, n = 10, B = 64: training time with the monitor and its views divided by the time without one; the aim is at most 1.05.",
        ("with s", "without s", "with / without"),
    )
    watched = line_msg(10, 64, ITERATIONS)
    alone = watched.model_copy(update={"runtime": watched.runtime.model_copy(update={"monitor": False})})
    result = alternate(lambda: train(watched, "local").training, lambda: train(alone, "local").training, rounds)
    section.add(f"{result.first:.2f}", f"{result.second:.2f}", result.text())
    return section
