"""``netagents influence``: how much the return of each agent depends on which policy each other agent plays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, announce_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from netagents.launchers.influence_jobs import Forecast
    from netagents.launchers.influence_measurement import Measurement
    from netagents.records.record_models import InfluencePlan

app = typer.Typer(add_completion=False)

MOST_LINES = 12


@app.command()
def influence(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory whose policies everybody else plays.")],
    bank: Annotated[Path, typer.Option("--bank", help="Bank with a policy for every agent in each member (`netagents bank make`).")],
    repetitions: Annotated[int, typer.Option("--repetitions", "-m", min=1, max=1_000_000, help="Episodes M with each policy.")] = 64,
    estimator: Annotated[str, typer.Option("--estimator", help="variance, nearest, quantile or plugin.")] = "variance",
    sources: Annotated[str | None, typer.Option("--sources", help="Agents whose policies vary: 0..4, or 0,3. Default: all.")] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="Sources that vary together: 2,3; may be repeated.")] = None,
    pulse: Annotated[
        int | None, typer.Option("--pulse", min=1, help="A source plays the other policy in its first steps only. Default: always.")
    ] = None,
    windows: Annotated[int, typer.Option("--windows", min=1, max=64, help="Parts of the episode for the decay with time.")] = 8,
    checkpoint: Annotated[int | None, typer.Option("--checkpoint", help="Of the run. Default: the newest one saved.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Names the episodes; training uses others.")] = 0,
    rate: Annotated[float, typer.Option("--rate", min=1e-6, max=0.5, help="False-discovery rate over the matrix.")] = 0.05,
    launcher: Annotated[
        str, typer.Option("--launcher", help="in_process, or local: agents as processes, which leaves the same numbers and takes longer.")
    ] = "in_process",
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, max=1024, help="Processes. Default: the cores there are.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Page to write. Default: influence.html beside the returns.")] = None,
    only_forecast: Annotated[bool, typer.Option("--forecast", help="Say what it will take, and stop.")] = False,
    trust: TrustOption = False,
) -> None:
    """Measure who matters to whom: vary one agent's policy at a time, and see whose return changes."""
    import numpy as np

    from netagents.cli.locate import find_run
    from netagents.cli.study_progress import csv_rows
    from netagents.errors import printable
    from netagents.launchers.influence_measurement import allocation_rows, measurement_json
    from netagents.launchers.influence_of_run import influence as measured_influence
    from netagents.records import write_atomically
    from netagents.records.atomic_files import check_file
    from netagents.reports.influence_page import write_influence_page
    from netagents.studies.study_specification import parse_whole_numbers

    def begin(expected: Forecast, plan: InfluencePlan) -> None:
        typer.echo(
            f"K = {len(plan.members)}, M = {plan.repetitions}: {expected.rollouts:,} rollouts of {plan.repetitions} episodes and "
            f"{plan.horizon} steps, {expected.rollouts - expected.missing:,} of them played before; "
            f"about {expected.remaining_seconds:.3g} s with {expected.jobs} process{'' if expected.jobs == 1 else 'es'}",
            err=True,
        )
        if only_forecast:
            raise typer.Exit

    if out is not None:
        check_file(out)
    opened = find_run(run, trust)
    announce_run(opened.path, trust)
    measured = measured_influence(
        opened,
        bank,
        repetitions=repetitions,
        estimator=estimator,
        sources=None if sources is None else parse_whole_numbers(sources, "--sources"),
        groups=[parse_whole_numbers(word, "--group") for word in group or []],
        pulse=pulse,
        windows=windows,
        checkpoint=checkpoint,
        seed=seed,
        rate=rate,
        launcher=launcher,
        jobs=jobs,
        begin=begin,
        show=_progress(),
    )
    write_atomically(measured.path / "influence.json", measurement_json(measured, measured.matrix.estimator).encode())
    hops = np.array(opened.topology.hops.matrix())
    for name, rows in zip(("edges.csv", "agents.csv"), allocation_rows(measured, hops, opened.topology.labels), strict=True):
        if rows:
            write_atomically(measured.path / name, csv_rows(rows))
    page = write_influence_page(opened, measured, measured.path / "influence.html" if out is None else out)
    _print(measured, opened.topology.labels)
    typer.echo(f"\nreturns and numbers  {printable(str(measured.path))}\npage                 {printable(str(page))}")


def _progress() -> Callable[[int, int], None]:
    """One line on standard error whenever a source has been played."""
    last = [-1]

    def show(played: int, total: int) -> None:
        if played != last[0]:
            last[0] = played
            typer.echo(f"{played}/{total} sources played", err=True)

    return show


def _print(measured: Measurement, names: tuple[str, ...]) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from netagents.errors import printable
    from netagents.reports.influence_page import influence_sentence

    matrix = measured.matrix
    typer.echo(printable(influence_sentence(measured, names)))
    typer.echo(f"K = {matrix.policies}, M = {matrix.repetitions}, {matrix.estimator}, {matrix.permutations} permutations\n")
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("source", "agent", "influence", "95 % interval", "null (95 %)", "adjusted p"):
        grid.add_column(title, justify="right", no_wrap=True)
    for flat in np.argsort(-np.nan_to_num(matrix.values, nan=-np.inf), axis=None)[:MOST_LINES]:
        j, i = (int(each) for each in np.unravel_index(int(flat), matrix.values.shape))
        if np.isfinite(matrix.values[j, i]):
            entry = matrix.entry(j, i)
            grid.add_row(
                printable(names[j]),
                printable(names[i]),
                f"{entry.value:.3f}",
                f"{entry.low:.3f} to {entry.high:.3f}",
                f"{entry.null_mean:.3f} ({entry.null_quantile:.3f})",
                f"{matrix.adjusted[j, i]:.2g}",
            )
    Console(markup=False).print(grid)
    decay = measured.decay
    hops = ", ".join(f"{hop}: {mean:.3f}" for hop, mean in zip(decay.hops.tolist(), decay.mean.tolist(), strict=True))
    typer.echo(f"\nmean by hops  {hops}")
    for line in measured.warnings:
        typer.echo(f"warning: {printable(line)}", err=True)
