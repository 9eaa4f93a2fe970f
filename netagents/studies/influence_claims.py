"""Checks of claims about influence: one number from a measurement or from the allocation study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from netagents.experiment import Experiment, load_experiment
from netagents.intervals import Interval, mean_interval
from netagents.launchers.influence_rollouts import InfluenceRollouts, make_plan
from netagents.launchers.launch import launch
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.measures.influence import InfluenceMatrix, PluginHistogram, VarianceInformation, hop_decay, influence_matrix
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.records.bank_creation import make_bank
from netagents.studies.allocation_evaluation import AllocationResult, evaluate_allocation, game_scale
from netagents.studies.allocation_study import allocation_study
from netagents.studies.byte_budget_study import BudgetRow, byte_budget_study, evaluate_budget
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_runs import carry_out

Source = str | Mapping[str, Any]
_MEASURED: dict[tuple[str, int], tuple[InfluenceMatrix, np.ndarray]] = {}


def influence_on_the_left(source: Source, overrides: Sequence[str], repetitions: int = 64) -> float:
    """Number of significant entries of agents on those with a higher number, all others being those of a trained run."""
    matrix, _ = _measured(source, overrides, repetitions)
    return float(matrix.significant[np.triu_indices(len(matrix.values), 1)].sum())


def influence_ratio(source: Source, overrides: Sequence[str], repetitions: int = 64) -> float:
    """Mean influence at two hops divided by that at one hop."""
    matrix, hops = _measured(source, overrides, repetitions)
    decay = hop_decay(matrix, hops)
    return float(decay.mean[1] / decay.mean[0])


def plugin_without_influence(source: Source, overrides: Sequence[str], policies: int = 9, repetitions: int = 6) -> float:  # noqa: ARG001
    """Mean of the published estimator, in nats, over 400 samples of returns that depend on nothing."""
    generator = stream(0, ENVIRONMENT_OWNER, Purpose.STATISTICS, 6)
    returns = np.clip(50.0 + 15.0 * generator.standard_normal((400, policies, repetitions)), 0.0, 100.0)
    return float(PluginHistogram().value(returns).mean())


def allocation_correlation(
    source: Source, overrides: Sequence[str], axes: Mapping[str, Sequence[Any]], seeds: int = 3, of: str = "influence"
) -> Interval:
    """Rank correlation over scenarios of a measure with the gain of the largest population, with its interval over scenarios."""
    result = allocation_result(source, overrides, axes, seeds).by_gain[of]
    return Interval(result.value, result.low, result.high, result.n)


def allocation_rank(
    source: Source,
    overrides: Sequence[str],
    axes: Mapping[str, Sequence[Any]],
    seeds: int = 3,
    rule: Literal["published", "ranks", "gain"] = "published",
) -> Interval:
    """Share of the allocations of the same budget that are better than a rule's, with its interval over seeds."""
    result = allocation_result(source, overrides, axes, seeds).ranks[rule]
    return Interval(result.rank.percentile, result.low, result.high, result.replicates)


def allocation_gain(source: Source, overrides: Sequence[str], axes: Mapping[str, Sequence[Any]], seeds: int = 3) -> Interval:
    """Gain of the largest population over self-play, relative to the game's mean return; interval over seeds and scenarios."""
    result = allocation_result(source, overrides, axes, seeds)
    return gain_of_largest(result.scenarios, result.samples)


def gain_of_largest(scenarios: Sequence[str], samples: np.ndarray) -> Interval:
    """The same from returns ``(R, C, S, L)`` per seed, co-player, scenario and size."""
    relative = samples.mean(axis=1) / game_scale(scenarios, samples)[None, :, None]
    return mean_interval((relative[..., -1] - relative[..., 0]).reshape(-1))


def allocation_selection(
    source: Source,
    overrides: Sequence[str],
    axes: Mapping[str, Sequence[Any]],
    seeds: int = 3,
    rule: Literal["published", "ranks", "gain"] = "published",
) -> float:
    """By how much keeping the best half of the samples of each cell lowers the share of allocations that are better than a rule's."""
    result = allocation_result(source, overrides, axes, seeds)
    return result.ranks[rule].rank.percentile - result.selected[rule].rank.percentile


def radii_kept(source: Source, overrides: Sequence[str], budget: float = 0.5, seeds: int = 3, rule: str = "influence") -> Interval:
    """Share of the return with the largest radius that radii keep which a rule chooses under a budget of bytes, paired by seed."""
    return _budget_row(source, overrides, budget, seeds, [], rule).kept


def radii_ahead(source: Source, overrides: Sequence[str], budget: float = 0.5, seeds: int = 3, kappa: int = 1) -> Interval:
    """Return with radii by influence under a budget of bytes, less that with one radius for all agents, paired by seed."""
    return _budget_row(source, overrides, budget, seeds, [kappa], f"kappa {kappa}").behind


def _budget_row(source: Source, overrides: Sequence[str], budget: float, seeds: int, kappas: Sequence[int], radii: str) -> BudgetRow:
    """One row of the study of radii under a budget, carried out in a folder that is removed afterwards."""
    experiment = load_experiment(source, overrides).experiment
    study = byte_budget_study(source, overrides, seeds=range(experiment.seed, experiment.seed + seeds), budget=budget, kappas=kappas)
    with TemporaryDirectory() as folder:
        directory = StudyDirectory.open_for(Path(folder) / "study", study)
        carry_out(study, directory, copies=0)
        return next(row for row in evaluate_budget(study, directory, episodes=256) if row.radii == radii)


def allocation_result(source: Source, overrides: Sequence[str], axes: Mapping[str, Sequence[Any]], seeds: int) -> AllocationResult:
    """The allocation study, carried out in a folder that is removed afterwards."""
    experiment = load_experiment(source, overrides).experiment
    study = allocation_study(source, axes, overrides, seeds=range(experiment.seed, experiment.seed + seeds))
    with TemporaryDirectory() as folder:
        directory = StudyDirectory.open_for(Path(folder) / "study", study)
        carry_out(study, directory, copies=0)
        return evaluate_allocation(study, directory)


def _measured(source: Source, overrides: Sequence[str], repetitions: int) -> tuple[InfluenceMatrix, np.ndarray]:
    """The matrix over a bank of the trained, the untrained and always-the-same policies of a run; and hop distances.

    The same one again is not measured twice: several claims rest on it.
    """
    experiment = load_experiment(source, [*overrides, "runtime.launcher=in_process"]).experiment
    key = experiment.model_dump_json(), repetitions
    if key not in _MEASURED:
        _MEASURED[key] = _measure(experiment, repetitions)
    return _MEASURED[key]


def _measure(experiment: Experiment, repetitions: int) -> tuple[InfluenceMatrix, np.ndarray]:
    with TemporaryDirectory() as folder:
        run = launch(load_experiment(experiment), path=Path(folder) / "run")
        bank = make_bank(Path(folder) / "bank", [run.directory], untrained=True, faulty=[0, 1])
        plan = make_plan(run, bank, repetitions=repetitions)
        with evaluation_environment(run) as environment:
            rollouts = InfluenceRollouts(run, bank, plan, environment)
            returns = np.stack([rollouts.source(agent).sum(axis=-1) for agent in range(run.n)])
        return influence_matrix(returns, VarianceInformation()), np.array(run.topology.hops.matrix())
