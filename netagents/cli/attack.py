"""``netagents attack``: what a team is still worth when some of its agents turn against it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from netagents.cli.trust import TrustOption, announce_run

app = typer.Typer(add_completion=False)


@app.command()
def attack(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="Run directory of the victims. Default: the newest in runs/.")] = None,
    adversaries: Annotated[
        list[str] | None, typer.Option("--adversaries", "-a", help="Agents that attack together: 0, or 1,3. Again for another group.")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Every agent alone: whose loss to the other side is worst?")] = False,
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, max=10_000_000, help="Iterations of their training. Default: those of the run.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=10_000, help="Adversaries per group, trained anew.")] = 3,
    adaptive: Annotated[
        list[float] | None,
        typer.Option(
            "--adaptive",
            help="Also adversaries paid WEIGHT per nat between what victims observe and do, or fined if below 0. Again for another weight.",
        ),
    ] = None,
    noise: Annotated[str, typer.Option("--noise", help="Shares of random actions of less skilled adversaries.")] = "0.25,0.5",
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=2, max=100_000, help="Episodes per adversary.")] = 256,
    checkpoint: Annotated[int | None, typer.Option("--checkpoint", help="Of the victims. Default: the newest.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Study directory; the same one again goes on. Default: studies/attack-RUN.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, max=1024, help="Trainings at a time. Default: the cores there are.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    trust: TrustOption = False,
) -> None:
    """Freeze a team, train adversaries against it in some of its seats, and measure what the others still return."""
    from netagents.cli.locate import find_run
    from netagents.cli.study_progress import train_all
    from netagents.errors import printable
    from netagents.reports.attack_page import attack_sentence, write_attack_page
    from netagents.studies.attack_results import measure_attack
    from netagents.studies.attack_study import attack_study, parse_adversaries
    from netagents.studies.study_directory import StudyDirectory

    opened = find_run(run, trust)
    announce_run(opened.path, trust)
    opened.directory.require_trust()
    groups = parse_adversaries(adversaries or ([] if each else ["0"]), opened.n, each=each)
    shares = _shares(noise)
    study = attack_study(opened, groups, budget=budget, seeds=seeds, checkpoint=checkpoint, adaptive=_weights(adaptive or []))
    directory = StudyDirectory.open_for(out or Path("studies") / f"attack-{opened.path.name}", study)
    train_all(study, directory, jobs)
    facts = measure_attack(opened, study, directory, episodes=episodes, noises=shares, checkpoint=checkpoint)
    page = write_attack_page(directory.path)
    if as_json:
        import json

        typer.echo(json.dumps(facts, indent=2, allow_nan=False))
    else:
        _print_table(facts)
        if len(facts["rows"]) > 1:
            typer.echo(f"\n{printable(attack_sentence(facts))}")
        typer.echo(f"\nreport  {printable(str(page))}")


def _shares(text: str) -> list[float]:
    from netagents.errors import UsageError

    try:
        shares = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        shares = [-1.0]
    if not all(0.0 < share < 1.0 for share in shares):
        raise UsageError(f"'{text}' is no list of shares between 0 and 1", where="--noise", fix="write 0.25,0.5")
    return shares


def _weights(weights: list[float]) -> list[float]:
    from netagents.errors import UsageError

    strange = [weight for weight in weights if not abs(weight) <= 1e6]
    if strange:
        raise UsageError(f"{strange[0]:g} is no weight between -1e6 and 1e6", where="--adaptive", fix="write 0.1, or -0.1")
    if 0.0 in weights:
        raise UsageError("a weight of 0 is the ordinary adversary, which is always there", where="--adaptive", fix="write 0.1, or -0.1")
    return weights


def _print_table(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from netagents.errors import printable

    typer.echo(
        f"{printable(facts['name'])} after iteration {facts['checkpoint']}: return of each victim, {facts['episodes']} episodes; "
        f"iterations per adversary: {facts['budget']}, seeds: {len(facts['seeds'])}"
    )
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("adversaries", "clean", "random there", "attacked", "95 % interval", "loss"):
        grid.add_column(title, justify="left" if title == "adversaries" else "right", no_wrap=True)
    for row in sorted(facts["rows"], key=lambda row: -row["loss"][0]):
        low, high = row["attacked"][1:3]
        between = "-" if low is None else f"{low:.2f} to {high:.2f}"
        numbers = (f"{row[name][0]:.2f}" for name in ("clean", "random", "attacked"))
        grid.add_row(row["label"].removeprefix("adversaries "), *numbers, between, f"{row['loss'][0]:.2f}")
    Console(markup=False).print(grid)
    weighted = [estimate for row in facts["rows"] for estimate in row["weighted"]]
    if weighted:
        worst = min(weighted, key=lambda estimate: estimate["effective"])
        typer.echo(
            f"from clean episodes alone: an effective sample of {worst['effective']:.3g} of {worst['episodes']} episodes at worst, "
            f"estimate {worst['value']:.2f}, truth {worst['truth'][0]:.2f}"
        )
