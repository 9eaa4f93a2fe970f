"""``netagents evaluate``: what the policies of a run are worth, played without learning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, announce_run

if TYPE_CHECKING:
    from netagents.intervals import Interval
    from netagents.launchers.policy_evaluation import Evaluation
    from netagents.records.run_reader import Run

app = typer.Typer(add_completion=False)

MOST_AGENTS = 20


@app.command()
def evaluate(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="Run directory. Default: the newest in runs/.")] = None,
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, max=10_000_000, help="Episodes to play.")] = 1000,
    greedy: Annotated[bool, typer.Option("--greedy", help="Play the most probable action instead of drawing one.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Names the episodes; training uses others.")] = 0,
    checkpoint: Annotated[int | None, typer.Option("--checkpoint", help="After which iteration. Default: the newest one saved.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every agent.")] = False,
    trust: TrustOption = False,
) -> None:
    """Play the frozen policies of a run for many episodes: mean and interval of the return, for all and per agent."""
    from netagents.cli.locate import find_run
    from netagents.launchers.copy_progress import CopyProgress
    from netagents.launchers.policy_evaluation import evaluate as play
    from netagents.launchers.policy_evaluation import evaluation_environment

    opened = find_run(run, trust)
    announce_run(opened.path, trust)
    baseline = None
    with evaluation_environment(opened) as environment:
        progress = CopyProgress(lambda line: typer.echo(line, err=True))
        result = play(opened, episodes, greedy=greedy, seed=seed, checkpoint=checkpoint, environment=environment, progress=progress)
        if not as_json:
            baseline = play(opened, episodes, seed=seed, untrained=True, environment=environment)
    # What the environment prints has gone elsewhere, and this comes alone.
    if baseline is None:
        _print_json(opened, result)
    else:
        _print_table(opened, result, baseline)


def _print_json(run: Run, result: Evaluation) -> None:
    import json
    import math

    def plain(interval: Interval) -> dict[str, float | None]:
        return {name: value if math.isfinite(value) else None for name, value in zip(("mean", "low", "high", "n"), interval, strict=True)}

    facts = {
        "run": str(run.path),
        "checkpoint": result.checkpoint,
        "episodes": len(result.returns),
        "greedy": result.greedy,
        "seed": result.seed,
        "horizon": result.horizon,
        "discount": result.discount,
        "return": plain(result.team),
        "discounted_return": plain(result.team_discounted),
        "agents": [plain(interval) for interval in result.agents],
    }
    typer.echo(json.dumps(facts, indent=2, allow_nan=False))


def _print_table(run: Run, result: Evaluation, untrained: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from netagents.errors import printable
    from netagents.intervals import significant

    spec = run.setup.spec
    known = spec.best_return if result.horizon == spec.horizon else None
    played = "greedy" if result.greedy else "sampled"
    name = printable(run.path.name)
    typer.echo(f"{name} after iteration {result.checkpoint}, {len(result.returns):,} {played} episodes of {result.horizon} steps")
    lines = [("return per agent", result.team.text(number=significant)), ("discounted", result.team_discounted.text(number=significant))]
    lines.append(("untrained policies", untrained.team.text(number=significant)))
    if known is not None:
        lines.append(("best known", significant(known)))
    for what, value in lines:
        typer.echo(f"  {what:<19}{value}")
    agents = result.agents
    order = range(len(agents))
    if len(agents) > MOST_AGENTS:
        ranked = sorted(order, key=lambda agent: -agents[agent].value)
        order = [*ranked[: MOST_AGENTS // 2], *ranked[-MOST_AGENTS // 2 :]]  # type: ignore[assignment]
        typer.echo(f"\nthe {MOST_AGENTS // 2} best and the {MOST_AGENTS // 2} worst of {len(agents)} agents; --json has all")
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("agent", "return", "95 % interval", "untrained"):
        grid.add_column(title, justify="right", no_wrap=True)
    before = untrained.agents
    for agent in order:
        mean, low, high, _ = agents[agent]
        grid.add_row(
            run.topology.labels[agent], f"{mean:.2f}", f"{low:.2f} to {high:.2f}" if low == low else "-", f"{before[agent].value:.2f}"
        )
    Console(markup=False).print(grid)
