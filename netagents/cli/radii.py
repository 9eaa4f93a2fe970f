"""``netagents radii``: choose the radii of ``kappa: auto`` without training, and write an experiment that has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

if TYPE_CHECKING:
    from netagents.records.radii_models import RadiiFacts

app = typer.Typer(add_completion=False)


@app.command()
def radii(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file with kappa: auto.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as kappa=auto calibration.byte_budget=0.3.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="NEW", help="Write this new experiment file, which names the radii, so that nothing has to be measured again."
        ),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Give each agent its own radii by who matters to whom, under a budget of bytes."""
    from netagents.errors import ExperimentError
    from netagents.launchers.portable_experiment import portable_text
    from netagents.launchers.radius_calibration import with_chosen_radii
    from netagents.launchers.signs_of_life import signs_of_life
    from netagents.learning.prepared_experiment import prepare
    from netagents.records import write_atomically
    from netagents.records.atomic_files import check_file
    from netagents.records.run_creation import check_free

    loaded = load_trusted(file, overrides, trust)
    if not loaded.experiment.chooses_radii:
        raise ExperimentError("nothing is left to choose", where="kappa", fix="write kappa: auto, and leave out the radii to be chosen")
    if out is not None:
        check_free(out)
        check_file(out)
    with signs_of_life("radii", "reading the graph") as stage:
        with_radii, facts = with_chosen_radii(loaded, lambda line: typer.echo(line, err=True), stage)
    assert facts is not None, "there was something to choose"
    prepared = prepare(with_radii.experiment, with_radii.base)
    _print(facts, prepared.topology.labels)
    if out is not None:
        write_atomically(out, f"{portable_text(with_radii, prepared)}\n".encode())
        typer.echo(f"\n{out}: the same experiment with these radii")


def _print(facts: RadiiFacts, names: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from netagents.errors import printable

    grid = Table(box=None, pad_edge=False, header_style="bold")
    titles = ("agent", "policy", "critic", "gradient", *(("matters to it", "it matters to") if facts.pairs else ()))
    for title in titles:
        grid.add_column(title, justify="left" if title == "agent" else "right", no_wrap=True)
    for agent, name in enumerate(names):
        sums = (sum(row[agent] for row in facts.pairs), sum(facts.pairs[agent])) if facts.pairs else ()
        radii = (facts.policy[agent], facts.critic[agent], facts.gradient[agent])
        grid.add_row(printable(name), *map(str, radii), *(f"{total:.3g}" for total in sums))
    Console(markup=False).print(grid)
