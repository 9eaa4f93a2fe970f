"""``netagents power``: the true power of a run's policies, by branching its environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netagents.cli.trust import TrustOption, announce_run

if TYPE_CHECKING:
    from netagents.launchers.audit_result import Audit
    from netagents.records.run_reader import Run

app = typer.Typer(add_completion=False)

MOST_LINES = 12


@app.command()
def power(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="Run directory. Default: the newest in runs/.")] = None,
    holders: Annotated[str | None, typer.Option("--holders", help="Whose power: 0..3, or 0,2. Default: everybody's.")] = None,
    steps: Annotated[int, typer.Option("--steps", "-k", min=1, max=64, help="For how many steps a holder plays its worst actions.")] = 1,
    visits: Annotated[int, typer.Option("--visits", min=2, max=1_000_000, help="States that are branched, per holder.")] = 256,
    replicates: Annotated[int, typer.Option("--replicates", min=2, max=100_000, help="Rollouts of each branch, an even number.")] = 8,
    ex_ante: Annotated[
        bool | None,
        typer.Option("--ex-ante/--realized", help="Before anyone acts, or with what the others played. Default: the run's."),
    ] = None,
    points: Annotated[
        int, typer.Option("--points", min=2, max=64, help="Of the grid that is tried, per number of a continuous action.")
    ] = 3,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.0, help="Begin nothing more after so long; again to go on.")] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Policies play their most probable actions.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Names the episodes; training uses others.")] = 0,
    checkpoint: Annotated[int | None, typer.Option("--checkpoint", help="After which iteration. Default: the newest one saved.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Page to write. Default: power.html beside the branches.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    trust: TrustOption = False,
) -> None:
    """Measure true power: clone states, force one agent's worst action, and see what everybody loses."""
    from netagents.cli.locate import find_run
    from netagents.errors import printable
    from netagents.records.atomic_files import check_file
    from netagents.reports.audit_page import write_audit_page
    from netagents.studies.study_specification import parse_whole_numbers

    opened = find_run(run, trust)
    announce_run(opened.path, trust)
    if out is not None:
        check_file(out)
    result = audit_with_progress(
        opened,
        quiet=False,
        holders=None if holders is None else parse_whole_numbers(holders, "--holders"),
        variant=None if ex_ante is None else "ex_ante" if ex_ante else "realized",
        steps=steps,
        visits=visits,
        replicates=replicates,
        points=points,
        seed=seed,
        checkpoint=checkpoint,
        greedy=greedy,
        seconds=seconds,
    )
    page = write_audit_page(result, opened.path.name, opened.topology.labels, Path(result.folder) / "power.html" if out is None else out)
    if as_json:
        _print_json(result)
        return
    _print_table(result, opened.topology.labels)
    typer.echo(f"\nbranches  {printable(result.folder)}\npage      {printable(str(page))}")
    if not result.complete:
        typer.echo("not finished: the same command goes on", err=True)


def audit_with_progress(run: Run, *, quiet: bool, **options: Any) -> Audit:
    """An audit with a bar on a terminal, and one line elsewhere; options as of :func:`netagents.launchers.power_audit.audit`."""
    from rich.console import Console
    from rich.progress import Progress

    from netagents.errors import printable
    from netagents.launchers.power_audit import audit

    title = f"{printable(str(run.manifest['name']))}: true power by branching"
    console = Console(stderr=True)
    if not quiet and not console.is_terminal:
        typer.echo(title, err=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        return audit(run, show=lambda finished_parts, parts, _: progress.update(task, completed=finished_parts, total=parts), **options)


def _print_json(result: Audit) -> None:
    import json

    from netagents.reports.audit_page import pairs_of
    from netagents.reports.html import rounded

    rows = [
        {
            "holder": pair.holder,
            "sufferer": pair.sufferer,
            "hops": pair.distance,
            "power": rounded(pair.true.value),
            "low": rounded(pair.true.low),
            "high": rounded(pair.true.high),
            "visits": pair.true.n,
            "measured": rounded(pair.measured),
            "error": rounded(pair.error),
            "reliable": pair.reliable,
        }
        for pair in pairs_of(result)
    ]
    facts = {**result.plan.model_dump(), "complete": result.complete, "pairs": rows}
    typer.echo(json.dumps(facts, indent=2, allow_nan=False))


def _print_table(result: Audit, names: tuple[str, ...]) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from netagents.errors import printable
    from netagents.reports.audit_page import audit_sentence, pairs_of

    pairs = pairs_of(result)
    kind = f"{result.plan.variant.replace('_', '-')} power" + (f" over {result.plan.steps} steps" if result.plan.steps > 1 else "")
    typer.echo(
        f"true {kind} after iteration {result.plan.checkpoint}; {min(MOST_LINES, len(pairs))} of {len(pairs)} pairs, largest first\n"
    )
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("holder", "over", "hops", "true power", "95 % interval", "measured"):
        grid.add_column(title, justify="right", no_wrap=True)
    for pair in pairs[:MOST_LINES]:
        measured = f"{pair.measured:.3g}" + ("" if pair.reliable else " (not reliable)") if np.isfinite(pair.measured) else "-"
        low, high = pair.true.low, pair.true.high
        grid.add_row(
            printable(names[pair.holder]), printable(names[pair.sufferer]), str(pair.distance), f"{pair.true.value:.3g}",
            f"{low:.3g} to {high:.3g}", measured,
        )  # fmt: skip
    Console(markup=False).print(grid)
    typer.echo(f"\n{printable(audit_sentence(result, names))}")
