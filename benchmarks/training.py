"""The whole training over each transport, against the raw twin and the in-process run."""

from __future__ import annotations

from benchmarks.pairs import summarise
from benchmarks.raw_twin import run_twin
from benchmarks.table import Section
from benchmarks.workloads import line_msg, over, traffic_of, train
from netagents.learning.prepared_experiment import prepare

ITERATIONS = 8


def measure(rounds: int) -> Section:
    """LineMsg n = 10, B = 64."""
    section = Section(
        "Whole training",
        "LineMsg, n = 10, B = 64, from the start signal to the last checkpoint, measured in turn. With one core per half of the agents the "
        "best that processes could do is the time of the twin over `unix` plus half the in-process time.",
        ("what", "s", "against", "s", "ratio"),
    )
    experiment = line_msg(10, 64, ITERATIONS)
    traffic = traffic_of(prepare(experiment))
    rows = []
    for _ in range(rounds + 1):
        twin = run_twin(traffic, ITERATIONS, "unix").total_seconds
        inside = train(experiment, "in_process").training
        rows.append((train(over(experiment, "unix"), "local").training, train(over(experiment, "ipc"), "local").training, inside, twin))
    rows = rows[1:]
    comparisons = {
        ("unix", "ipc"): [(unix, ipc) for unix, ipc, _, _ in rows],
        ("unix", "in process"): [(unix, inside) for unix, _, inside, _ in rows],
        ("unix", "twin + in process / 2"): [(unix, twin + inside / 2) for unix, _, inside, twin in rows],
    }
    for (first, second), pairs in comparisons.items():
        result = summarise(pairs)
        section.add(first, f"{result.first:.2f}", second, f"{result.second:.2f}", result.text())
    return section
