"""A study from its question to its tables: what ``netagents study`` and :func:`netagents.study` and its relatives carry out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.errors import NodeFailedError, UsageError
from netagents.experiment import load_experiment
from netagents.studies.power_study import power_study
from netagents.studies.radius_study import radius_study
from netagents.studies.seeds_study import seeds_study
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_runs import StudyProgress, carry_out
from netagents.studies.study_specification import Measure, Study, mute_study, sweep_study


def study(
    source: str | Path | Mapping[str, Any],
    /,
    *overrides: str,
    kappas: Sequence[int] = (0, 1, 2, 3, 4),
    seeds: int = 5,
    hold: Mapping[str, int | None] | None = None,
    credits: Sequence[str] | None = None,  # noqa: A002 - the field's word
    routings: Sequence[str] | None = None,
    informations: Sequence[str] | None = None,
    measure: Measure | None = None,
    directory: str | Path | None = None,
    jobs: int | None = None,
    episodes: int = 256,
    exact: bool = True,
    times: int = 0,
    show: Callable[[StudyProgress], None] | None = None,
) -> StudyDirectory:
    """The radius study of an experiment, as ``netagents study radius``: what does each hop of communication buy, and what does it cost?

    Args:
        source: a YAML file, the name of one that comes with netagents, or a mapping of settings.
        overrides: words such as ``"learning.iterations=50"``, for all runs.
        kappas: radii.
        seeds: runs per setting, with seeds from the experiment's own on.
        hold: radii that do not move, such as ``{"policy": 0}``; None as a value releases one that the experiment holds.
        credits: ``shared_q``, ``shared_reward`` or both (default: the experiment's).
        routings: ``direct``, ``relay`` or both, likewise.
        informations: ``fresh``, ``aged`` or both, likewise.
        measure: ``return``, ``discounted_return`` or ``objective`` (default: as the task says).
        directory: of the study (default: ``studies/radius-NAME``); the same one again goes on.
        jobs: runs at a time (default: the cores this process may use).
        episodes: of frozen policies per run; 0 skips them.
        exact: also exact errors, of a smaller copy where the model is too large.
        times: iterations with one process per agent, to time steps; 0 skips them.
        show: called with the progress when something has changed, and every second.

    Returns:
        The study's directory, whose tables are CSV files; :func:`netagents.reports.study_report.write_study_report` makes its page.

    Raises:
        NodeFailedError: some runs failed; the tables are of the others.
        NetagentsError: whatever else is wrong, in one line.
    """
    if not kappas or min(kappas) < 0:
        raise UsageError(f"{list(kappas)} are no radii", where="kappas", fix="give whole numbers from 0 on")
    result = radius_study(
        source,
        overrides,
        kappas=kappas,
        seeds=seeds_from(source, overrides, seeds),
        hold=hold,
        credits=credits,
        routings=routings,
        informations=informations,
        measure=measure,
    )
    return finished(result, directory, jobs=jobs, episodes=episodes, exact=exact, times=times, show=show)


def study_seeds(
    source: str | Path | Mapping[str, Any],
    /,
    *overrides: str,
    seeds: int = 5,
    measure: Measure | None = None,
    directory: str | Path | None = None,
    jobs: int | None = None,
    show: Callable[[StudyProgress], None] | None = None,
) -> StudyDirectory:
    """The same experiment with many seeds, as ``netagents run FILE --seeds``; arguments, result and errors as of :func:`study`."""
    runs = seeds_from(source, overrides, seeds)
    return finished(seeds_study(load_experiment(source, overrides), runs, measure), directory, jobs=jobs, episodes=0, show=show)


def study_sweep(
    source: str | Path | Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    /,
    *overrides: str,
    seeds: int = 3,
    measure: Measure | None = None,
    directory: str | Path | None = None,
    jobs: int | None = None,
    episodes: int = 256,
    show: Callable[[StudyProgress], None] | None = None,
) -> StudyDirectory:
    """Every combination of the values of some settings, as ``netagents study sweep``.

    Args:
        source: as of :func:`study`.
        axes: setting to values, such as ``{"learning.batch": [32, 64]}``.
        overrides, seeds, measure, directory, jobs, episodes, show: as of :func:`study`.

    Returns:
        The study's directory.

    Raises:
        NodeFailedError: some runs failed; the tables are of the others.
        NetagentsError: whatever else is wrong, in one line.
    """
    result = sweep_study(source, axes, overrides, seeds=seeds_from(source, overrides, seeds), measure=measure)
    return finished(result, directory, jobs=jobs, episodes=episodes, show=show)


def study_mute(
    source: str | Path | Mapping[str, Any],
    /,
    *overrides: str,
    seeds: int = 5,
    measure: Measure | None = None,
    directory: str | Path | None = None,
    jobs: int | None = None,
    episodes: int = 0,
    show: Callable[[StudyProgress], None] | None = None,
) -> StudyDirectory:
    """What each kind of message is worth at each hop, as ``netagents study mute``; arguments, result and errors as of :func:`study`."""
    result = mute_study(source, overrides, seeds=seeds_from(source, overrides, seeds), measure=measure)
    return finished(result, directory, jobs=jobs, episodes=episodes, show=show)


def study_power(
    source: str | Path | Mapping[str, Any],
    /,
    *overrides: str,
    lambdas: Sequence[float] = (0.1, 0.3, 1.0),
    methods: Sequence[str] = ("none", "prim"),
    aggregate: str | None = None,
    seeds: int = 5,
    measure: Measure | None = None,
    directory: str | Path | None = None,
    jobs: int | None = None,
    episodes: int = 0,
    states: int = 64,
    show: Callable[[StudyProgress], None] | None = None,
) -> StudyDirectory:
    """What a price of power brings and costs, as ``netagents study power``.

    Args:
        source: as of :func:`study`.
        overrides, seeds, measure, directory, jobs, episodes, show: as of :func:`study`.
        lambdas: prices.
        methods: of ``none``, ``prim``, ``prim_selfish``, ``sbpr``.
        aggregate: ``mean``, ``sum`` or ``max`` (default: the experiment's, else mean).
        states: branched per agent where power is not exact.

    Returns:
        The study's directory.

    Raises:
        NodeFailedError: some runs failed; the tables are of the others.
        NetagentsError: whatever else is wrong, in one line.
    """
    runs = seeds_from(source, overrides, seeds)
    result = power_study(source, overrides, lambdas=lambdas, methods=methods, aggregate=aggregate, seeds=runs, measure=measure)
    return finished(result, directory, jobs=jobs, episodes=episodes, states=states, show=show)


def seeds_from(source: str | Path | Mapping[str, Any], overrides: Sequence[str], count: int) -> range:
    """So many seeds from the experiment's own on.

    Raises:
        UsageError: none.
    """
    if count < 1:
        raise UsageError(f"{count} seeds give no run", where="seeds", fix="give 1 or more")
    first = load_experiment(source, overrides).experiment.seed
    return range(first, first + count)


def finished(
    study: Study,
    path: str | Path | None,
    *,
    jobs: int | None,
    episodes: int,
    exact: bool = False,
    times: int = 0,
    states: int = 0,
    show: Callable[[StudyProgress], None] | None = None,
) -> StudyDirectory:
    """Carry out a study and write its tables, of the runs that did not fail.

    Raises:
        NodeFailedError: some runs failed.
    """
    made = open_study(study, path)
    failed = None
    try:
        carry_out(study, made, jobs=jobs, copies=episodes, show=show)
    except NodeFailedError as error:
        failed = error
    write_tables_of(study, made, exact=exact, times=times, states=states)
    if failed is not None:
        raise failed
    return made


def open_study(study: Study, path: str | Path | None = None) -> StudyDirectory:
    """The directory of a study, by default ``studies/QUESTION-NAME``.

    Raises:
        RunDirectoryError: it holds something else, or the study of another experiment.
    """
    return StudyDirectory.open_for(Path("studies") / f"{study.question}-{study.name}" if path is None else Path(path), study)


def write_tables_of(
    study: Study, directory: StudyDirectory, *, exact: bool, times: int, states: int = 0, report: Callable[[str], None] = lambda _: None
) -> None:
    """Collect the finished runs of a study into its tables.

    Args:
        study: whose runs they are.
        directory: of its runs.
        exact: of a radius study also exact errors.
        times: iterations with one process per agent, to time steps; 0 skips them.
        states: of a power study, branched per agent where power is not exact.
        report: called with a line before what takes long.
    """
    from netagents.studies.exact_errors import consult
    from netagents.studies.saved_tables import save_tables
    from netagents.studies.study_tables import collect
    from netagents.studies.timed_settings import time_settings

    collected = collect(study, directory)
    tables, facts = dict(collected.tables), dict(collected.facts)
    if times:
        report("timing: one process per agent, one run at a time")
        tables["timing"] = time_settings(study, directory, times)
    if exact and study.question == "radius":
        report("exact values")
        oracle = consult(study.base, sorted({int(setting.values["kappa"]) for setting in study.settings}))
        tables |= oracle.tables
        facts["oracle"] = oracle.note
    if study.question == "power" and "runs" in tables:
        from netagents.studies.power_tables import power_tables

        more, about_power = power_tables(study, directory, tables["runs"], facts["untrained"], states, report)
        tables |= more
        facts |= about_power
    save_tables(directory, tables, facts)
