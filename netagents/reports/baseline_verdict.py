"""The verdict of a run over its baseline: what changing some settings did to the return, in one sentence and one picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netagents.errors import NetagentsError
from netagents.intervals import ENOUGH, LEVEL
from netagents.records import Run
from netagents.records.run_creation import COMPARISON
from netagents.reports.comparison import Comparison, Group, compare_runs
from netagents.reports.comparison_page import write_comparison
from netagents.reports.html import short
from netagents.reports.learning_curve import progress
from netagents.reports.summary import learns_utility


class Difference(NamedTuple):
    """How much more a run returns than its baseline, in final return per agent.

    Attributes:
        mean: over the seeds.
        low, high: edges of Student's 95 % interval of the paired differences; NaN with one seed.
        seeds: pairs of runs.
    """

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def certain(self) -> bool:
        """Whether the interval is there and leaves out zero."""
        return self.low > 0.0 or self.high < 0.0


def baseline_of(run: Run) -> Comparison | None:
    """The run and those that stand beside it, or None where there are none that recorded anything."""
    folder = run.path / COMPARISON
    beside = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            other = Run.open(path)
            if len(other.iterations):
                beside.append(other)
        except NetagentsError:
            # A run that was cut short there is no reason to refuse the report of this one.
            continue
    if not beside or not len(run.iterations):
        return None
    comparison = compare_runs([run, *beside])
    return comparison if len(comparison.groups) == 2 else None


def difference(comparison: Comparison) -> Difference:
    """The final return of the first group over that of the second, paired by seed."""
    own, other = ({int(run.experiment.seed): _final(run) for run in group.runs} for group in comparison.groups[:2])
    shared = sorted(own.keys() & other.keys())
    gaps = np.array([own[seed] - other[seed] for seed in shared])
    if len(gaps) < 2:
        return Difference(float(gaps.mean()) if len(gaps) else math.nan, math.nan, math.nan, len(gaps))
    from scipy.stats import t as student

    half = float(student.ppf(0.5 + LEVEL / 2, len(gaps) - 1)) * float(gaps.std(ddof=1)) / math.sqrt(len(gaps))
    mean = float(gaps.mean())
    return Difference(mean, mean - half, mean + half, len(gaps))


def baseline_sentence(comparison: Comparison) -> str:
    """One sentence: where both end, how far apart that is, and on how many seeds it rests."""
    own, other = comparison.groups[:2]
    gap = difference(comparison)
    ends = f"{own.label} ends at {short(_mean(own))} per agent, {other.label} at {short(_mean(other))}"
    if gap.seeds == 0:
        sentence = f"{ends}; the two share no seed"
    elif gap.seeds == 1:
        sentence = f"{ends}: {gap.mean:+.4g}, from one seed, so how much of it is chance is not known (--seeds 5 says)"
    else:
        edges = f"{gap.mean:+.4g} [{short(gap.low)}, {short(gap.high)}]"
        doubt = "" if gap.certain else ", which may be chance"
        if gap.certain and gap.seeds < ENOUGH:
            doubt = f", too few seeds to be sure ({ENOUGH} at least)"
        sentence = f"{ends}: {edges}{doubt} (95 % interval over {gap.seeds} seeds, the same on both sides)"
    untrained = progress(own.runs[0]).untrained
    if untrained is not None:
        sentence += f"; untrained policies return {short(untrained)}"
    if learns_utility(own.runs[0]):
        sentence += "; returns are compared, while these agents also learn from a utility"
    return f"{sentence}."


def write_verdict(comparison: Comparison, run: Run) -> list[Path]:
    """Draw both learning curves as ``comparison.png`` and write the page ``comparison.html`` into the run's directory."""
    return [write_comparison(comparison, run.path / f"comparison{ending}", baseline_sentence(comparison)) for ending in (".png", ".html")]


def _final(run: Run) -> float:
    return progress(run).last


def _mean(group: Group) -> float:
    return float(np.mean([_final(run) for run in group.runs]))
