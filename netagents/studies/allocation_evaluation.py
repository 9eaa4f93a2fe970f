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
from netagents.studies.allocation_statistics import AnalysisOfVariance, Correlation, block_anova, correlation
from netagents.studies.scenario_play import IN_REWARDS, MEASURES, ScenarioPlay, play_scenario
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class GameResult:
    """What the scenarios of one game say by themselves, as in the paper, whose environments are games and whose scenarios are their maps.

    Attributes:
        by_gain: influence's correlation with the gain of the largest size.
        anova: of the game's returns.
        pick: the published allocation of the game's own budget, the middle size per scenario.
        rank: of that among all of this budget, all samples. selected: with the best half of the samples of each cell.
    """

    by_gain: Correlation
    anova: AnalysisOfVariance
    pick: tuple[int, ...]
    rank: RankInterval
    selected: RankInterval


@dataclass(frozen=True)
class AllocationResult:
    """What the study found.

    Attributes:
        scenarios: names. sizes: of populations, ascending. budget: members altogether.
        influence: of the co-player on the self-play ego, over seeds.
        samples: (R, C, S, L) mean return of the ego per seed, co-player, scenario and size.
        measures: influence and related ones, each (S,), mean over seeds; those in units of reward relative to the game's mean return.
        gains: (S, L - 1) return of each larger size less that of self-play, relative to the mean return of the game.
        by_gain: measure -> its correlation with the gain of the largest size. between: pairs of measures -> theirs.
        games: first word of a scenario -> the result of the scenarios that begin so, where there are three or more.
        anova: of returns relative to each game's mean.
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
    games: Mapping[str, GameResult]
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
        ExperimentError: fewer than two scenarios, or a game in which no return ever differs from zero.
    """
    if len(names) < 2:
        raise ExperimentError(
            "an allocation needs at least two scenarios", where="allocation", fix="name values of two, such as map=small,medium"
        )
    influence = tuple(_influence(play.returns) for play in plays)
    samples = np.stack([play.samples for play in plays], axis=2)
    scale = game_scale(names, samples)
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
    games = {
        word: _game(values["influence"][own], relative[:, :, own], sizes, resamples)
        for word, own in _games(names).items()
        if 3 <= len(own) < len(names)
    }
    published = allocate_published(values["influence"], budget, sizes)
    whole = published.budget
    picks = {
        "published": published.sizes,
        "ranks": allocate_by_ranks(values["influence"], whole, sizes).sizes,
        "gain": allocate_by_gain(diversity_gains(values["influence"], sizes), whole, sizes).sizes,
    }
    ranks, selected = zip(*(_ranks(relative, pick, sizes, resamples) for pick in picks.values()), strict=True)
    warning = scenario_warning([each for each in influence if each.high > each.low])
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
        games,
        block_anova(relative.mean(axis=1)),
        picks,
        dict(zip(picks, ranks, strict=True)),
        dict(zip(picks, selected, strict=True)),
        (warning,) if warning else (),
    )


def game_scale(names: Sequence[str], samples: FloatArray) -> FloatArray:
    """(S,) mean size of the returns of each scenario's game, in which its returns count: games have payoffs of different sizes.

    A scenario of a game in which nobody has learned to earn anything thus has a gain of 0, not one of noise over noise.

    Args:
        names: of the scenarios; the word before the first comma is the game.
        samples: (R, C, S, L) returns.

    Raises:
        ExperimentError: every return of a game is 0.
    """
    size = np.abs(samples).mean(axis=(0, 1, 3))
    scale = np.empty(len(names))
    for word, own in _games(names).items():
        scale[own] = size[own].mean()
        if not scale[own[0]] > 0.0:
            raise ExperimentError(f"in scenario '{word}' every return is 0", where="allocation", fix="train longer, or leave it out")
    return scale


def _games(names: Sequence[str]) -> dict[str, list[int]]:
    """First word of scenarios -> the indices of those that begin so."""
    games: dict[str, list[int]] = {}
    for s, name in enumerate(names):
        games.setdefault(name.partition(",")[0], []).append(s)
    return games


def _influence(returns: FloatArray) -> InfluenceEstimate:
    """Of returns (R, C, M); none, with certainty, where nobody ever earns anything else."""
    estimator = VarianceInformation()
    if np.ptp(returns) == 0.0:
        return InfluenceEstimate(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, returns.shape[1], returns.shape[2], estimator.name)
    return estimate_influence(returns[:, None], estimator, common_random_numbers=True)


def _game(influence: FloatArray, relative: FloatArray, sizes: Sequence[int], resamples: int) -> GameResult:
    """The result of one game's scenarios: influence (S,), returns (R, C, S, L)."""
    mean = relative.mean(axis=(0, 1))
    pick = allocate_published(influence, None, sizes).sizes
    rank, selected = _ranks(relative, pick, sizes, resamples)
    return GameResult(correlation(influence, mean[:, -1] - mean[:, 0]), block_anova(relative.mean(axis=1)), pick, rank, selected)


def _ranks(relative: FloatArray, pick: Sequence[int], sizes: Sequence[int], resamples: int) -> tuple[RankInterval, RankInterval]:
    """The rank of an allocation with all samples, and with the best half of the samples of each cell."""
    cells = relative.reshape(-1, *relative.shape[2:])
    best = max(1, len(cells) // 2)
    return (
        rank_with_interval(relative.mean(axis=1), pick, sizes, resamples=resamples),
        rank_with_interval(cells, pick, sizes, keep=best, resamples=resamples),
    )


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


def result_json(result: AllocationResult, name: str = "", notes: Sequence[str] = ()) -> str:
    """All of it as JSON; what is not known is null.

    Args:
        result: of the study. name: of the experiment. notes: of the study.
    """

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

    def anova_record(each: AnalysisOfVariance) -> dict[str, Any]:
        return {"F": plain(each.f), "df": [each.between, each.within], "p": plain(each.p)}

    def game_record(each: GameResult) -> dict[str, Any]:
        return {
            "correlation_with_gain": correlation_record(each.by_gain),
            "anova": anova_record(each.anova),
            "allocation": each.pick,
            "rank": ranked(each.rank),
            "rank_best_half": ranked(each.selected),
        }

    by_seed = result.samples.mean(axis=1) / game_scale(result.scenarios, result.samples)[:, None]
    facts = {
        "name": name,
        "notes": list(notes),
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
        "gain_by_seed": plain(by_seed[..., -1] - by_seed[..., 0]),
        "correlation_with_gain": {name: correlation_record(each) for name, each in result.by_gain.items()},
        "correlations": {f"{a}, {b}": correlation_record(each) for (a, b), each in result.between.items()},
        "games": {word: game_record(each) for word, each in result.games.items()},
        "anova": anova_record(result.anova),
        "allocations": result.picks,
        "ranks": {name: ranked(each) for name, each in result.ranks.items()},
        "ranks_best_half": {name: ranked(each) for name, each in result.selected.items()},
        "warnings": result.warnings,
    }
    return json.dumps(facts, indent=1, allow_nan=False) + "\n"
