"""Cost per message as the network grows."""

from __future__ import annotations

from typing import Any

from benchmarks.pairs import summarise
from benchmarks.raw_twin import run_twin
from benchmarks.table import Section
from benchmarks.workloads import traffic_of, train
from netagents.experiment import Experiment
from netagents.learning.prepared_experiment import prepare

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
        "to n = 16; beside it what the same messages cost the raw twin's processes on this machine. A share that stays says that a larger "
        "network costs netagents more messages, but no more per message than the machine takes.",
        ("n", "messages per step", "µs per message", "relative to n = 16", "twin µs per message", "share of raw speed"),
    )
    experiments = {n: ring(n) for n in SIZES}
    traffic = {n: traffic_of(prepare(experiment)) for n, experiment in experiments.items()}
    by_size: dict[int, list[float]] = {n: [] for n in SIZES}
    raw: dict[int, list[float]] = {n: [] for n in SIZES}
    for _ in range(max(2, rounds)):
        for n, experiment in experiments.items():
            twin_steps = ITERATIONS * (traffic[n].steps - 1)
            raw[n].append(run_twin(traffic[n], ITERATIONS).step_seconds / twin_steps / (4 * n) * 1e6)
            by_size[n].append(train(experiment, "local").per_step / (4 * n) * 1e6)
    for n in SIZES:
        growth, share = summarise(list(zip(by_size[n], by_size[16], strict=True))), summarise(list(zip(raw[n], by_size[n], strict=True)))
        section.add(n, 4 * n, f"{growth.first:.0f}", growth.text(), f"{share.first:.0f}", share.text())
    return section
