"""``netagents run``: train, show progress, end with a table and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.power import audit_with_progress
from netagents.cli.trust import TrustOption, load_trusted

if TYPE_CHECKING:
    from netagents.errors import NetagentsError
    from netagents.records.run_reader import Run
    from netagents.studies.baseline import Baseline

app = typer.Typer(add_completion=False)


@app.command()
def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as kappa=2.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Run directory to make; must not exist. Default: a fresh one in runs/. With --seeds: of a study, studies/seeds-NAME.",
        ),
    ] = None,
    launcher: Annotated[
        str | None, typer.Option("--launcher", help="local, in_process, compose, slurm, ssh or ray: short for runtime.launcher=LAUNCHER.")
    ] = None,
    hosts: Annotated[
        str | None, typer.Option("--hosts", metavar="HOSTS", help="File of hosts, with --launcher ssh: short for runtime.hosts.file=HOSTS.")
    ] = None,
    partition: Annotated[
        str | None, typer.Option("--partition", metavar="NAME", help="With --launcher slurm: short for runtime.slurm.partition=NAME.")
    ] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", help="With --launcher slurm: short for runtime.slurm.nodes=NODES.")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="With --launcher slurm: return once the job is submitted; the run directory is printed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against", metavar="KEY=VALUE", help="Then run the same with this changed, such as kappa=0, and compare; may be repeated."
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            min=1,
            max=1000,
            help="As many runs, with seeds from the own one on, and one table; the same command goes on. With --against: on either side.",
        ),
    ] = 1,
    watch: Annotated[bool, typer.Option("--watch", help="Show the run on a page in the browser while it goes on.")] = False,
    audit: Annotated[
        bool, typer.Option("--audit", help="Then measure true power by branching the environment, as netagents power does.")
    ] = False,
    trust: TrustOption = False,
) -> None:
    """Train the agents of an experiment, one process each, and show the result."""
    import contextlib

    from netagents.cli.page_beside_run import PageBesideRun
    from netagents.cli.run_seeds import run_seeds
    from netagents.errors import InterruptedRunError, NodeFailedError, UsageError
    from netagents.launchers.display import make_display
    from netagents.launchers.launch import launch
    from netagents.learning.branch_checks import check_branchable
    from netagents.studies.baseline import plan_baseline

    if detach and (against or audit or watch):
        raise UsageError(
            "what follows a run cannot follow one that goes on alone", where="--detach", fix="leave out --against, --audit and --watch"
        )
    short = {"launcher": launcher, "hosts.file": hosts, "slurm.partition": partition, "slurm.nodes": nodes}
    words = [*(overrides or []), *(f"runtime.{name}={value}" for name, value in short.items() if value is not None)]
    loaded = load_trusted(file, words, trust)
    if seeds > 1 and not against:
        if detach or audit or watch:
            fix = "leave out --detach, --audit and --watch; `netagents watch` shows the runs of a study"
            raise UsageError("is for one run", where="--detach" if detach else "--audit" if audit else "--watch", fix=fix)
        run_seeds(loaded, seeds, out, quiet)
        return
    baseline = plan_baseline(file, words, against, seeds) if against else None
    with contextlib.ExitStack() as exits:
        # What the page needs is looked for before the display takes the terminal.
        page = PageBesideRun(lambda line: typer.echo(line, err=True) if quiet else display.note(line)) if watch else None
        if page is not None:
            exits.enter_context(page)
        require = check_branchable if audit else None
        display = make_display(not quiet)
        try:
            show = None if page is None else page.show
            finished = launch(loaded, display, out, created=show, require=require, detached=detach)
            if detach:
                typer.echo(str(finished.path))
                return
            if audit:
                audit_with_progress(finished, quiet=quiet)
            if baseline is not None:
                _compare(baseline, finished, quiet)
        except (NodeFailedError, InterruptedRunError) as error:
            show_error(error)
            raise
        show_result(finished)


def _compare(baseline: Baseline, run: Run, quiet: bool) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from netagents.studies.baseline import run_baseline

    note = f"{len(baseline.runs)} more runs to compare with {' '.join(baseline.changes)}"
    console = Console(stderr=True)
    if not quiet and not console.is_terminal:
        typer.echo(f"{run.manifest['name']}: {note}", err=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(note, total=len(baseline.runs))
        run_baseline(baseline, run, lambda at, _: progress.update(task, completed=at))


def show_result(run: Run) -> None:
    """The table and the pictures of a run that has ended."""
    from rich.console import Console

    from netagents.cli.output_streams import printing_results
    from netagents.errors import printable
    from netagents.monitoring.sinks.sink_host import add_artifacts, wanted_sinks
    from netagents.reports.baseline_verdict import baseline_of, baseline_sentence, write_verdict
    from netagents.reports.pictures import write_pictures
    from netagents.reports.run_report import write_report
    from netagents.reports.summary import summary_table

    comparison = baseline_of(run)
    pictures = [*write_pictures(run), *(write_verdict(comparison, run) if comparison is not None else []), write_report(run)]
    with printing_results():
        Console().print(summary_table(run))
        if comparison is not None:
            typer.echo(f"\n{printable(baseline_sentence(comparison))}")
        typer.echo("")
        for name, path in [("run directory", run.path), *((picture.stem.replace("_", " "), picture) for picture in pictures)]:
            typer.echo(f"{name:<16}{printable(str(path))}")
    if wanted_sinks(run.experiment):
        add_artifacts(run.experiment, run.manifest["run"], run.topology.labels, pictures)


def show_error(error: NetagentsError) -> None:
    """What is known about a failure, above the one line that ends the command."""
    details = getattr(error, "details", "")
    if details:
        from netagents.errors import printable

        typer.echo(printable(details, keep="\n\t"), err=True)
