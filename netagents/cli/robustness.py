"""``netagents study robustness``: which way of training leaves a team that is worth most when some of its agents turn against it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def robustness(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Experiment files, the backbone first; KEY=VALUE changes a setting of all."),
    ],
    adversaries: Annotated[
        list[str] | None, typer.Option("--adversaries", "-a", help="Agents that attack together: 0, or 1,3. Again for another group.")
    ] = None,
    mir2: Annotated[str, typer.Option("--mir2", help="The backbone with information penalties as well: lambdas such as 0.0005,0.1.")] = "",
    modes: Annotated[
        str, typer.Option("--modes", help="How the information of --mir2 is estimated: exact, as_published, as_released, or several.")
    ] = "exact",
    relatives: Annotated[
        str, typer.Option("--relatives", help="The backbone as robust relatives as well: m3ddpg,rom_q,ernie,romax, or some of them.")
    ] = "",
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=10_000, help="Runs per method, with seeds from the backbone's own on.")] = 5,
    budget: Annotated[
        int | None,
        typer.Option("--budget", min=1, max=10_000_000, help="Iterations of an adversary's training. Default: the method's own."),
    ] = None,
    attackers: Annotated[int, typer.Option("--attackers", min=1, max=1000, help="Adversaries per run and group.")] = 1,
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=2, max=100_000, help="Episodes per adversary.")] = 256,
    messages: Annotated[
        bool, typer.Option("--messages/--no-messages", help="Also corrupt each neighbour's messages: the square of the number of agents.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option("--out", help="Study directory; the same one again goes on. Default: studies/robustness-NAME.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, max=1024, help="Trainings at a time. Default: the cores there are.")] = None,
) -> None:
    """Train every method, freeze its team, attack it, and compare clean and attacked returns and training times."""
    from netagents.cli.study_progress import first_seed, train_all
    from netagents.errors import UsageError, printable
    from netagents.learning.prepared_experiment import prepare
    from netagents.reports.robustness_page import load_robustness, robustness_sentences, write_robustness_page
    from netagents.studies.attack_study import parse_adversaries
    from netagents.studies.robustness_study import attack_all, robustness_study
    from netagents.studies.study_directory import StudyDirectory

    files, overrides = [word for word in words if "=" not in word], [word for word in words if "=" in word]
    if not files:
        raise UsageError("no experiment file is named", where="FILE", fix="name the backbone's, such as launch/gathering.yaml")
    first = first_seed(files[0], overrides)
    study = robustness_study(
        files,
        overrides,
        lambdas=_lambdas(mir2),
        seeds=range(first, first + seeds),
        modes=_names(modes),
        relatives=_names(relatives),
    )
    groups = parse_adversaries(adversaries or ["0"], prepare(study.base).setup.n)
    directory = StudyDirectory.open_for(out or Path("studies") / f"robustness-{study.name}", study)
    train_all(study, directory, jobs)
    attack_all(
        study,
        directory,
        groups,
        lambda attack, place: train_all(attack, place, jobs),
        budget=budget,
        attackers=attackers,
        episodes=episodes,
        messages=messages,
    )
    page = write_robustness_page(directory.path)
    for sentence in robustness_sentences(load_robustness(directory.path)):
        typer.echo(printable(sentence))
    typer.echo(printable(str(page)))


def _names(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _lambdas(text: str) -> list[float]:
    from netagents.errors import UsageError

    try:
        lambdas = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        lambdas = [-1.0]
    if not all(0.0 < each <= 1e9 for each in lambdas):
        raise UsageError(f"'{text}' is no list of lambdas above 0", where="--mir2", fix="write 0.0005,0.1")
    return lambdas
