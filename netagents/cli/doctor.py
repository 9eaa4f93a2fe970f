"""``netagents doctor``: look at this machine before a big run."""

from __future__ import annotations

from typing import Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Experiment file to look at as well.")] = None,
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as topology.n=500.")] = None,
    trust: TrustOption = False,
) -> None:
    """Look at cores, memory, limits and versions, and at what would go wrong with an experiment; exit code 7 if something would."""
    import sys
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from netagents.launchers.capacity import experiment_findings, machine

    findings = machine()
    if file is not None:
        from netagents.learning.prepared_experiment import prepare

        loaded = load_trusted(file, overrides, trust)
        setup = prepare(loaded.experiment, loaded.base).setup
        findings.extend(experiment_findings(setup, Path(loaded.experiment.runtime.directory)))
    styles = {"ok": "green", "warning": "yellow", "problem": "bold red"}
    console = Console(width=None if sys.stdout.isatty() else 160)
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        grid.add_row(Text(finding.verdict, style=styles[finding.verdict]), finding.what, Text(finding.text))
    console.print(grid)
    problems = [finding for finding in findings if finding.verdict == "problem"]
    if problems:
        from netagents.errors import CapacityError

        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise CapacityError(f"{problems[0].what}: {problems[0].text}{more}", where=file or "this machine")
