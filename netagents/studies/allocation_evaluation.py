"""The evaluation of the allocation study: influence and gain of every scenario, and the rank of allocations by influence among all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError
from netagents.intervals import mean_intervals
from netagents.measures.influence import (
    InfluenceEstimate,
    RankInterval,
    VarianceInformation,
    allocate_by_gain,
    allocate_by_ranks,
    allocate_published,
    diversity_gains,
    estimate_influence,
    rank_with_interval,
    scenario_warning,
)
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.studies.scenario_play import IN_REWARDS, MEASURES, ScenarioPlay, play_scenario
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study

FloatArray = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over scenarios, and its 95 % bootstrap interval over scenarios; NaN where a side does not vary."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class AnalysisOfVariance:
    """Do population sizes differ, scenarios and seeds being blocks?  F with its degrees of freedom, and p."""

    f: float
    between: int
    within: int
    p: float


@dataclass(frozen=True)
class AllocationResult:
    """What the study found.

    Attributes:
        scenarios: names. sizes: of populations, ascending. budget: members altogether.
        influence: of the co-player on the self-play ego, over seeds.
        samples: (R, C, S, L) mean return of the ego per seed, co-player, scenario and size.
        measures: influence and related ones, each (S,), mean over seeds; those in units of reward relative to the scenario's mean return.
        gains: (S, L - 1) return of each larger size less that of self-play, relative to the mean return of the scenario.
        by_gain: measure -> its correlation with the gain of the largest size. between: pairs of measures -> theirs.
        within: first word of a scenario, such as the game -> influence's correlation with that gain among the scenarios that begin so,
            where there are three or more.
        anova: of returns relative to each scenario's mean.
        picks: rule -> sizes.
        ranks: rule -> rank among all allocations of the budget, all samples. selected: with the best half of the samples of each cell, as
            the published evaluation keeps the 30 best.
        warnings: lines.
    """

    scenarios: tuple[str, ...]
    sizes: tuple[int, ...]
    budget: int
    influence: tuple[InfluenceEstimate, ...]
    samples: FloatArray
    measures: Mapping[str, FloatArray]
    gains: FloatArray
    by_gain: Mapping[str, Correlation]
    between: Mapping[tuple[str, str], Correlation]
    within: Mapping[str, Correlation]
    anova: AnalysisOfVariance
    picks: Mapping[str, tuple[int, ...]]
    ranks: Mapping[str, RankInterval]
    selected: Mapping[str, RankInterval]
    warnings: tuple[str, ...]


def evaluate_allocation(
    study: Study, directory: StudyDirectory, *, episodes: int = 48, budget: int | None = None, show: Callable[[str], None] | None = None
) -> AllocationResult:
    """Play all egos of a study against fixed co-players, and judge the allocations.

    Args:
        study: of :func:`netagents.studies.allocation_study.allocation_study`.
        directory: with all of its runs finished.
        episodes: for each pair of an ego and a co-player.
        budget: members altogether; default S times the middle size, as published.
        show: told which scenario is played.

    Raises:
        NetagentsError: a run is missing or cannot be played.
    """
    names = list(dict.fromkeys(str(setting.values["scenario"]) for setting in study.settings))
    sizes = sorted({int(setting.values["members"]) for setting in study.settings})
    paths = {
        (str(setting.values["scenario"]), int(setting.values["members"]), seed): directory.run_path(name)
        for name, setting, seed in study.runs()
    }
    plays = []
    for name in names:
        if show is not None:
            show(f"playing {name}")
        plays.append(play_scenario([[paths[name, size, seed] for size in sizes] for seed in study.seeds], episodes))
    return judge(names, sizes, plays, budget=budget)


def judge(
    names: Sequence[str], sizes: Sequence[int], plays: Sequence[ScenarioPlay], *, budget: int | None = None, resamples: int = 400
) -> AllocationResult:
    """The result of what was played.

    Args:
        names: of the scenarios, at least two.
        sizes: of populations, ascending, 1 first.
        plays: of each scenario.
        budget: members altogether; default S times the middle size, as published.
        resamples: of the intervals of ranks.

    Raises:
        ExperimentError: fewer than two scenarios, or a scenario in which no return ever differs from zero.
    """
    if len(names) < 2:
        raise ExperimentError(
            "an allocation needs at least two scenarios", where="allocation", fix="name values of two, such as map=small,medium"
        )
    influence = tuple(estimate_influence(play.returns[:, None], VarianceInformation(), common_random_numbers=True) for play in plays)
    samples = np.stack([play.samples for play in plays], axis=2)
    # Scenarios have payoffs of different sizes: each counts relative to its own mean.
    scale = np.abs(samples).mean(axis=(0, 1, 3))
    if not (scale > 0.0).all():
        raise ExperimentError(
            f"in scenario '{names[int(np.argmin(scale))]}' every return is 0", where="allocation", fix="train longer, or leave it out"
        )
    relative = samples / scale[None, None, :, None]
    mean = relative.mean(axis=(0, 1))
    gains = mean[:, 1:] - mean[:, :1]
    values = {"influence": np.array([each.value for each in influence])}
    values |= {name: np.array([play.measures[name].mean() for play in plays]) for name in MEASURES}
    for name in IN_REWARDS:
        values[name] = values[name] / scale
    by_gain = {name: correlation(value, gains[:, -1]) for name, value in values.items()}
    pairs = [(a, b) for at, a in enumerate(values) for b in list(values)[at + 1 :]]
    between = {(a, b): correlation(values[a], values[b]) for a, b in pairs}
    first = np.array([name.partition(",")[0] for name in names])
    within = {
        str(word): correlation(values["influence"][first == word], gains[first == word, -1])
        for word in dict.fromkeys(first.tolist())
        if 3 <= int((first == word).sum()) < len(names)
    }
    published = allocate_published(values["influence"], budget, sizes)
    whole = published.budget
    picks = {
        "published": published.sizes,
        "ranks": allocate_by_ranks(values["influence"], whole, sizes).sizes,
        "gain": allocate_by_gain(diversity_gains(values["influence"], sizes), whole, sizes).sizes,
    }
    by_seed = relative.mean(axis=1)
    cells = relative.reshape(-1, *relative.shape[2:])
    ranks = {name: rank_with_interval(by_seed, pick, sizes, resamples=resamples) for name, pick in picks.items()}
    best = max(1, len(cells) // 2)
    selected = {name: rank_with_interval(cells, pick, sizes, keep=best, resamples=resamples) for name, pick in picks.items()}
    warning = scenario_warning(influence)
    return AllocationResult(
        tuple(names),
        tuple(sizes),
        whole,
        influence,
        samples,
        values,
        gains,
        by_gain,
        between,
        within,
        block_anova(by_seed),
        picks,
        ranks,
        selected,
        (warning,) if warning else (),
    )


def correlation(x: FloatArray, y: FloatArray) -> Correlation:
    """Spearman's rank correlation of the entries that both sides know."""
    from scipy.stats import rankdata

    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]

    def spearman(index: NDArray[np.int64]) -> FloatArray:
        """Of draws ``(D, n)``, as ``(D,)``; NaN where a side is all ties."""
        a, b = (rankdata(side[index], axis=1) for side in (x, y))
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
        return np.asarray(np.where(scale > 0.0, (a * b).sum(axis=1) / np.where(scale > 0.0, scale, 1.0), np.nan))

    if len(x) < 3:
        return Correlation(float("nan"), float("nan"), float("nan"), len(x))
    generator = stream(0, ENVIRONMENT_OWNER, Purpose.STATISTICS, 5)
    drawn = spearman(generator.integers(0, len(x), (RESAMPLES, len(x))))
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (float("nan"), float("nan"))
    return Correlation(float(spearman(np.arange(len(x))[None])[0]), float(low), float(high), len(x))


def block_anova(values: FloatArray) -> AnalysisOfVariance:
    """The F test of sizes in ``(R, S, L)`` returns, every pair of a seed and a scenario being a block."""
    from scipy.stats import f as f_distribution

    blocks = values.reshape(-1, values.shape[-1])
    B, L = blocks.shape
    centred = blocks - blocks.mean(axis=1, keepdims=True)
    effect = centred.mean(axis=0)
    between = B * float((effect**2).sum()) / (L - 1)
    within = float(((centred - effect) ** 2).sum()) / ((B - 1) * (L - 1))
    ratio = between / within if within > 0.0 else float("nan")
    return AnalysisOfVariance(ratio, L - 1, (B - 1) * (L - 1), float(f_distribution.sf(ratio, L - 1, (B - 1) * (L - 1))))


def values_table(result: AllocationResult) -> list[dict[str, Any]]:
    """One row per scenario and size: return with its interval over seeds, and influence and related measures of the scenario."""
    mean, low, high = (np.asarray(each).reshape(len(result.scenarios), -1) for each in _over_seeds(result.samples))
    rows = []
    for s, scenario in enumerate(result.scenarios):
        for level, size in enumerate(result.sizes):
            measures = {name: float(value[s]) for name, value in result.measures.items()}
            numbers = {"return": float(mean[s, level]), "low": float(low[s, level]), "high": float(high[s, level])}
            rows.append({"scenario": scenario, "members": size, **numbers, "seeds": len(result.samples), **measures})
    return rows


def _over_seeds(samples: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    by_seed = samples.mean(axis=1)
    return mean_intervals(by_seed.reshape(len(by_seed), -1))


def result_json(result: AllocationResult) -> str:
    """All of it as JSON; what is not known is null."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return plain(value.tolist())
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return None if isinstance(value, float) and not np.isfinite(value) else value

    def correlation_record(each: Correlation) -> dict[str, Any]:
        return {"value": plain(each.value), "low": plain(each.low), "high": plain(each.high), "n": each.n}

    def ranked(each: RankInterval) -> dict[str, Any]:
        rank = each.rank
        return {
            "rank": rank.rank,
            "of": rank.total,
            "percentile": rank.percentile,
            "low": each.low,
            "high": each.high,
            "replicates": each.replicates,
        }

    facts = {
        "scenarios": result.scenarios,
        "sizes": result.sizes,
        "budget": result.budget,
        "influence": [
            {
                key: plain(getattr(each, key))
                for key in ("value", "low", "high", "null_mean", "null_quantile", "p", "policies", "repetitions")
            }
            for each in result.influence
        ],
        "samples": plain(result.samples),
        "measures": {name: plain(value) for name, value in result.measures.items()},
        "gains": plain(result.gains),
        "correlation_with_gain": {name: correlation_record(each) for name, each in result.by_gain.items()},
        "correlations": {f"{a}, {b}": correlation_record(each) for (a, b), each in result.between.items()},
        "correlation_with_gain_within": {word: correlation_record(each) for word, each in result.within.items()},
        "anova": {"F": plain(result.anova.f), "df": [result.anova.between, result.anova.within], "p": plain(result.anova.p)},
        "allocations": result.picks,
        "ranks": {name: ranked(each) for name, each in result.ranks.items()},
        "ranks_best_half": {name: ranked(each) for name, each in result.selected.items()},
        "warnings": result.warnings,
    }
    return json.dumps(facts, indent=1, allow_nan=False) + "\n"
