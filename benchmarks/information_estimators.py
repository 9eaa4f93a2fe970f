"""Bias and spread of the estimators of information against exact values: ``python -m benchmarks.information_estimators``.

Measures the tables that are named (default: all), leaves each as ``docs/information/NAME.csv``, and writes all of them into the marked
places of ``docs/information.md``; ``--page`` writes the page from the files alone.  All numbers are in nats.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.marked_tables import fill

ROOT = Path(__file__).parent.parent
DATA, PAGE = ROOT / "docs" / "information", ROOT / "docs" / "information.md"
FloatArray = NDArray[np.float64]
Row = dict[str, str]

LEVELS = (2.0, 4.0, 6.0, 8.0, 10.0)
DIMENSIONS, BATCH, STEPS, LAST, RATE = 20, 64, 4000, 500, 5e-3
"""Published recipe: fresh batches, Adam, estimates from the last 500 steps."""
LEARNED = {"H = 15": ("gaussian", (7,)), "H = 64": ("gaussian", (32,)), "H = 256": ("gaussian", (128,)), "linear": ("gaussian", ())} | {
    "mean only, H = 64": ("mean", (32,))
}
"""Family and hidden layers by name; a published H gives H // 2 units in each of the two networks."""
STATES, ACTIONS, SCALES, POLICY_BATCHES = 8, 7, (0.25, 0.5, 1.0, 2.0, 8.0), (64, 1024)
TRAINED_STEPS = (1, 20, 200, 2000, 20_000)


class Spread(NamedTuple):
    """Mean over repetitions, and how much one of them varies."""

    mean: float
    sd: float

    def cell(self) -> str:
        """As ``4.43 (0.31)``."""
        return f"{self.mean:.3f} ({self.sd:.3f})" if abs(self.mean) < 1 else f"{self.mean:.2f} ({self.sd:.2f})"


def spread(values: Iterable[float]) -> Spread:
    """Mean and standard deviation."""
    array = np.array(list(values))
    return Spread(float(array.mean()), float(array.std(ddof=1)))


def generator_of(*numbers: int) -> np.random.Generator:
    """Draws of one part of one table."""
    from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

    return stream(numbers[0], ENVIRONMENT_OWNER, Purpose.STATISTICS, sum(n * 1000**k for k, n in enumerate(numbers[1:])))


def estimates(model: Any, outcomes: Any, generator: np.random.Generator) -> dict[str, float]:
    """Every estimator on one batch."""
    from netagents.measures import information as info

    values = {
        "CLUB, as published": info.club_values(model, outcomes),
        "CLUB": info.club_values(model, outcomes, other_samples=True),
        "CLUB-sampled": info.club_sampled_values(model, outcomes, generator),
        "leave-one-out": info.leave_one_out_values(model, outcomes),
        "VUB": info.variational_values(model, outcomes),
        "InfoNCE": info.contrastive_values(model, outcomes),
    }
    return {name: float(each.mean()) for name, each in values.items()} | {"likelihood gain": info.likelihood_gain(model, outcomes).value}


def collect(batches: Iterable[dict[str, float]]) -> Row:
    """One cell per estimator."""
    rows = list(batches)
    return {name: spread(row[name] for row in rows).cell() for name in rows[0]}


def true_conditional(_seeds: int) -> list[Row]:
    """Correlated Gaussians with the true conditional: 2,000 batches of 64."""
    from netagents.measures.information import CorrelatedGaussians

    rows = []
    for number, level in enumerate(LEVELS):
        fixture, generator = CorrelatedGaussians(DIMENSIONS, level), generator_of(1, number)
        drawn = (fixture.sample(BATCH, generator) for _ in range(2000))
        cells = collect(estimates(fixture.conditional(x), y, generator) for x, y in drawn)
        rows.append({"I": f"{level:g}", "CLUB's closed form": f"{fixture.club:.2f}"} | cells)
    return rows


def learn_gaussian(level: float, name: str, seed: int, steps: int = STEPS, last: int = LAST) -> tuple[Spread, float]:
    """CLUB under a learned q over the last batches, each before it is trained on; and the likelihood gain on 20,000 fresh samples."""
    from netagents.measures.information import ConditionalSettings, ConditionalTrainer, CorrelatedGaussians, club_values, likelihood_gain

    family, hidden = LEARNED[name]
    fixture, generator = CorrelatedGaussians(DIMENSIONS, level), generator_of(2 + seed, int(level), list(LEARNED).index(name))
    settings = ConditionalSettings(family, DIMENSIONS, DIMENSIONS, hidden, RATE, 1, BATCH, held_out=0.0)  # type: ignore[arg-type]
    trainer = ConditionalTrainer(settings, seed, 0)
    values = []
    for step in range(steps):
        x, y = fixture.sample(BATCH, generator)
        if step >= steps - last:
            values.append(float(club_values(trainer.model(x), y, other_samples=True).mean()))
        trainer.fit(x, y, step)
    x, y = fixture.sample(20_000, generator)
    return spread(values), likelihood_gain(trainer.model(x), y).value


def learned(seeds: int) -> list[Row]:
    """Correlated Gaussians with a learned q."""
    from netagents.measures.information import CorrelatedGaussians

    rows = []
    for level in LEVELS:
        for name in LEARNED:
            runs = [learn_gaussian(level, name, seed) for seed in range(seeds)]
            means = spread(run.mean for run, _ in runs)
            club = CorrelatedGaussians(DIMENSIONS, level).club
            rows.append(
                {
                    "I": f"{level:g}",
                    "CLUB's closed form": f"{club:.2f}",
                    "q": name,
                    "CLUB": f"{means.mean:.2f}",
                    "sd over batches": f"{np.mean([run.sd for run, _ in runs]):.2f}",
                    "sd over seeds": f"{means.sd:.3f}",
                    "against its closed form": f"{means.mean / club - 1.0:+.1%}",
                    "against I": f"{means.mean / level - 1.0:+.1%}",
                    "likelihood gain": f"{np.mean([gain for _, gain in runs]):.2f}",
                    "seeds": str(seeds),
                }
            )
            print(f"I = {level:g}, {name}: {means.mean:.2f} of {club:.2f}", flush=True)
    return rows


def policy_logits(scale: float, states: FloatArray) -> FloatArray:
    """(N, 7) logits of one softmax-linear policy, times a scale: the larger, the nearer to deterministic."""
    weights = generator_of(3).standard_normal((STATES, ACTIONS)) / np.sqrt(STATES)
    return np.asarray(scale * states @ weights)


def policy_sample(scale: float, samples: int, generator: np.random.Generator) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """States (N, 8), the policy's log-probabilities (N, 7), and its actions (N,)."""
    from netagents.measures.information import log_softmax

    states = generator.standard_normal((samples, STATES))
    log_probabilities = log_softmax(policy_logits(scale, states))
    cumulated = np.exp(log_probabilities).cumsum(axis=1)[:, :-1]
    return states, log_probabilities, (generator.random((samples, 1)) > cumulated).sum(axis=1)


def policy_truth(scale: float) -> dict[str, float]:
    """I, I + reverse divergence, and the expectation of the clipped CLUB, from 400,000 states with their actions summed out."""
    from netagents.measures.information import LOG_FLOOR, exact_information

    _, log_probabilities, _ = policy_sample(scale, 400_000, generator_of(4))
    exact = exact_information(log_probabilities)
    difference = np.exp(log_probabilities) - exact.marginal
    clipped = np.maximum(log_probabilities, LOG_FLOOR)
    club, limited = (float((difference * each).sum(axis=1).mean()) for each in (log_probabilities, clipped))
    return {"I": exact.value, "I + reverse": club, "CLUB, clipped": limited}


def policies(_seeds: int) -> list[Row]:
    """Softmax policies with q = pi: 500 batches of each size."""
    from netagents.measures.information import CategoricalConditional, exact_information

    rows = []
    for number, scale in enumerate(SCALES):
        truth = policy_truth(scale)
        for size in POLICY_BATCHES:
            generator = generator_of(5, number, size)
            batches = []
            for _ in range(500):
                _, log_probabilities, actions = policy_sample(scale, size, generator)
                exact = {"exact": exact_information(log_probabilities).value}
                batches.append(exact | estimates(CategoricalConditional(log_probabilities), actions, generator))
            rows.append(
                {"scale": f"{scale:g}"} | {name: f"{value:.3f}" for name, value in truth.items()} | {"N": str(size)} | collect(batches)
            )
    return rows


def training(seeds: int) -> list[Row]:
    """A categorical q after more and more steps, on 20,000 held-out samples of the policy of scale 1."""
    from netagents.measures.information import ConditionalSettings, ConditionalTrainer, information_interval

    truth, rows = policy_truth(1.0), []
    results: dict[int, list[tuple[float, float, int]]] = {steps: [] for steps in TRAINED_STEPS}
    for seed in range(seeds):
        generator = generator_of(6 + seed)
        trainer = ConditionalTrainer(ConditionalSettings("categorical", STATES, ACTIONS, (64,), 5e-4, 1, 64, held_out=0.0), seed, 0)
        held_out, _, held_out_actions = policy_sample(1.0, 20_000, generator)
        for step in range(max(TRAINED_STEPS)):
            states, _, actions = policy_sample(1.0, 64, generator)
            trainer.fit(states, actions, step)
            if step + 1 in results:
                interval = information_interval(trainer.model(held_out), held_out_actions)
                results[step + 1].append((interval.lower.value, interval.upper.value, bool(interval.warnings)))
    for steps, row in results.items():
        lower, upper = (spread(each[k] for each in row) for k in range(2))
        rows.append(
            {
                "steps of q": f"{steps:,}",
                "I": f"{truth['I']:.3f}",
                "likelihood gain": lower.cell(),
                "CLUB": upper.cell(),
                "CLUB with q = pi": f"{truth['I + reverse']:.3f}",
                "runs with a warning": f"{sum(each[2] for each in row)} of {seeds}",
            }
        )
    return rows


TABLES: dict[str, Callable[[int], list[Row]]] = {
    "true-conditional": true_conditional,
    "learned": learned,
    "policies": policies,
    "training": training,
}


def read(name: str) -> list[Row]:
    """The rows of one table."""
    with (DATA / f"{name}.csv").open(newline="") as opened:
        return list(csv.DictReader(opened))


def write(name: str, rows: list[Row]) -> None:
    """The file of one table."""
    DATA.mkdir(exist_ok=True)
    with (DATA / f"{name}.csv").open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def rendered(page: str) -> str:
    """The page with every marked place filled from the files."""
    rows_by_name = {name: read(name) for name in TABLES}
    return fill(page, {name: [list(rows[0]), *(list(row.values()) for row in rows)] for name, rows in rows_by_name.items()}, PAGE)


def main() -> None:
    """Measure, write the files, write the page."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.information_estimators")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"any of {', '.join(TABLES)}; default: all")
    parser.add_argument("--seeds", type=int, default=5, help="training runs per entry, at least 2; default: 5")
    parser.add_argument("--page", action="store_true", help="write the page from what has been measured before")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.tables) - TABLES.keys())
    if unknown or arguments.seeds < 2:
        parser.error(f"no table is called {', '.join(unknown)}; there are {', '.join(TABLES)}" if unknown else "--seeds must be at least 2")
    for name in [] if arguments.page else arguments.tables or TABLES:
        write(name, TABLES[name](arguments.seeds))
        print(f"measured {name}", flush=True)
    PAGE.write_text(rendered(PAGE.read_text()))


if __name__ == "__main__":
    main()
