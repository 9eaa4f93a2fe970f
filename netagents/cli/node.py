"""``netagents node``: start one role of a run by hand, on any host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def node(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="environment, monitor, or an agent: agent-0, agent-1, ...")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change (environment only).")] = None,
    join: Annotated[str | None, typer.Option("--join", help="Address of the environment server, such as tcp://127.0.0.1:5701.")] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="Experiment file, or env:NAME for YAML in a variable (environment only).")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="DIR", help="Where this launcher speaks with the server (with --run).")
    ] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="Where this node listens; port 0 takes a free one.")] = None,
    announce: Annotated[
        Path | None, typer.Option("--announce", help="File in which the environment writes its real address; others --join file://FILE.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run directory to make (environment only).")] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RUN", help="Go on with this run from its newest checkpoint (environment only).")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="Serve this run, which a launcher has made or opened (environment only).")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Log file, JSON lines. Default: plain lines on standard error.")] = None,
    keys: Annotated[
        Path | None,
        # Perhaps readable only once this process has become somebody else.
        typer.Option("--keys", readable=False, help="Folder of this node's keys, made by `netagents keys`; needed over tcp."),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Use tcp without keys, on loopback only: every user of this machine can then read, steer and stop the run."
        ),
    ] = False,
    advertise: Annotated[
        str | None,
        typer.Option("--advertise", help="Host that others reach this node by, if it listens on 0.0.0.0 or [::]; or own-address."),
    ] = None,
    allow_imports: Annotated[
        bool, typer.Option("--allow-imports", help="Run parts that the server's experiment names by import path (not environment).")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Take the place of an earlier process of this agent that is gone; all go back to a checkpoint."),
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="DIR", help="Where an agent keeps its replay buffer, to be taken back to a checkpoint."),
    ] = None,
    view: Annotated[str | None, typer.Option("--view", help="Where the monitor sends what it sees (monitor only).")] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Say in the log how far the run is (monitor only).")] = False,
    report: Annotated[bool, typer.Option("--report", help="Write the run's report at the end (environment only).")] = False,
    status: Annotated[Path | None, typer.Option("--status", envvar="NETAGENTS_STATUS", help="File to keep for `netagents health`.")] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run code that the settings of the run directory name (environment only, with --run or --resume)."),
    ] = False,
    become_owner: Annotated[
        Path | None,
        typer.Option("--become-owner-of", readable=False, help="Folder whose owner this process becomes before all else; for containers."),
    ] = None,
    timeout_scale: Annotated[float, typer.Option("--timeout-scale", min=0.01, help="Multiplies the deadlines before the welcome.")] = 1.0,
) -> None:
    """Start one node and stay until the run ends; start the nodes in any order."""
    from netagents.cli.experiment_source import experiment_source
    from netagents.errors import UsageError
    from netagents.nodes.bootstrap.folder_owner import become_owner_of
    from netagents.nodes.by_hand import start_environment, start_member

    of_others = (
        {"--join": join, "--view": view, "--progress": progress, "--allow-imports": allow_imports, "--replace": replace, "--replay": replay}
        if role == "environment"
        else {"--announce": announce, "--out": out, "--lines": lines, "--report": report, "--trust": trust}
    )
    for option, value in of_others.items():
        if value:
            raise UsageError(f"{option} is not for this role", where=f"netagents node {role}", fix=f"leave out {option}")
    if become_owner is not None:
        become_owner_of(become_owner)
    if role == "environment":
        if [experiment, resume, run].count(None) != 2 or listen is None:
            raise UsageError(
                "the environment needs --listen ADDRESS, and either --experiment FILE or --resume RUN", where="netagents node environment"
            )
        if experiment is None and out is not None:
            raise UsageError("a run that goes on stays in its directory", where="netagents node environment", fix="leave out --out")
        code, directory = start_environment(
            experiment_source(experiment) if experiment is not None else None,
            overrides or [],
            listen,
            announce=announce,
            out=out,
            log=log,
            keys=keys,
            advertise=advertise,
            resume=resume,
            run=run,
            lines=lines,
            status=status,
            trust=trust,
            insecure=insecure,
        )
        if report:
            _report(directory)
    else:
        if join is None:
            raise UsageError("no server to join", where=f"netagents node {role}", fix="give --join ADDRESS")
        if experiment is not None or resume is not None or run is not None or overrides:
            raise UsageError("only the environment takes an experiment or a run", where=f"netagents node {role}", fix="the server sends it")
        code = start_member(
            role,
            join,
            listen=listen,
            log=log,
            timeout_scale=timeout_scale,
            keys=keys,
            advertise=advertise,
            allow_imports=allow_imports,
            replace=replace,
            replay=replay,
            view=view,
            progress=progress,
            status=status,
            insecure=insecure,
        )
    if code:
        # The failure was logged in full; the exit code speaks for itself.
        raise typer.Exit(code)


def _report(directory: Path) -> None:
    """The report of a run that recorded anything, however it ended."""
    from netagents.records.run_reader import Run
    from netagents.reports.run_report import write_report

    run = Run.open(directory)
    if len(run.iterations):
        typer.echo(f"report: {write_report(run)}", err=True)
