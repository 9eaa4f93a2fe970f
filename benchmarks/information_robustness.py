"""Robustness by information penalties in gathering against exact adversaries: ``python -m benchmarks.information_robustness``.

Trains three agents with each penalty and seed, then computes exactly, over the horizon and without discount, what the policies return
clean, with noise on the actions, and when one agent is the worst adversary for the others.  Every finished run is a row of
``docs/information/robustness-runs.csv``, and the same command goes on from there; ``--page`` writes the tables of ``docs/robustness.md``
from the files alone.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.marked_tables import fill

ROOT = Path(__file__).parent.parent
DATA, PAGE = ROOT / "docs" / "information", ROOT / "docs" / "robustness.md"
RUNS, RAMPS, BOUNDS = (DATA / f"robustness-{name}.csv" for name in ("runs", "ramps", "bounds"))
FloatArray = NDArray[np.float64]
Row = dict[str, str]

LAMBDAS = (0.0, 1e-4, 5e-4, 1e-3, 1e-2, 1e-1, 0.3, 1.0)
POINTS = (*(("exact", weight) for weight in LAMBDAS), ("as_published", 0.1), ("as_released", 0.1))
COMPARED = (("exact", 0.0), ("exact", 5e-4), ("exact", 0.1))
"""No penalty, the published lambda, and the largest of the published sweep: these with all seeds, the others with the first few."""
SWEPT = {("exact", 1e-4): 10, ("exact", 1e-3): 10, ("exact", 1e-2): 10}
"""Seeds of the other lambdas of the published sweep, once those of :data:`COMPARED` are there."""
FEW = 2
"""Seeds of everything else."""
ITERATIONS, EARLY = 250, 10
NOISES = (0.1, 0.3)
RAMP = {"weight": -3.0, "start": 50, "ramp": 200}
BOUNDED = {"environment.cells": 8, "learning.iterations": 100}
"""A smaller ring, on which the terms of the bound take seconds."""
BOUND_LAMBDAS, BOUND_SEEDS = (0.0, 0.1, 1.0), 3
PLAYED = ("sampled", "greedy")
MEASURES = ("clean", *(f"noise {share:g}" for share in NOISES), "attacked", "worst agent")


def train(
    mode: str, weight: float, seed: int, changes: dict[str, Any] | None = None, **schedule: Any
) -> tuple[Any, Any, dict[str, FloatArray]]:
    """A trained network, what it was prepared from, and per iteration the return and the metrics of the term."""
    from netagents.experiment import load_experiment
    from netagents.launchers.in_process_network import InProcessNetwork
    from netagents.learning.prepared_experiment import prepare

    term = {"kind": "information", "weight": -weight, "parameters": {"mode": mode}, **schedule}
    words = {"seed": seed, "learning.iterations": ITERATIONS, "signals": [term], **(changes or {})}
    loaded = load_experiment(ROOT / "launch" / "gathering.yaml", words)
    prepared = prepare(loaded.experiment, loaded.base)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    curves: dict[str, list[float]] = {name: [] for name in ("return", "exact", "estimate", "lower", "temperature", "warnings")}
    for record in network.run(0, loaded.experiment.learning.iterations):
        for name, values in curves.items():
            values.append(float(record.team_return if name == "return" else np.mean(record.column(f"information_{name}"))))
    return network, prepared, {name: np.array(values) for name, values in curves.items()}


def exact_returns(network: Any, prepared: Any) -> dict[str, float]:
    """Clean, noisy and attacked returns of what was learned, sampled and greedy."""
    from netagents.exact import JointModel, observed_policy
    from netagents.exact.information_bound import attacked_returns, clean_return, greedy, noisy

    horizon = prepared.setup.horizon
    model = JointModel(prepared.environment.kernel(), 1.0 - 1e-12)
    sampled = observed_policy(prepared.environment, model, [agent.policy.probabilities for agent in network.agents])
    returns: dict[str, float] = {}
    for name, policy in zip(PLAYED, (sampled, greedy(sampled)), strict=True):
        attacked = attacked_returns(model, policy, horizon)
        values = [
            clean_return(model, policy, horizon),
            *(clean_return(model, noisy(policy, share), horizon) for share in NOISES),
            float(attacked.mean()),
            float(attacked.min()),
        ]
        returns |= {f"{name} {measure}": value for measure, value in zip(MEASURES, values, strict=True)}
    return returns


def measure_runs(seeds: int) -> None:
    """Every penalty and seed that has no row yet."""
    finished_runs = {(row["mode"], float(row["lambda"]), int(row["seed"])) for row in read(RUNS)}
    jobs = [(point, seed) for seed in range(seeds) for point in COMPARED]
    jobs += [(point, seed) for seed in range(seeds) for point in POINTS if point not in COMPARED and seed < SWEPT.get(point, FEW)]
    for (mode, weight), seed in jobs:
        if (mode, weight, seed) not in finished_runs:
            network, prepared, curves = train(mode, weight, seed)
            row: dict[str, Any] = {"mode": mode, "lambda": f"{weight:g}", "seed": seed}
            row |= {name: f"{value:.6g}" for name, value in exact_returns(network, prepared).items()}
            row |= {name: f"{curves[name][-10:].mean():.6g}" for name in ("exact", "estimate", "lower", "temperature", "warnings")}
            row |= {f"{name} at {EARLY}": f"{curves[name][EARLY]:.6g}" for name in ("return", "temperature")}
            append(RUNS, row)
            print(f"{mode} lambda {weight:g} seed {seed}", flush=True)


def measure_ramps(seeds: int) -> None:
    """Runs in which lambda grows until they collapse: which of indicator and return says so first."""
    seeds_in_file = {int(row["seed"]) for row in read(RAMPS)}
    for seed in sorted(set(range(-(-seeds // 2))) - seeds_in_file):
        _, _, curves = train("exact", -RAMP["weight"], seed, start=RAMP["start"], ramp=RAMP["ramp"])
        smooth = np.convolve(curves["return"], np.ones(5) / 5, "valid")
        peak = int(smooth[: RAMP["start"] + 20].argmax())
        row: dict[str, Any] = {"seed": seed, "highest return": f"{smooth[peak]:.4g}"}
        for name, crossed in (
            *((f"temperature above {level}", curves["temperature"] > level) for level in (0.2, 0.5)),
            ("return below 95 %", smooth < 0.95 * smooth[peak]),
            ("return below half", smooth < 0.5 * smooth[peak]),
        ):
            after = np.flatnonzero(crossed & (np.arange(len(crossed)) > peak))
            row[name] = int(after[0]) if after.size else ""
        append(RAMPS, row)
        print(f"ramp seed {seed}", flush=True)


def measure_bounds(seeds: int) -> None:
    """Every term of the published bound on a smaller ring, sampled and greedy, and of a policy that always does the same."""
    from netagents.exact import JointModel, JointPolicy, observed_policy
    from netagents.exact.information_bound import bound_terms, greedy

    finished_bounds = {(row["policy"], int(row["seed"])) for row in read(BOUNDS)}
    for weight in BOUND_LAMBDAS:
        for seed in range(min(seeds, BOUND_SEEDS)):
            if (f"{weight:g}, sampled", seed) in finished_bounds:
                continue
            network, prepared, _ = train("exact", weight, seed, BOUNDED)
            model = JointModel(prepared.environment.kernel(), 1.0 - 1e-12)
            contexts = prepared.environment.observe(np.ascontiguousarray(model.state_digits.T))
            sampled = observed_policy(prepared.environment, model, [agent.policy.probabilities for agent in network.agents])
            policies = {f"{weight:g}, greedy": greedy(sampled)}
            if weight == 0.0 and seed == 0:
                still = tuple(np.tile([0.0, 1.0, 0.0], (model.S, 1)) for _ in range(3))
                policies["always stay"] = JointPolicy(sampled.scopes, still)
            for name, policy in {**policies, f"{weight:g}, sampled": sampled}.items():
                terms = bound_terms(model, policy, contexts, prepared.setup.horizon)
                row = {
                    "policy": name,
                    "seed": seed,
                    "clean": f"{terms.clean:.5g}",
                    "worst adversary": f"{terms.attacked.min():.5g}",
                    "information": f"{terms.information.sum():.5g}",
                    "least lambda": f"{terms.least_lambda:.5g}",
                    "from uniform, clean": f"{terms.coverage.mean():.4g}",
                    "from uniform, attacked": f"{np.nanmean(terms.attacked_coverage):.4g}",
                    "moved by the adversary": f"{np.nanmean(terms.shift):.4g}",
                }
                append(BOUNDS, row)
            print(f"bound lambda {weight:g} seed {seed}", flush=True)


def read(path: Path) -> list[Row]:
    """The rows of one file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as opened:
        return list(csv.DictReader(opened))


def append(path: Path, row: dict[str, Any]) -> None:
    """One more row."""
    fresh = not path.exists()
    with path.open("a", newline="") as opened:
        writer = csv.DictWriter(opened, list(row), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def values_of(rows: Sequence[Row], mode: str, weight: float, column: str) -> FloatArray:
    """A column of one penalty, by seed."""
    pairs = sorted((int(row["seed"]), float(row[column])) for row in rows if row["mode"] == mode and float(row["lambda"]) == weight)
    return np.array([value for _, value in pairs])


def tables() -> dict[str, list[list[str]]]:
    """The tables of the page, with intervals over seeds; differences are taken seed by seed."""
    from netagents.intervals import mean_interval

    rows, made = read(RUNS), {}
    for played in PLAYED:
        head = ["penalty", "n", "clean", *(f"{name}, difference to none" for name in MEASURES)]
        lines = [head]
        for mode, weight in POINTS:
            series = {name: values_of(rows, mode, weight, f"{played} {name}") for name in MEASURES}
            plain = {name: values_of(rows, "exact", 0.0, f"{played} {name}")[: len(series[name])] for name in MEASURES}
            if not len(series["clean"]):
                continue
            cells = [f"{mode}, {weight:g}" if weight else "none", str(len(series["clean"])), mean_interval(series["clean"]).text()]
            cells += [
                mean_interval(series[name] - plain[name]).text() if weight else f"({mean_interval(series[name]).text()})"
                for name in MEASURES
            ]
            lines.append(cells)
        made[f"gathering-{played}"] = lines
    lines = [
        ["penalty", "I, exact", "estimate", "likelihood gain", "warnings", f"temperature at iteration {EARLY}", "temperature", "return"]
    ]
    for mode, weight in POINTS:
        by_name = {
            name: values_of(rows, mode, weight, name)
            for name in ("exact", "estimate", "lower", "warnings", f"temperature at {EARLY}", "temperature", "sampled clean")
        }
        if len(by_name["exact"]):
            lines.append(
                [f"{mode}, {weight:g}" if weight else "none", *("-" if np.isnan(v).all() else f"{v.mean():.3g}" for v in by_name.values())]
            )
    made["gathering-information"] = lines
    ramps = read(RAMPS)
    if ramps:
        made["gathering-ramp"] = [list(ramps[0]), *(list(row.values()) for row in ramps)]
    bounds = read(BOUNDS)
    names = dict.fromkeys(row["policy"] for row in bounds)
    if bounds:
        columns = list(bounds[0])[2:]
        lines = [["policy", "n", *columns]]
        for name in names:
            selection = [row for row in bounds if row["policy"] == name]
            lines.append([name, str(len(selection)), *(f"{np.mean([float(row[column]) for row in selection]):.3g}" for column in columns)])
        made["bound"] = lines
    return made


def rendered(page: str) -> str:
    """The page with every marked place filled."""
    return fill(page, tables(), PAGE)


def main() -> None:
    """Measure what is missing, write the page."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.information_robustness")
    parser.add_argument("--seeds", type=int, default=10, help="runs per penalty; default: 10")
    parser.add_argument("--page", action="store_true", help="write the page from what has been measured before")
    parser.add_argument("--no-page", action="store_true", help="measure and leave the page alone")
    arguments = parser.parse_args()
    if not arguments.page:
        measure_bounds(arguments.seeds)
        measure_runs(arguments.seeds)
        measure_ramps(arguments.seeds)
    if not arguments.no_page:
        PAGE.write_text(rendered(PAGE.read_text()))


if __name__ == "__main__":
    main()
