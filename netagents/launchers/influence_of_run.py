"""Influence in one call: the rollouts that are missing are played, and the matrix with all that goes with it is returned."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from netagents.errors import UsageError, printable
from netagents.launchers.influence_jobs import Forecast, forecast, play_missing, source_sets
from netagents.launchers.influence_measurement import Measurement, measure
from netagents.launchers.influence_processes import play_as_processes
from netagents.launchers.influence_rollouts import InfluenceRollouts, make_plan
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.measures.influence import Estimator, NearestNeighbours, PluginHistogram, QuantileHistogram, VarianceInformation, check_sizes
from netagents.records.influence_returns import InfluenceReturns
from netagents.records.policy_bank import Bank
from netagents.records.record_models import InfluencePlan
from netagents.records.run_reader import Run

ESTIMATORS: dict[str, type[Estimator]] = {
    "variance": VarianceInformation,
    "nearest": NearestNeighbours,
    "quantile": QuantileHistogram,
    "plugin": PluginHistogram,
}


def influence(
    run: Run | str | Path,
    bank: Bank | str | Path,
    *,
    repetitions: int = 64,
    estimator: str = "variance",
    sources: Sequence[int] | None = None,
    groups: Sequence[Sequence[int]] = (),
    pulse: int | None = None,
    windows: int = 8,
    checkpoint: int | None = None,
    seed: int = 0,
    rate: float = 0.05,
    launcher: str = "in_process",
    jobs: int | None = None,
    begin: Callable[[Forecast, InfluencePlan], None] | None = None,
    show: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Measure who matters to whom, as ``netagents influence``: one agent's policy varies at a time, everybody else plays the run's.

    Args:
        run: whose policies are the reference. bank: with a policy for every agent in each member.
        repetitions: M, episodes with each policy.
        estimator: a name of :data:`ESTIMATORS`.
        sources: agents whose policies vary (default: all). groups: sets of them that vary together.
        pulse: a source plays the other policy in so many first steps only (default: always).
        windows: parts of the episode for the decay with time.
        checkpoint: of the run (default: the newest). seed: names the episodes.
        rate: false-discovery rate over the matrix.
        launcher: ``in_process``, or ``local`` for agents as processes; the numbers are the same.
        jobs: processes (default: the cores there are).
        begin: called with what it will take and the plan, before anything is played.
        show: called with sources played, and all.

    Returns:
        Matrix, decay with distance and time, groups, warnings.

    Raises:
        UsageError: an estimator or launcher that is not there, or an agent that does not exist.
        ExperimentError: K or M is too small, or no return ever varies.
        RunDirectoryError: the run or the bank is damaged, or the bank is of other spaces.
    """
    if estimator not in ESTIMATORS:
        raise UsageError(f"'{estimator}' is no estimator", where="--estimator", fix=f"one of {', '.join(ESTIMATORS)}")
    if launcher not in ("in_process", "local"):
        raise UsageError(f"'{launcher}' does not play rollouts", where="--launcher", fix="choose in_process or local")
    if launcher == "local" and pulse is not None:
        raise UsageError("a pulse is played in one process only", where="--pulse", fix="leave out --pulse or --launcher local")
    judge = ESTIMATORS[estimator]()
    opened = run if isinstance(run, Run) else Run.open(run)
    members = bank if isinstance(bank, Bank) else Bank.open(Path(bank))
    check_sizes(len(members.members), repetitions, judge, where=f"influence of {printable(str(members.path))}")
    agents = list(range(opened.n)) if sources is None else list(sources)
    together = [tuple(group) for group in groups]
    everything = source_sets(agents, together, opened.n)
    plan = make_plan(opened, members, repetitions=repetitions, seed=seed, checkpoint=checkpoint, windows=windows, pulse=pulse)
    stored_returns = InfluenceReturns.of(opened.path, plan, opened.n)
    cores = jobs or len(os.sched_getaffinity(0))
    with evaluation_environment(opened) as environment:
        rollouts = InfluenceRollouts(opened, members, plan, environment)
        if begin is not None:
            begin(forecast(rollouts, stored_returns, everything, cores), plan)
        if launcher == "local":
            play_as_processes(opened, members, stored_returns, everything, show)
        else:
            play_missing(opened, members, stored_returns, everything, jobs=cores, show=show)
        return measure(opened, members, stored_returns, agents, together, judge, rollouts, rate=rate)
