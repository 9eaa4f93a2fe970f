"""``netagents replay``: run one agent of a run again, alone, from what it was told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, announce_run

if TYPE_CHECKING:
    from netagents.learning import NetworkedAgent

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="Run directory. Default: the newest in runs/.")] = None,
    agent: Annotated[int, typer.Option("--agent", "-a", min=0, help="Which agent.")] = 0,
    start: Annotated[int | None, typer.Option("--from", min=0, help="The iteration of interest. Default: the first one recorded.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=0, help="The last iteration. Default: as far as the recording goes.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Stop in the debugger before the iteration of --from.")] = False,
    trust: TrustOption = False,
) -> None:
    """Run one agent again from its recorded inbox (runtime.record_inbox), and check that it comes to the same state."""
    from bdb import BdbQuit

    from netagents.cli.locate import find_run
    from netagents.errors import printable
    from netagents.launchers.agent_replay import replay as play

    opened = find_run(run, trust)
    announce_run(opened.path, trust)
    try:
        result = play(opened, agent, start, last, _stop_here if debug else None)
    except BdbQuit:
        typer.echo("left in the debugger; nothing was compared")
        return
    typer.echo(f"agent {agent} of {printable(opened.path.name)}: the state before iteration {result.first} from {result.source}")
    if result.iterations:
        which = (
            "each" if result.compared == result.iterations else f"{len(result.compared)} of them, and nothing to compare after the others,"
        )
        typer.echo(f"iterations {result.iterations[0]} to {result.iterations[-1]} replayed: the same state after {which} as in the run")
        typer.echo(f"  state after iteration {result.iterations[-1]}: SHA-256 {result.digest}")
        typer.echo(f"  checkpoints with the same state: {', '.join(map(str, result.checkpoints)) or 'none within'}")
        typer.echo(f"  rows of metrics with the same numbers: {result.rows}")
    if result.ends_in is not None:
        typer.echo(f"the recording ends there: the agent waits for {result.ends_in}")


def _stop_here(agent: NetworkedAgent, iteration: int) -> None:
    typer.echo(f"agent {agent.index} is about to begin iteration {iteration}; 'agent' is its state, 'up' leads to the loop that feeds it")
    breakpoint()
