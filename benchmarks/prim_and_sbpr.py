"""PRIM and SBPR compared: ``python -m benchmarks.prim_and_sbpr`` trains both with the same price, and writes ``docs/power/prim_sbpr.csv``.

What is compared is exact: the policies that each seed ends with are put into linear algebra (:mod:`netagents.exact`), which gives the task
return of all agents, their power, and U = task - lambda power.  Spread is the standard deviation over seeds, with its interval from
resampled seeds.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
DATA = Path(__file__).parent.parent / "docs" / "power" / "prim_sbpr.csv"
METHODS = ("none", "prim", "sbpr")
SEEDS = 8

RELY = {"kind": "game", "rules": {"kind": "rely", "self_reward": 0.0, "loss": 2.0, "split_cost": 0.3}}
TASKS: dict[str, dict[str, Any]] = {
    "rely": {
        "environment": RELY,
        "topology": {"kind": "complete", "n": 3},
        "kappa_policy": 0,
        "kappa_gradient": 0,
        "learning": {"batch": 192, "horizon": 4, "learning_rate": 30.0, "iterations": 80, "gamma": 0.9},
    },
    "ring": {
        "environment": {"kind": "game", "rules": {"kind": "stag_hunt"}},
        "topology": {"kind": "ring", "n": 4},
        "kappa_policy": 0,
        "kappa_gradient": 0,
        "learning": {"batch": 192, "horizon": 4, "learning_rate": 5.0, "iterations": 80, "gamma": 0.9},
    },
}
"""Experiments in which every agent learns for itself."""

PRICES = {"rely": (0.1, 0.6, 0.75), "ring": (0.1, 0.6)}


def outcome(task: str, method: str, price: float, seed: int) -> tuple[float, float, float]:
    """(task return, power, U) of the policies that a run ends with; with lambda = p both methods ask for the same, up to terms in p^2."""
    from netagents.experiment import load_experiment
    from netagents.studies.power_claims import exact_outcome, prim, sbpr

    methods: dict[str, dict[str, Any]] = {"none": {}, "prim": prim(price), "sbpr": sbpr(price)}
    returned, power = exact_outcome(load_experiment({**TASKS[task], **methods[method], "seed": seed}).experiment)
    return returned, power, returned - price * power


def spread(samples: FloatArray, generator: np.random.Generator) -> tuple[float, float, float]:
    """Standard deviation over seeds, with a 95 % interval from 2000 resamples."""
    resampled = samples[generator.integers(0, len(samples), (2000, len(samples)))].std(axis=1, ddof=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return float(samples.std(ddof=1)), float(low), float(high)


def main() -> None:
    """Train, compare, print and write."""
    tasks = sys.argv[1:] or list(TASKS)
    rows = []
    for task in tasks:
        for price in PRICES[task]:
            for method in METHODS:
                rows += [(task, price, method, seed, *outcome(task, method, price, seed)) for seed in range(SEEDS)]
                print(f"{task} {price} {method}", np.round(np.mean([row[4:] for row in rows[-SEEDS:]], axis=0), 4).tolist(), flush=True)
    with DATA.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("task", "lambda", "method", "seed", "task_return", "power", "regularized"))
        writer.writerows(rows)
    print(summary(rows))


def summary(rows: list[Any]) -> str:
    """A table for the documentation."""
    from netagents.intervals import run_interval

    lines = ["| task | lambda | method | task return | power | U | spread of U over seeds |", "|---|---|---|---|---|---|---|"]
    generator = np.random.default_rng(0)
    for task, price, method in dict.fromkeys((row[0], row[1], row[2]) for row in rows):
        here = np.array([row[4:] for row in rows if row[:3] == (task, price, method)], dtype=np.float64)
        cells = []
        for column in here.T:
            value = run_interval(column)
            cells.append(f"{value.value:.4g} [{value.low:.4g}, {value.high:.4g}]")
        deviation, low, high = spread(here[:, 2], generator)
        lines.append(f"| {task} | {price:g} | {method} | {' | '.join(cells)} | {deviation:.2g} [{low:.2g}, {high:.2g}] |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
