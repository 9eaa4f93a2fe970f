"""``netagents study failures``: what is left of a team when one agent fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netagents.cli.trust import TrustOption, announce_run


def failures(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories; the first is what the others are compared with.")],
    kinds: Annotated[
        str | None,
        typer.Option("--kinds", help="worst, noop, removed, random, adversary, incentive, dropped, late, stale, forged. Default: all."),
    ] = None,
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=2, max=100_000, help="Episodes per cell.")] = 256,
    rate: Annotated[float, typer.Option("--rate", min=0.0, max=1.0, help="Of one-step worst actions, per step.")] = 0.1,
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, help="Iterations of training for adversary and incentive. Default: those of the run.")
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Policies play their most probable actions.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder; the same one again goes on.")] = Path("studies/failures"),
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, max=1024, help="Trainings at a time. Default: the cores there are.")] = None,
    trust: TrustOption = False,
) -> None:
    """What is left of the others' return when one agent fails, for each agent and each kind of failure?"""
    from netagents.cli.locate import find_run
    from netagents.cli.study_progress import train_all
    from netagents.errors import UsageError, printable
    from netagents.reports.failures_page import HEADS, failure_sentences, rows_of, write_failures_page
    from netagents.studies.failure_matrix import FailurePlan, check_removable, failure_matrix
    from netagents.studies.failure_play import KINDS

    words = KINDS if kinds is None else tuple(word.strip() for word in kinds.split(","))
    strange = [word for word in words if word not in KINDS]
    if strange:
        raise UsageError(f"'{strange[0]}' is no kind of failure", where="--kinds", fix=f"one or more of {', '.join(KINDS)}")
    failure_kinds = tuple(kind for kind in KINDS if kind in words)
    opened = [find_run(path, trust) for path in runs]
    for each in opened:
        announce_run(each.path, trust)
    if kinds is not None and "removed" in failure_kinds:
        check_removable(opened)
    plan = FailurePlan(failure_kinds, episodes, rate, budget, greedy)
    facts = failure_matrix(
        opened,
        plan,
        out,
        train=lambda study, directory: train_all(study, directory, jobs),
        report=lambda line: typer.echo(printable(line), err=True),
    )
    page = write_failures_page(out)
    rows = [[printable(cell) for cell in row] for row in (HEADS, *rows_of(facts, [run.path.name for run in opened]))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo("")
    for sentence in failure_sentences(facts):
        typer.echo(printable(sentence))
    typer.echo(f"\nreport  {printable(str(page))}")
