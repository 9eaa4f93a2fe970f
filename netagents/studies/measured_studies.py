"""Studies that end with a measurement of their own, from question to result: attack, failures, robustness, samples, bytes, allocation.

What ``netagents attack`` and ``netagents study failures``, ``robustness``, ``samples``, ``budget`` and ``allocation`` carry out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.learning.prepared_experiment import prepare
from netagents.records import Run
from netagents.studies.allocation_evaluation import AllocationResult, evaluate_allocation
from netagents.studies.allocation_study import allocation_study
from netagents.studies.attack_results import measure_attack
from netagents.studies.attack_study import attack_study, parse_adversaries
from netagents.studies.byte_budget_study import BudgetRow, byte_budget_study, evaluate_budget
from netagents.studies.failure_matrix import FailurePlan, check_removable, failure_matrix
from netagents.studies.failure_play import KINDS, FailureKind
from netagents.studies.finished_study import open_study, seeds_from
from netagents.studies.robustness_study import attack_all, robustness_study
from netagents.studies.sample_complexity import SampleComplexity, sample_complexity
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_runs import StudyProgress, carry_out
from netagents.studies.study_specification import Study

Source = str | Path | Mapping[str, Any]
Show = Callable[[StudyProgress], None]


def attack(
    run: Run | str | Path,
    adversaries: Sequence[Sequence[int]] = ((0,),),
    *,
    budget: int | None = None,
    seeds: int = 3,
    episodes: int = 256,
    noises: Sequence[float] = (0.25, 0.5),
    checkpoint: int | None = None,
    adaptive: Sequence[float] = (),
    directory: str | Path | None = None,
    jobs: int | None = None,
    show: Show | None = None,
) -> dict[str, Any]:
    """Freeze a team, train adversaries against it in some of its seats, and measure what the others still return.

    Args:
        run: finished, with a checkpoint; or its directory.
        adversaries: groups of agents that attack together.
        budget: iterations of their training (default: as many as the run's own).
        seeds: adversaries per group.
        episodes: per adversary, the same chances for all.
        noises: shares of steps at which a converged adversary acts at random.
        checkpoint: of the run (default: the newest).
        adaptive: weights with which adversaries are also paid for information, besides those that are not.
        directory: of the study (default: ``studies/attack-RUN``); the same one again goes on.
        jobs: trainings at a time (default: the cores this process may use).
        show: called with the progress.

    Returns:
        What ``attack.json`` holds: clean and attacked returns with intervals, per group.

    Raises:
        NetagentsError: in one line.
    """
    victims = _opened(run)
    victims.directory.require_trust()
    groups = parse_adversaries([",".join(map(str, group)) for group in adversaries], victims.n)
    study = attack_study(victims, groups, budget=budget, seeds=seeds, checkpoint=checkpoint, adaptive=adaptive)
    made = StudyDirectory.open_for(Path("studies") / f"attack-{victims.path.name}" if directory is None else Path(directory), study)
    _train(jobs, show)(study, made)
    return measure_attack(victims, study, made, episodes=episodes, noises=noises, checkpoint=checkpoint)


def study_failures(
    *runs: Run | str | Path,
    kinds: Sequence[FailureKind] = KINDS,
    episodes: int = 256,
    rate: float = 0.1,
    budget: int | None = None,
    greedy: bool = False,
    directory: str | Path = "studies/failures",
    jobs: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """What is left of the others' return when one agent fails, for each agent and each kind of failure.

    Args:
        runs: finished, or their directories; the first is what the others are compared with.
        kinds: of failures.
        episodes: per cell. rate: of one-step worst actions, per step.
        budget: iterations of training where a kind needs it (default: those of the run).
        greedy: policies play their most probable actions.
        directory: of the cells; the same one again goes on.
        jobs: trainings at a time.
        report: called with a line per cell.

    Returns:
        What ``failures.json`` holds.

    Raises:
        NetagentsError: in one line.
    """
    opened = [_opened(run) for run in runs]
    if tuple(kinds) != KINDS and "removed" in kinds:
        check_removable(opened)
    plan = FailurePlan(tuple(kind for kind in KINDS if kind in kinds), episodes, rate, budget, greedy)
    return failure_matrix(opened, plan, Path(directory), train=_train(jobs, None), report=report)


def study_robustness(
    sources: Sequence[str | Path],
    /,
    *overrides: str,
    adversaries: Sequence[Sequence[int]] = ((0,),),
    lambdas: Sequence[float] = (),
    modes: Sequence[str] = ("exact",),
    relatives: Sequence[str] = (),
    seeds: int = 5,
    budget: int | None = None,
    attackers: int = 1,
    episodes: int = 256,
    directory: str | Path | None = None,
    jobs: int | None = None,
    show: Show | None = None,
) -> dict[str, Any]:
    """Train every method, freeze its team, attack it, and compare clean and attacked returns and training times.

    Args:
        sources: experiment files, the backbone first.
        overrides: words such as ``"learning.iterations=50"``, for all.
        adversaries: groups of agents that attack together.
        lambdas: the backbone with information penalties as well, their prices.
        modes: how their information is estimated: ``exact``, ``as_published``, ``as_released``.
        relatives: the backbone as robust relatives as well: ``m3ddpg``, ``rom_q``, ``ernie``, ``romax``.
        seeds: runs per method. budget: iterations of an adversary's training (default: the method's own).
        attackers: per run and group. episodes: per adversary.
        directory: of the study (default: ``studies/robustness-NAME``); the same one again goes on.
        jobs: trainings at a time. show: called with the progress.

    Returns:
        What ``robustness.json`` holds.

    Raises:
        NetagentsError: in one line.
    """
    runs = seeds_from(sources[0], overrides, seeds)
    study = robustness_study(sources, overrides, lambdas=lambdas, seeds=runs, modes=modes, relatives=relatives)
    groups = parse_adversaries([",".join(map(str, group)) for group in adversaries], prepare(study.base).setup.n)
    made, train = open_study(study, directory), _train(jobs, show)
    train(study, made)
    return attack_all(study, made, groups, train, budget=budget, attackers=attackers, episodes=episodes)


def study_samples(
    source: Source,
    /,
    *overrides: str,
    levels: Sequence[float] = (0.3, 0.1, 0.03, 0.01),
    agents: Sequence[int] = (3, 4, 5),
    kappas: Sequence[int] = (0, 1, 2),
    seeds: int = 3,
) -> SampleComplexity:
    """Samples until the exact squared gradient norm is small; arguments as of :func:`netagents.studies.sample_complexity`.

    ``print(result.text())`` is what ``netagents study samples`` prints.

    Raises:
        NetagentsError: in one line.
    """
    runs = seeds_from(source, overrides, seeds)
    return sample_complexity(source, overrides, levels=levels, agents=agents, kappas=kappas, seeds=runs)


def study_budget(
    source: Source,
    /,
    *overrides: str,
    budget: float | None = None,
    seeds: int = 5,
    episodes: int = 256,
    directory: str | Path | None = None,
    jobs: int | None = None,
    show: Show | None = None,
) -> list[BudgetRow]:
    """Radii by influence, by power, at random or the same for all: what is left of the return under one budget of bytes.

    Args:
        source: the experiment. overrides: words, for all runs.
        budget: share of the largest radius's payload (default: ``calibration.byte_budget``).
        seeds: of the runs. episodes: that each run's policies play.
        directory: of the study (default: ``studies/budget-NAME``); the same one again goes on.
        jobs: runs at a time. show: called with the progress.

    Returns:
        One row for each way to choose radii.

    Raises:
        NetagentsError: in one line.
    """
    study = byte_budget_study(source, overrides, seeds=seeds_from(source, overrides, seeds), budget=budget)
    made = StudyDirectory.open_for(Path("studies") / f"budget-{study.name}" if directory is None else Path(directory), study)
    _train(jobs, show)(study, made)
    return evaluate_budget(study, made, episodes=episodes)


def study_allocation(
    source: Source,
    axes: Mapping[str, Sequence[Any]],
    /,
    *overrides: str,
    sizes: Sequence[int] = (1, 3, 5),
    lengths: str = "equal",
    budget: int | None = None,
    seeds: int = 3,
    episodes: int = 48,
    directory: str | Path | None = None,
    jobs: int | None = None,
    show: Show | None = None,
) -> AllocationResult:
    """Whether influence says where diverse co-players pay.

    Args:
        source: self-play of a population with one home. axes: setting to values; their combinations are the scenarios.
        overrides: words, for all runs.
        sizes: population sizes, 1 among them. lengths: ``equal`` or ``published``.
        budget: members altogether (default: the middle size per scenario).
        seeds: of the runs, at least two. episodes: of each ego with each co-player.
        directory: of the study (default: ``studies/allocation-NAME``); the same one again goes on.
        jobs: runs at a time. show: called with the progress.

    Returns:
        Returns, influence, gains and ranks of allocations.

    Raises:
        NetagentsError: in one line.
    """
    study = allocation_study(source, axes, overrides, seeds=seeds_from(source, overrides, seeds), sizes=sizes, lengths=lengths)
    made = StudyDirectory.open_for(Path("studies") / f"allocation-{study.name}" if directory is None else Path(directory), study)
    _train(jobs, show)(study, made)
    return evaluate_allocation(study, made, episodes=episodes, budget=budget)


def _opened(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else Run.open(run)


def _train(jobs: int | None, show: Show | None) -> Callable[[Study, StudyDirectory], None]:
    def train(study: Study, directory: StudyDirectory) -> None:
        carry_out(study, directory, jobs=jobs, copies=0, show=show)

    return train
