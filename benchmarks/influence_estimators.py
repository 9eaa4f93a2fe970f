"""``python -m benchmarks.influence_estimators``: bias and spread of the influence estimators where the information is known.

Writes its tables into docs/influence.md between the marks.  The same numbers every time: all draws are seeded.
``--replicates 50`` is a quick look and writes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.known_information import discrete_information, gaussian_information, scale_mixture_information
from benchmarks.table import Section
from netagents.measures.influence import (
    Estimator,
    NearestNeighbours,
    PluginHistogram,
    QuantileHistogram,
    VarianceInformation,
    estimate_influence,
)
from netagents.measures.influence.estimator import FloatArray
from netagents.randomness import Purpose, stream

PAGE = Path(__file__).parent.parent / "docs" / "influence.md"
BEGIN, END = "<!-- estimators: begin -->", "<!-- estimators: end -->"

K = 9
REPETITIONS = (6, 12, 48, 192)
ESTIMATORS: tuple[Estimator, ...] = (
    PluginHistogram(),
    QuantileHistogram(),
    VarianceInformation(corrected=False),
    VarianceInformation(),
    NearestNeighbours(),
)
REPLICATES = 400
ASSESSED = 200
"""Replicates for which intervals and p-values are computed, too."""


class Case(NamedTuple):
    """A distribution of returns given the policy, on [0, 100], and the information that it holds."""

    name: str
    information: float
    draw: Callable[[np.random.Generator, int], FloatArray]


def cases() -> tuple[Case, ...]:
    """What the estimators are tried on; ``draw(generator, M)`` gives returns ``(K, M)``."""

    def gaussian(spacing: float) -> Case:
        means = 50.0 + 10.0 * spacing * (np.arange(K, dtype=np.float64) - (K - 1) / 2)

        def draw(generator: np.random.Generator, M: int) -> FloatArray:
            return np.asarray(np.clip(means[:, None] + 10.0 * generator.standard_normal((K, M)), 0.0, 100.0))

        name = "no influence: equal Gaussians" if spacing == 0.0 else f"Gaussians, means {spacing:g} sd apart"
        return Case(name, gaussian_information(means, 10.0), draw)

    sds = 2.0 * 1.35 ** np.arange(K, dtype=np.float64)

    def scales(generator: np.random.Generator, M: int) -> FloatArray:
        return np.asarray(np.clip(50.0 + sds[:, None] * generator.standard_normal((K, M)), 0.0, 100.0))

    tables = np.stack([np.roll([0.55, 0.25, 0.1, 0.05, 0.05], k) for k in range(K)])

    def discrete(generator: np.random.Generator, M: int) -> FloatArray:
        ends = tables.cumsum(axis=1)
        return np.asarray(20.0 * (generator.random((K, M))[:, :, None] >= ends[:, None, :-1]).sum(axis=-1))

    return (
        gaussian(0.0),
        gaussian(0.25),
        gaussian(0.5),
        Case("equal means, standard deviations 2 to 22", scale_mixture_information(50.0, sds), scales),
        Case("five values (0, 20, 40, 60, 80)", discrete_information(tables), discrete),
    )


def measure(replicates: int = REPLICATES, assessed: int = ASSESSED) -> tuple[Section, Section]:
    """The table of bias and spread, and that of coverage and rejections."""
    names = tuple(estimator.name.replace("_", " ") for estimator in ESTIMATORS)
    errors = Section(
        "Bias and spread",
        f"Mean error, and in brackets the standard deviation, in nats, over {replicates} samples of K = {K} policies and M returns each. "
        "Gaussian returns are cut at 0 and 100, which changes the information by less than 0.0001.",
        ("returns", "information", "M", *names),
    )
    verdicts = Section(
        "Intervals and p-values",
        f"How often the 95 % interval holds the true information, and after the stroke how often p <= 0.05, in % of {assessed} samples "
        "(199 permutations and 199 resamples each).",
        ("returns", "M", *names),
    )
    for index, case in enumerate(cases()):
        for M in REPETITIONS:
            generator = stream(0, index, Purpose.EVALUATION, M)
            samples = np.stack([case.draw(generator, M) for _ in range(replicates)])
            row, judged = [], []
            for estimator in ESTIMATORS:
                if estimator.least_repetitions > M:
                    row.append(f"needs {estimator.least_repetitions}")
                    judged.append("")
                    continue
                values = np.concatenate([estimator.value(part) for part in np.array_split(samples, max(1, samples.size // 200_000))])
                row.append(f"{values.mean() - case.information:+.3f} ({values.std(ddof=1):.3f})")
                results = [
                    estimate_influence(sample, estimator, seed=number, permutations=199, resamples=199)
                    for number, sample in enumerate(samples[:assessed])
                ]
                covered = np.mean([result.low <= case.information <= result.high for result in results])
                rejected = np.mean([result.p <= 0.05 for result in results])
                judged.append(f"{100 * covered:.0f} / {100 * rejected:.0f}")
            errors.add(case.name, f"{case.information:.3f}", M, *row)
            verdicts.add(case.name, M, *judged)
    return errors, verdicts


def main() -> None:
    """Measure, print, and write the tables into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.influence_estimators", description=__doc__)
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="samples per row; fewer than the default write nothing")
    arguments = parser.parse_args()
    sections = measure(arguments.replicates, min(ASSESSED, arguments.replicates))
    for section in sections:
        print(section.text(), "\n", flush=True)
    if arguments.replicates == REPLICATES:
        before, rest = PAGE.read_text().split(BEGIN)
        _, after = rest.split(END)
        tables = "\n".join(section.markdown().replace("## ", "### ", 1) for section in sections)
        PAGE.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}")
        print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
