"""Power, return and truncation error at prices of power, task by task: ``python -m benchmarks.power_tasks line_msg`` trains a task without
the power term and at its prices, five seeds each, and adds what is missing to ``docs/power/tasks.csv``.

The numbers are those of ``netagents study power`` with the same settings (``--show`` prints the command): exact where the model can be
enumerated, by branching elsewhere.  Runs that stand in the file are not repeated; ``--seeds 3`` takes fewer.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netagents.intervals import run_interval

DATA = Path(__file__).parent.parent / "docs" / "power" / "tasks.csv"
COLUMNS = (
    "task",
    "lambda",
    "seed",
    "return",
    "untrained",
    "power",
    "power_from_below",
    "power_from_above",
    "truncation_error",
    "td_truncation_error",
    "q_spread",
)
FOUR = "XXOXXXXXXX\nD 1P   2 O\nXXSXX    X\nD 3P   4 O\nXXOXXXXXXX\n"
"""Two cooks with a pot each, and two helpers who share a room from which they reach both pots.

Agents 0 and 2 are the cooks, so on a ring each cook's neighbours are the helpers and each helper's the cooks.  On a complete graph each
cook also climbs what the other one earns, which is noise to it, and one of the two may learn nothing.
"""


@dataclass(frozen=True)
class Task:
    """An experiment, its prices, and how many states are branched per agent where power is not exact."""

    file: str
    overrides: tuple[str, ...]
    prices: tuple[float, ...]
    states: int = 0

    @property
    def command(self) -> str:
        """What a user types for the same numbers."""
        prices = ",".join(f"{price:g}" for price in self.prices)
        words = ["netagents", "study", "power", self.file, *self.overrides, "--lambda", prices, "--method", "none,prim"]
        return shlex.join([*words, *(("--states", str(self.states)) if self.states else ())])


TASKS = {
    "line_msg": Task("launch/line_msg.yaml", ("topology.n=6", "environment.coupling=0.4", "learning.iterations=40"), (1.0, 2.0, 4.0)),
    "epidemic_abilene": Task(
        "launch/epidemic_abilene.yaml",
        ("kappa=2", "kappa_policy=1", "learning.iterations=40", "learning.batch=128"),
        (1.0, 30.0, 300.0),
        32,
    ),
    "four_cooks": Task(
        "launch/kitchen_power.yaml",
        (
            f"environment.grid={json.dumps(FOUR)}",
            "environment.collisions=pairwise",
            "environment.shaping.until_iteration=50",
            "topology.n=4",
            "topology.kind=ring",
            "learning.iterations=110",
            'learning.schedule={"kind":"linear","over":110,"final":0.1}',
            "learning.algorithm.critic.steps=60",
            "signals.0.start=65",
            "signals.0.ramp=15",
            "runtime.launcher=in_process",
        ),
        (5.0, 50.0),
        64,
    ),
}


def rows_of(name: str, prices: Sequence[float], seeds: int, known: set[tuple[str, float, int]]) -> Any:
    """A row per run that is not known yet."""
    from netagents.experiment import load_experiment
    from netagents.launchers.launch import launch
    from netagents.learning.prepared_experiment import prepare
    from netagents.studies.crash_returns import play_frozen
    from netagents.studies.power_sources import EPISODES, power_source
    from netagents.studies.power_study import power_study

    task = TASKS[name]
    study = power_study(task.file, task.overrides, lambdas=prices, seeds=range(seeds))
    source = power_source(study, task.states)
    prepared = prepare(study.base)
    first = [prepared.setup.policy(agent) for agent in range(prepared.setup.n)]
    untrained = float(play_frozen(prepared.setup, prepared.environment, first, EPISODES).plain.mean())
    for seed in range(seeds):
        for setting in study.settings:
            price = float(setting.values["lambda"])
            if (name, price, seed) in known:
                continue
            with tempfile.TemporaryDirectory() as folder:
                run = launch(load_experiment(setting.at(seed)), path=Path(folder) / "run")
                numbers = source.numbers(run)
            row = {"task": name, "lambda": price, "seed": seed, "untrained": untrained} | numbers
            yield {column: row.get(column, float("nan")) for column in COLUMNS}


def read() -> list[dict[str, Any]]:
    """The rows that stand in the file, with numbers as numbers."""
    if not DATA.exists():
        return []
    with DATA.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {column: row[column] if column == "task" else float(row[column]) for column in COLUMNS} | {"seed": int(row["seed"])} for row in rows
    ]


def write(rows: Sequence[dict[str, Any]]) -> None:
    """All rows, in the order of tasks, prices and seeds."""
    order = list(TASKS)
    ordered = sorted(rows, key=lambda row: (order.index(row["task"]), row["lambda"], row["seed"]))
    with DATA.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()} for row in ordered)


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of a table: interquartile means over seeds with 95 % intervals; shares are by seed."""
    from netagents.studies.power_tables import share_of_return

    lines = [
        "| task | lambda | n | return | power | power left | return kept | truncation error | of it left |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in TASKS:
        by_run = {(row["lambda"], row["seed"]): row for row in rows if row["task"] == name}
        for price in sorted({price for price, _ in by_run}):
            pairs = [(row, by_run[0.0, seed]) for (at, seed), row in sorted(by_run.items()) if at == price and (0.0, seed) in by_run]
            samples: list[list[float]] = [[row[key] for row, _ in pairs] for key in ("return", "power")]
            samples += [[row["power"] / plain["power"] for row, plain in pairs]]
            samples += [[share_of_return(row["return"], plain["return"], row["untrained"]) for row, plain in pairs]]
            samples += [[row["td_truncation_error"] for row, _ in pairs]]
            samples += [[row["td_truncation_error"] / plain["td_truncation_error"] for row, plain in pairs]]
            lines.append(f"| {name} | {price:g} | {len(pairs)} | " + " | ".join(_text(each) for each in samples) + " |")
    return lines


def _text(samples: Sequence[float]) -> str:
    value, low, high, _ = run_interval(samples)
    return "-" if value != value else f"{value:.3g} [{low:.3g}, {high:.3g}]"


def main() -> None:
    """Train what is missing, write it down run by run, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_tasks", description="Tasks at prices of power.")
    parser.add_argument("tasks", nargs="*", choices=[[], *TASKS], help="default: print the table alone")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--show", action="store_true", help="print the command of each task")
    arguments = parser.parse_args()
    rows = read()
    for name in arguments.tasks:
        if arguments.show:
            print(TASKS[name].command)
            continue
        known = {(row["task"], row["lambda"], row["seed"]) for row in rows}
        for row in rows_of(name, TASKS[name].prices, arguments.seeds, known):
            rows.append(row)
            write(rows)
            print(
                " ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in row.items()), flush=True
            )
    if not arguments.show:
        print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
