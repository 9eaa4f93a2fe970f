"""``netagents study``: many runs, one question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netagents.cli.robustness import robustness
from netagents.cli.study_failures import failures
from netagents.cli.study_page import report
from netagents.cli.study_progress import ProgressLine, first_seed, show_report

if TYPE_CHECKING:
    from netagents.studies.study_specification import Measure, Study

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Many runs, one question: the communication radius, any setting, messages, power."
)

File = Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change for all runs.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, max=10_000, help="Runs per setting, with seeds from the experiment's own on.")]
Out = Annotated[Path | None, typer.Option("--out", help="Study directory; the same one again goes on. Default: studies/QUESTION-NAME.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, max=1024, help="Runs at a time. Default: the cores there are.")]
MeasureWord = Annotated[
    str | None, typer.Option("--measure", help="What is better: return, discounted_return or objective. Default: as the task says.")
]
Copies = Annotated[
    int, typer.Option("--episodes", min=0, max=1_000_000, help="Episodes of frozen policies, whole and with a crash; 0: none.")
]


@app.command()
def radius(
    file: File,
    overrides: Words = None,
    kappa: Annotated[str, typer.Option("--kappa", help="Radii: 0..4, or 0,1,3.")] = "0..4",
    seeds: Seeds = 5,
    hold: Annotated[
        list[str] | None, typer.Option("--hold", help="A radius that does not move: policy=0; policy=free releases one.")
    ] = None,
    credit: Annotated[str | None, typer.Option("--credit", help="shared_q, shared_reward, or both. Default: the experiment's.")] = None,
    routing: Annotated[str | None, typer.Option("--routing", help="direct, relay, or both. Default: the experiment's.")] = None,
    information: Annotated[
        str | None, typer.Option("--information", help="fresh, aged (a state is as old as it is far), or both. Default: the experiment's.")
    ] = None,
    out: Out = None,
    jobs: Jobs = None,
    measure: MeasureWord = None,
    episodes: Copies = 256,
    exact: Annotated[bool, typer.Option("--exact/--no-exact", help="Exact errors, of a smaller copy where the model is too large.")] = True,
    times: Annotated[
        int, typer.Option("--times", min=0, max=1000, help="Iterations with one process per agent, to time steps; 0: none.")
    ] = 0,
) -> None:
    """What does each hop of communication buy, and what does it cost?"""
    from netagents.studies.radius_study import radius_study
    from netagents.studies.study_specification import parse_whole_numbers

    study = radius_study(
        file,
        overrides or [],
        kappas=parse_whole_numbers(kappa, "--kappa"),
        seeds=_seeds(file, overrides, seeds),
        hold=_hold(hold or []),
        credits=_one_or_both(credit, "--credit", "shared_q", "shared_reward"),
        routings=_one_or_both(routing, "--routing", "direct", "relay"),
        informations=_one_or_both(information, "--information", "fresh", "aged"),
        measure=_measure(measure),
    )
    _carry_out(study, out, jobs, episodes, exact=exact, times=times)


@app.command()
def sweep(
    file: File,
    words: Annotated[list[str], typer.Argument(metavar="KEY=A,B,C...", help="Values to try; a single value is set for all runs.")],
    seeds: Seeds = 3,
    out: Out = None,
    jobs: Jobs = None,
    measure: MeasureWord = None,
    episodes: Copies = 256,
) -> None:
    """Run every combination of the values of some settings."""
    from netagents.studies.study_specification import sweep_study

    axes, fixed = _axes(words)
    study = sweep_study(file, axes, fixed, seeds=_seeds(file, fixed, seeds), measure=_measure(measure))
    _carry_out(study, out, jobs, episodes)


@app.command()
def mute(
    file: File,
    overrides: Words = None,
    seeds: Seeds = 5,
    out: Out = None,
    jobs: Jobs = None,
    measure: MeasureWord = None,
    episodes: Copies = 0,
) -> None:
    """Cut one kind of message at one hop distance at a time: what is each byte worth?"""
    from netagents.studies.study_specification import mute_study

    study = mute_study(file, overrides or [], seeds=_seeds(file, overrides, seeds), measure=_measure(measure))
    _carry_out(study, out, jobs, episodes)


@app.command()
def allocation(
    file: File,
    words: Annotated[
        list[str],
        typer.Argument(metavar="KEY=A,B,C...", help="Scenarios: all combinations; KEY=A is set for all, KEY=A, is a list of one."),
    ],
    seeds: Seeds = 3,
    sizes: Annotated[str, typer.Option("--sizes", help="Population sizes to train.")] = "1,3,5",
    lengths: Annotated[str, typer.Option("--lengths", help="equal, or published: twice as long per member in populations.")] = "equal",
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, max=1_000_000, help="Members altogether. Default: the middle size per scenario.")
    ] = None,
    out: Out = None,
    jobs: Jobs = None,
    episodes: Annotated[int, typer.Option("--episodes", min=8, max=1_000_000, help="Episodes of each ego with each co-player.")] = 48,
) -> None:
    """Does influence say where diverse co-players pay? Train every scenario with every population size, and rank the allocations."""
    from netagents.cli.allocation_output import carry_out_allocation
    from netagents.studies.allocation_study import allocation_study
    from netagents.studies.study_specification import parse_whole_numbers

    axes, fixed = _axes(words)
    allowed = parse_whole_numbers(sizes, "--sizes")
    study = allocation_study(file, axes, fixed, seeds=_seeds(file, fixed, seeds), sizes=allowed, lengths=lengths)
    folder = Path("studies") / f"allocation-{study.name}" if out is None else out
    progress = ProgressLine()
    carry_out_allocation(study, folder, jobs, episodes, budget, progress, progress.print_line, progress.close)


@app.command()
def budget(
    file: File,
    overrides: Words = None,
    share: Annotated[
        float | None,
        typer.Option("--budget", min=0.001, max=1.0, help="Share of the largest radius's payload. Default: calibration.byte_budget."),
    ] = None,
    kappa: Annotated[
        str | None, typer.Option("--kappa", help="Further radii, the same for all agents and without a budget: 1, or 1,2.")
    ] = None,
    seeds: Seeds = 5,
    out: Out = None,
    jobs: Jobs = None,
    episodes: Annotated[int, typer.Option("--episodes", min=1, max=1_000_000, help="Episodes that each run's policies play.")] = 256,
) -> None:
    """Radii by influence, by power, at random or the same for all: what is left of the return under one budget of bytes?"""
    from netagents.cli.budget_output import carry_out_budget
    from netagents.studies.byte_budget_study import byte_budget_study
    from netagents.studies.study_specification import parse_whole_numbers

    kappas = [] if kappa is None else parse_whole_numbers(kappa, "--kappa")
    study = byte_budget_study(file, overrides or [], seeds=_seeds(file, overrides, seeds), budget=share, kappas=kappas)
    folder = Path("studies") / f"budget-{study.name}" if out is None else out
    progress = ProgressLine()
    carry_out_budget(study, folder, jobs, episodes, progress)


@app.command()
def power(
    file: File,
    overrides: Words = None,
    price: Annotated[str, typer.Option("--lambda", help="Prices of power: 0.1,0.3,1.")] = "0.1,0.3,1",
    method: Annotated[
        str, typer.Option("--method", help="none, prim (neighbours learn from the penalty), prim_selfish, sbpr, independent.")
    ] = "none,prim",
    aggregate: Annotated[str | None, typer.Option("--aggregate", help="mean, sum or max. Default: the experiment's, else mean.")] = None,
    seeds: Seeds = 5,
    out: Out = None,
    jobs: Jobs = None,
    measure: MeasureWord = None,
    episodes: Copies = 0,
    states: Annotated[int, typer.Option("--states", min=0, max=1_000_000, help="Branched per agent where power is not exact.")] = 64,
) -> None:
    """Does regularizing power make the team safer, and what does it cost?"""
    from netagents.studies.power_study import parse_prices, power_study

    study = power_study(
        file,
        overrides or [],
        lambdas=parse_prices(price),
        methods=[word.strip() for word in method.split(",")],
        aggregate=aggregate,
        seeds=_seeds(file, overrides, seeds),
        measure=_measure(measure),
    )
    _carry_out(study, out, jobs, episodes, states=states)


@app.command()
def samples(
    file: File,
    overrides: Words = None,
    epsilon: Annotated[
        str, typer.Option("--epsilon", help="Levels of the squared gradient norm, as shares of the first one.")
    ] = "0.3,0.1,0.03,0.01",
    agents: Annotated[str, typer.Option("--agents", help="Numbers of agents (topology.n).")] = "3,4,5",
    kappa: Annotated[str, typer.Option("--kappa", help="Radii: 0..2, or 0,1.")] = "0..2",
    seeds: Seeds = 3,
    out: Annotated[Path, typer.Option("--out", help="Folder for the tables.")] = Path("studies/samples"),
) -> None:
    """How many samples until the exact squared gradient norm is small?"""
    from netagents.records.atomic_files import check_folder, writing_into
    from netagents.studies.sample_complexity import sample_complexity
    from netagents.studies.study_specification import parse_whole_numbers

    levels = _levels(epsilon)
    check_folder(out)
    complexity = sample_complexity(
        file,
        overrides or [],
        levels=levels,
        agents=parse_whole_numbers(agents, "--agents"),
        kappas=parse_whole_numbers(kappa, "--kappa"),
        seeds=_seeds(file, overrides, seeds),
        report=lambda line: typer.echo(line, err=True),
    )
    with writing_into(out):
        written = complexity.save(out)
    for path in written:
        typer.echo(str(path))
    typer.echo(complexity.text())


app.command()(robustness)
app.command()(failures)
app.command()(report)


def _carry_out(
    study: Study, out: Path | None, jobs: int | None, episodes: int, *, exact: bool = False, times: int = 0, states: int = 0
) -> None:
    from netagents.errors import NodeFailedError
    from netagents.studies.finished_study import open_study, write_tables_of
    from netagents.studies.study_runs import carry_out

    directory = open_study(study, out)
    for note in study.notes:
        typer.echo(f"note: {note}", err=True)
    show = ProgressLine()
    failed = None
    try:
        carry_out(study, directory, jobs=jobs, copies=episodes, show=show, report=show.print_line)
    except NodeFailedError as error:
        failed = error
    finally:
        show.close()
    write_tables_of(study, directory, exact=exact, times=times, states=states, report=show.print_line)
    show_report(directory.path)
    if failed is not None:
        raise failed


def _seeds(file: str, overrides: list[str] | None, count: int) -> list[int]:
    first = first_seed(file, overrides)
    return list(range(first, first + count))


def _levels(text: str) -> list[float]:
    from netagents.errors import UsageError

    try:
        levels = [float(word) for word in text.split(",")]
    except ValueError:
        levels = []
    if not levels or not all(0 < level <= 1 for level in levels):
        raise UsageError(f"'{text}' is no list of shares above 0 and at most 1", where="--epsilon", fix="write 0.3,0.1,0.03,0.01")
    return levels


def _one_or_both(word: str | None, option: str, first: str, second: str) -> tuple[str, ...] | None:
    from netagents.errors import UsageError

    if word not in (None, first, second, "both"):
        raise UsageError(f"there is no '{word}'", where=option, fix=f"choose {first}, {second} or both")
    return None if word is None else (first, second) if word == "both" else (word,)


def _hold(words: list[str]) -> dict[str, int | None]:
    from netagents.errors import UsageError

    held: dict[str, int | None] = {}
    for word in words:
        name, _, value = word.partition("=")
        if value != "free" and not value.isdecimal():
            raise UsageError(f"'{word}' holds nothing", where="--hold", fix="write policy=0, critic=2 or policy=free")
        if name in held:
            raise UsageError(f"'{name}' is given twice", where="--hold", fix="hold each radius once")
        held[name] = None if value == "free" else int(value)
    return held


def _axes(words: list[str]) -> tuple[dict[str, list[Any]], list[str]]:
    from netagents.errors import ExperimentError, UsageError
    from netagents.experiment.yaml_document import parse

    axes: dict[str, list[Any]] = {}
    fixed = []
    names: set[str] = set()
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError("not something to sweep", where=f"'{word}'", fix="write key=a,b,c such as learning.batch=32,64,128")
        try:
            values = parse(f"[{text}]", word).values
        except ExperimentError as error:
            raise UsageError(f"the values are {error.what}", where=f"'{word}'", fix="quote them for the shell and for YAML") from None
        if key in names:
            raise UsageError(f"{key} is given twice", where=f"'{word}'", fix=f"write all its values once, {key}=A,B,C")
        names.add(key)
        # As in Python, a comma behind it makes one value a list.
        if isinstance(values, list) and (len(values) > 1 or (len(values) == 1 and text.rstrip().endswith(","))):
            if key == "seed":
                raise UsageError("seeds are not swept", where=f"'{word}'", fix=f"write --seeds {len(values)}, and seed={values[0]}")
            axes[key] = values
        else:
            fixed.append(word)
    return axes, fixed


def _measure(word: str | None) -> Measure | None:
    from netagents.errors import UsageError

    if word is None or word in ("return", "discounted_return", "objective"):
        return word  # type: ignore[return-value]
    raise UsageError(f"there is no measure '{word}'", where="--measure", fix="choose return, discounted_return or objective")
