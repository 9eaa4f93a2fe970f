"""What ``netagents study allocation`` does with its runs, writes and prints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from netagents.studies.allocation_evaluation import AllocationResult
    from netagents.studies.study_runs import StudyProgress
    from netagents.studies.study_specification import Study


def carry_out_allocation(
    study: Study,
    folder: Path,
    jobs: int | None,
    episodes: int,
    budget: int | None,
    show: Callable[[StudyProgress], None],
    report: Callable[[str], None],
    close: Callable[[], None],
) -> None:
    """Train what is missing, play everything, write ``allocation.json``, ``values.csv``, ``scenarios.csv`` and the page, and print the
    result."""
    from netagents.cli.study_progress import csv_rows
    from netagents.errors import printable
    from netagents.records import write_atomically
    from netagents.records.record_files import read_record
    from netagents.reports.allocation_page import gain_sentence, rank_sentence, write_allocation_page
    from netagents.studies.allocation_evaluation import evaluate_allocation, result_json, values_table
    from netagents.studies.study_directory import StudyDirectory
    from netagents.studies.study_runs import carry_out

    directory = StudyDirectory.open_for(folder, study)
    try:
        carry_out(study, directory, jobs=jobs, copies=0, show=show, report=report)
        result = evaluate_allocation(study, directory, episodes=episodes, budget=budget, show=report)
    finally:
        close()
    scenarios = [
        {"scenario": name, "influence": each.value, "low": each.low, "high": each.high}
        for name, each in zip(result.scenarios, result.influence, strict=True)
    ]
    write_atomically(folder / "allocation.json", result_json(result, study.name, study.notes).encode())
    write_atomically(folder / "values.csv", csv_rows(values_table(result)))
    write_atomically(folder / "scenarios.csv", csv_rows(scenarios))
    _print(result)
    page = write_allocation_page(folder)
    facts = read_record(folder / "allocation.json", "allocation.json")
    typer.echo(f"\n{printable(gain_sentence(facts))}\n{printable(rank_sentence(facts))}")
    typer.echo(f"\n{printable(str(folder))}: allocation.json, values.csv, scenarios.csv (for `netagents allocate`)")
    typer.echo(f"report  {printable(str(page))}")


def _print(result: AllocationResult) -> None:
    from rich.console import Console
    from rich.table import Table

    from netagents.errors import printable

    grid = Table(box=None, pad_edge=False, header_style="bold")
    sizes = [f"return, {size}" for size in result.sizes]
    for title in ("scenario", "influence", "95 % interval", "p", *sizes, *result.picks):
        grid.add_column(title, justify="left" if title == "scenario" else "right", no_wrap=True)
    means = result.samples.mean(axis=(0, 1))
    for s, scenario in enumerate(result.scenarios):
        each = result.influence[s]
        numbers = (f"{each.value:.3f}", f"{each.low:.3f} to {each.high:.3f}", f"{each.p:.2g}", *(f"{value:.2f}" for value in means[s]))
        grid.add_row(printable(scenario), *numbers, *(str(pick[s]) for pick in result.picks.values()))
    # Where nobody sees a terminal, no column need be cut.
    Console(markup=False, width=None if sys.stdout.isatty() else 160).print(grid, "")
    anova = result.anova
    typer.echo(f"population sizes differ: F({anova.between}, {anova.within}) = {anova.f:.2f}, p = {anova.p:.2g}")
    for name, comparison in result.by_gain.items():
        interval = _interval(comparison.value, comparison.low, comparison.high)
        typer.echo(f"rank correlation of {name} with the gain of {result.sizes[-1]} members: {interval}, n = {comparison.n}")
    for word, game in result.games.items():
        comparison, anova, rank = game.by_gain, game.anova, game.rank
        typer.echo(f"among scenarios of {printable(word)}:")
        typer.echo(f"  influence and gain: {_interval(comparison.value, comparison.low, comparison.high)}, n = {comparison.n}")
        typer.echo(f"  population sizes: F({anova.between}, {anova.within}) = {anova.f:.2f}, p = {anova.p:.2g}")
        share, pick = _interval(rank.rank.percentile, rank.low, rank.high), ", ".join(str(size) for size in game.pick)
        typer.echo(f"  rank of {pick} (published): {rank.rank.rank:,.10g} of {rank.rank.total:,}, better share {share}")
    for title, ranks in (("all samples", result.ranks), ("the best half of each cell", result.selected)):
        _print_ranks(title, ranks)
    for line in result.warnings:
        typer.echo(f"warning: {line}", err=True)


def _print_ranks(title: str, ranks: Mapping[str, Any]) -> None:
    for name, rank_of_pick in ranks.items():
        rank = rank_of_pick.rank
        share = _interval(rank.percentile, rank_of_pick.low, rank_of_pick.high)
        typer.echo(f"rank of {name}, {title}: {rank.rank:,.10g} of {rank.total:,}, better share {share} (0 best, 0.5 chance)")


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
