"""``netagents resume``: go on with a run from its newest checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netagents.cli.trust import TrustOption, announce_run

app = typer.Typer(add_completion=False)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="What may change: learning.iterations, runtime, timeouts, checkpoints, power.audit."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    trust: TrustOption = False,
) -> None:
    """Go on with a run that was stopped or killed, to the same bits as if it had not been; or lengthen one that finished."""
    from netagents.cli.run import show_error, show_result
    from netagents.errors import InterruptedRunError, NodeFailedError
    from netagents.launchers.display import make_display
    from netagents.launchers.resumed_run import resume_run
    from netagents.records.run_directory import RunDirectory

    announce_run(run, trust)
    try:
        finished = resume_run(RunDirectory.open(run, trust), overrides or [], display=make_display(not quiet))
    except (NodeFailedError, InterruptedRunError) as error:
        show_error(error)
        raise
    show_result(finished)
