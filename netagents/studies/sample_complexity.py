"""How many samples until the exact squared gradient norm is small, and which power of 1/epsilon that is.

An epsilon-stationary point has a squared gradient norm of at most epsilon.  As in the analysis (arXiv 2302.07938) the norm is averaged
over the iterations so far, and the batch grows like 1/epsilon, so that its noise shrinks with the goal.

The exponent of 1/epsilon is a property of this protocol more than of the problem: the batch contributes 1 by construction, and a running
mean of a norm that vanished early takes a number of iterations proportional to 1/epsilon, which contributes another 1.  An exponent of 2 is
therefore no evidence for the rate epsilon^-2 of the theory.  What a study tells is the constant: samples at one epsilon, by kappa and n.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netagents.errors import CapacityError, UsageError
from netagents.experiment import load_experiment
from netagents.intervals import ENOUGH, UNKNOWN, Interval, order, run_interval, standard_half_width
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.policies import SoftmaxTable
from netagents.records.column_table import ColumnTable
from netagents.studies.exact_errors import exact_squared_norm
from netagents.studies.study_specification import diameter

BATCH = 4
"""Copies at the coarsest epsilon."""
MOST_ITERATIONS = 400


@dataclass(frozen=True)
class SampleComplexity:
    """What was found.

    Attributes:
        table: one row per n, kappa, epsilon and seed; ``samples`` is NaN where the level was never reached.
        exponents: by (n, kappa): samples ~ (1/epsilon)^exponent, with n the runs that reached their level.
    """

    table: ColumnTable
    exponents: Mapping[tuple[int, int], Interval]

    def samples(self, agents: int, kappa: int, level: float) -> Interval:
        """Samples until one level, over the seeds that reached it."""
        table = self.table
        rows = (table["agents"] == agents) & (table["kappa"] == kappa) & (table["level"] == level)
        return run_interval(table["samples"][rows])

    def text(self) -> str:
        """Samples to the coarsest and the finest level, and the exponents, as lines."""
        levels = sorted(set(self.table["level"].tolist()))
        heads = [f"samples to {level:g}" for level in (levels[-1], levels[0])]
        rows = [("agents", "kappa", *heads, "exponent of 1/epsilon")]
        for (n, kappa), law in self.exponents.items():
            cells = [
                interval.text(number=lambda value: f"{value:,.0f}") if (interval := self.samples(n, kappa, level)).n else "not reached"
                for level in (levels[-1], levels[0])
            ]
            rows.append((str(n), str(kappa), *cells, "not reached at two levels" if math.isnan(law.value) else law.text()))
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines.append(
            "intervals are 95 %; the batch alone makes 1 of the exponent, a running mean of a gradient that vanished early another 1"
        )
        return "\n".join([*lines, "", *self.sentences()])

    def sentences(self) -> list[str]:
        """Per number of agents which radius needs fewest samples to the finest level that all reached, or why the seeds do not say."""
        return [self._sentence(agents) for agents in dict.fromkeys(n for n, _ in self.exponents)]

    def _sentence(self, agents: int) -> str:
        kappas = [kappa for n, kappa in self.exponents if n == agents]
        for level in sorted(set(self.table["level"].tolist())):
            counts = [self.samples(agents, kappa, level) for kappa in kappas]
            if all(each.n for each in counts):
                break
        else:
            return f"{agents} agents: no level was reached with every radius."
        ranked = sorted(range(len(kappas)), key=lambda at: counts[at].value)
        named = [f"kappa = {kappas[at]} with {counts[at].text(number=lambda value: f'{value:,.0f}')}" for at in ranked[:2]]
        norm = f"{level:g} of the first squared gradient norm"
        if len(kappas) == 1:
            return f"{agents} agents: samples to {norm}: {named[0]}."
        fewest = min(each.n for each in counts)
        if fewest < ENOUGH:
            why = f"too few seeds to say which radius needs fewest samples to {norm} (n = {fewest}, {ENOUGH} at least)"
            return f"{agents} agents: {why}: {'; '.join(named)}."
        if all(order(counts[ranked[0]], counts[at]) == "lower" for at in ranked[1:]):
            return f"{agents} agents: fewest samples to {norm} beyond chance: {named[0]}; next is {named[1]}."
        return f"{agents} agents: these seeds do not say which radius needs fewest samples to {norm}: {'; '.join(named)}."

    def save(self, directory: Path) -> list[Path]:
        """Write ``samples.parquet`` and ``exponents.json``; existing files of these names are replaced."""
        from pyarrow import parquet

        directory.mkdir(parents=True, exist_ok=True)
        parquet.write_table(self.table.to_arrow(), directory / "samples.parquet", compression="zstd")
        rows = [
            {
                "agents": n,
                "kappa": kappa,
                "exponent": _finite(law.value),
                "low": _finite(law.low),
                "high": _finite(law.high),
                "n": law.n,
            }
            for (n, kappa), law in self.exponents.items()
        ]
        (directory / "exponents.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        return [directory / "samples.parquet", directory / "exponents.json"]


def sample_complexity(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str],
    *,
    levels: Sequence[float],
    agents: Sequence[int],
    kappas: Sequence[int],
    seeds: Sequence[int],
    report: Callable[[str], None] | None = None,
) -> SampleComplexity:
    """Run to every level of the squared norm, for every number of agents and radius.

    Args:
        source, overrides: the experiment; its ``topology.n`` is set.
        levels: as shares of the untrained policies' squared norm, so that models of different size compare.
        agents, kappas, seeds: all combinations; radii beyond a diameter are left out.

    Raises:
        NetagentsError: the experiment is wrong, or its exact model is too large.
    """
    base = load_experiment(source, overrides).experiment
    if not hasattr(base.topology, "n"):
        raise UsageError("the experiment's graph has no number of agents to vary", where="topology", fix="use one of kind line or ring")
    rows: list[dict[str, Any]] = []
    exponents: dict[tuple[int, int], Interval] = {}
    coarsest = max(levels)
    for n, kappa in itertools.product(agents, kappas):
        here: list[tuple[float, float]] = []
        for level, seed in itertools.product(sorted(levels, reverse=True), seeds):
            batch = max(1, round(BATCH * coarsest / level))
            words = {"topology.n": n, "kappa": kappa, "learning.batch": batch, "seed": seed, "learning.iterations": MOST_ITERATIONS}
            loaded = load_experiment(base, words)
            if kappa > diameter(prepare(loaded.experiment, loaded.base).topology):
                break
            samples, norm, iterations = _until(loaded.experiment, loaded.base, level)
            rows.append(
                {
                    "agents": n,
                    "kappa": kappa,
                    "level": level,
                    "seed": seed,
                    "batch": batch,
                    "iterations": iterations,
                    "samples": samples,
                    "norm": norm,
                }
            )
            here.append((1.0 / level, samples))
        if here:
            exponents[n, kappa] = fit_power_law([x for x, _ in here], [y for _, y in here])
            if report is not None:
                report(f"{n} agents, kappa {kappa}: exponent {exponents[n, kappa].value:.2f}")
    if not rows:
        raise CapacityError("no radius lies within any of the graphs' diameters", where="--kappa", fix="use smaller radii or more agents")
    names = list(rows[0])
    return SampleComplexity(ColumnTable({name: np.array([row[name] for row in rows]) for name in names}), exponents)


def fit_power_law(x: Sequence[float], y: Sequence[float]) -> Interval:
    """The exponent of y ~ c x^exponent by least squares on logarithms, with Student's interval of the slope.

    Points that are not positive and finite are left out; the interval is unknown where two points leave no freedom.
    """
    points = np.log(np.array([(a, b) for a, b in zip(x, y, strict=True) if 0.0 < a < math.inf and 0.0 < b < math.inf]).reshape(-1, 2))
    count = len(points)
    if count < 2 or float(np.ptp(points[:, 0])) == 0.0:
        return UNKNOWN._replace(n=count)
    along, up = (points - points.mean(axis=0)).T
    slope = float(along @ up / (along @ along))
    if count < 3:
        return Interval(slope, math.nan, math.nan, count)
    residuals = up - slope * along
    # The slope has count - 2 degrees of freedom: the half width of a mean of one sample more than that.
    error = math.sqrt(float(residuals @ residuals) / (count - 2) / float(along @ along))
    half = float(standard_half_width(error * math.sqrt(count - 1), count - 1))
    return Interval(slope, slope - half, slope + half, count)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _until(experiment: Any, base: Path | None, level: float) -> tuple[float, float, int]:
    """Samples until the running mean of the exact squared norm is at most ``level`` times the first, that mean, and the iterations."""
    prepared = prepare(experiment, base)
    setup = prepared.setup
    network = InProcessNetwork(setup, prepared.environment)
    bound = experiment.learning.logit_bound

    def norm() -> float:
        policies = [agent.policy for agent in network.agents if isinstance(agent.policy, SoftmaxTable)]
        return exact_squared_norm(setup, prepared.environment, policies, bound)

    first = total = norm()
    per_iteration = setup.batch * setup.steps
    for iteration in range(experiment.learning.iterations):
        # One at a time: a longer run tells of an iteration only when the next one is over.
        for _ in network.run(iteration, iteration + 1):
            pass
        total += norm()
        mean = total / (iteration + 2)
        if mean <= level * first:
            return float((iteration + 1) * per_iteration), mean, iteration + 1
    return float("nan"), total / (experiment.learning.iterations + 1), experiment.learning.iterations
