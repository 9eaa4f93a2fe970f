"""The whole training against the raw twin and the in-process run."""

from __future__ import annotations

from benchmarks.pairs import summarise
from benchmarks.raw_twin import run_twin
from benchmarks.table import Section
from benchmarks.workloads import line_msg, traffic_of, train
from netagents.learning.prepare import prepare

ITERATIONS = 8


def measure(rounds: int) -> Section:
    """LineMsg n = 10, B = 64."""
    section = Section(
        "Whole training",
        "LineMsg, n = 10, B = 64, from the start signal to the last checkpoint. With one core per half of the agents the best that "
        "processes could do is the twin's time plus half the in-process time; the ratio is local / that sum.",
        ("twin s", "in process s", "local s", "local / (twin + in process / 2)"),
    )
    experiment = line_msg(10, 64, ITERATIONS)
    traffic = traffic_of(prepare(experiment))
    found = []
    for _ in range(rounds + 1):
        twin = run_twin(traffic, ITERATIONS).total_seconds
        found.append((twin, train(experiment, "in_process").training, train(experiment, "local").training))
    found = found[1:]
    result = summarise([(local, twin + inside / 2) for twin, inside, local in found])
    middle = [sorted(column)[len(column) // 2] for column in zip(*found, strict=True)]
    section.add(*(f"{value:.2f}" for value in middle), result.text())
    return section
