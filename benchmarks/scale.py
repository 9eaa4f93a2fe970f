"""Cost per message as the network grows."""

from __future__ import annotations

from typing import Any

from benchmarks.statistics import summarise
from benchmarks.table import Section
from benchmarks.workloads import train
from netagents.experiment import Experiment

SIZES = (4, 16, 36, 64, 100)
HORIZON, ITERATIONS = 40, 3


def ring(n: int) -> Experiment:
    """A SIS epidemic on a ring: every agent has two neighbours whatever n is."""
    settings: dict[str, Any] = {
        "environment": {"kind": "sis"},
        "topology": {"kind": "ring", "n": n},
        "kappa": 1,
        "learning": {"batch": 64, "iterations": ITERATIONS, "horizon": HORIZON},
    }
    return Experiment.model_validate(settings)


def measure(rounds: int) -> Section:
    """Microseconds per message for growing rings."""
    section = Section(
        "Cost per message as the network grows",
        "A SIS epidemic on a ring (two neighbours each), B = 64, kappa 1: time inside the lockstep steps per message moved, and relative "
        "to n = 16. A flat column means that a larger network costs more messages, but no more per message.",
        ("n", "messages per step", "µs per message", "relative to n = 16"),
    )
    experiments = {n: ring(n) for n in SIZES}
    found: dict[int, list[float]] = {n: [] for n in SIZES}
    for _ in range(max(2, rounds // 2)):
        for n, experiment in experiments.items():
            found[n].append(train(experiment, "local").per_step / (4 * n) * 1e6)
    for n in SIZES:
        result = summarise(list(zip(found[n], found[16], strict=True)))
        section.add(n, 4 * n, f"{result.first:.0f}", result.text())
    return section
