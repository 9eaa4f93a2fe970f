"""``netagents allocate``: population sizes from influence and a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from netagents.records.scenario_file import ScenarioInfluence

app = typer.Typer(add_completion=False)


@app.command()
def allocate(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV with the columns scenario and influence; low and high, where known, are its interval."),
    ],
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, max=1_000_000, help="Members altogether. Default: the middle size per scenario.")
    ] = None,
    sizes: Annotated[str, typer.Option("--sizes", help="Population sizes there may be.")] = "1,3,5",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Spend a budget of co-players where they matter: by the published rule, by ranks, and by marginal gain."""
    import json

    from netagents.errors import printable
    from netagents.measures.influence import allocate_by_gain, allocate_by_ranks, allocate_published, diversity_gains
    from netagents.records.scenario_file import read_scenarios
    from netagents.studies.study_specification import parse_whole_numbers

    scenarios = read_scenarios(file)
    allowed = parse_whole_numbers(sizes, "--sizes")
    influence = [scenario.influence for scenario in scenarios]
    published = allocate_published(influence, budget, allowed)
    whole = published.budget
    picks = {
        "published": published,
        "ranks": allocate_by_ranks(influence, whole, allowed),
        "gain": allocate_by_gain(diversity_gains(influence, allowed), whole, allowed),
    }
    warnings = [line for line in (_unspent(whole, published.spent, allowed, len(scenarios)), _warning(scenarios)) if line]
    if as_json:
        facts = {
            "budget": whole,
            "sizes": allowed,
            "scenarios": [scenario.name for scenario in scenarios],
            "influence": influence,
            "allocations": {name: {"sizes": pick.sizes, "spent": pick.spent} for name, pick in picks.items()},
            "warnings": warnings,
        }
        typer.echo(json.dumps(facts, indent=2, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("scenario", "influence", *picks):
        grid.add_column(title, justify="left" if title == "scenario" else "right", no_wrap=True)
    for number, scenario in enumerate(scenarios):
        grid.add_row(printable(scenario.name), f"{scenario.influence:.3f}", *(str(pick.sizes[number]) for pick in picks.values()))
    grid.add_row("members", "", *(str(pick.spent) for pick in picks.values()))
    Console(markup=False).print(grid)
    for line in warnings:
        typer.echo(f"warning: {line}", err=True)


def _unspent(budget: int, spent: int, sizes: list[int], scenarios: int) -> str | None:
    """What to say where the sizes cannot make the whole budget."""
    if spent == budget:
        return None
    words = ", ".join(map(str, sizes))
    return f"{scenarios} scenarios with populations of {words} cannot have {budget} members altogether; {spent} is the most below that"


def _warning(scenarios: list[ScenarioInfluence]) -> str | None:
    """Whether an allocation can matter, where all scenarios have intervals."""
    from netagents.measures.influence import InfluenceEstimate, scenario_warning

    if any(scenario.low is None or scenario.high is None for scenario in scenarios):
        return None
    nan = float("nan")
    estimates = [InfluenceEstimate(each.influence, each.low or 0.0, each.high or 0.0, nan, nan, nan, 0, 0, "file") for each in scenarios]
    return scenario_warning(estimates)
