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
    experiment: Annotated[str | None, typer.Option("--experiment", help="Experiment file (environment only).")] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="Where this node listens; port 0 takes a free one.")] = None,
    announce: Annotated[
        Path | None, typer.Option("--announce", help="File in which the environment writes its real address; others --join file://FILE.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run directory to make (environment only).")] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RUN", help="Go on with this run from its newest checkpoint (environment only).")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Log file, JSON lines. Default: plain lines on standard error.")] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="Folder of this node's keys, made by `netagents keys`; needed off loopback.")
    ] = None,
    advertise: Annotated[
        str | None, typer.Option("--advertise", help="Host by which others reach this node, if it listens on 0.0.0.0. Default: its name.")
    ] = None,
    allow_imports: Annotated[
        bool, typer.Option("--allow-imports", help="Run parts that the server's experiment names by import path (not environment).")
    ] = False,
    timeout_scale: Annotated[float, typer.Option("--timeout-scale", min=0.01, help="Multiplies the deadlines before the welcome.")] = 1.0,
) -> None:
    """Start one node and stay until the run ends; start the nodes in any order."""
    from netagents.errors import UsageError
    from netagents.nodes.by_hand import start_environment, start_member

    if role == "environment":
        if (experiment is None) == (resume is None) or listen is None:
            raise UsageError(
                "the environment needs --listen ADDRESS, and either --experiment FILE or --resume RUN", where="netagents node environment"
            )
        if resume is not None and out is not None:
            raise UsageError("a run that goes on stays in its directory", where="netagents node environment", fix="leave out --out")
        code = start_environment(
            experiment,
            overrides or [],
            listen,
            announce=announce,
            out=out,
            log=log,
            keys=keys,
            advertise=advertise,
            resume=resume,
        )
    else:
        if join is None:
            raise UsageError("no server to join", where=f"netagents node {role}", fix="give --join ADDRESS")
        if experiment is not None or resume is not None or overrides:
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
        )
    if code:
        # The failure was logged in full; the exit code speaks for itself.
        raise typer.Exit(code)
