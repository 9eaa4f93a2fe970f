"""``netagents report``: one HTML page that shows what became of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def report(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="Run directory. Default: the newest in runs/.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write. Default: report.html in the run directory.")] = None,
    serve: Annotated[
        str | None, typer.Option("--serve", metavar="HOST:PORT", help="Show it at this address instead, written anew at each visit.")
    ] = None,
    become_owner: Annotated[
        Path | None,
        typer.Option("--become-owner-of", readable=False, help="Folder whose owner this process becomes before all else; for containers."),
    ] = None,
) -> None:
    """Write the report of a run, one HTML file that needs nothing besides itself; the run may still go on."""
    from netagents.cli.locate import find_run
    from netagents.errors import printable
    from netagents.reports.run_report import write_report
    from netagents.reports.summary import byte_size

    if become_owner is not None:
        from netagents.nodes.bootstrap.folder_owner import become_owner_of

        become_owner_of(become_owner)
    if serve is not None:
        from netagents.reports.serve import serve_report

        serve_report(serve, lambda: find_run(run), lambda address: typer.echo(f"the report is at http://{address}/", err=True))
        return
    opened = find_run(run)
    path = write_report(opened, out)
    if opened.state == "running":
        typer.echo(f"the run still goes on; {len(opened.iterations)} iterations are recorded", err=True)
    typer.echo(f"{printable(str(path))}  ({byte_size(path.stat().st_size)})")
