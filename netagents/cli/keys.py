"""``netagents keys``: make the keys of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def keys(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file: it says how many nodes there are and who talks to whom.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, as the run will have them.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to make; must be new or empty.")] = Path("keys"),
) -> None:
    """Make one folder per node, each with its own secret and the public keys it needs; give each host only its own."""
    from netagents.experiment import load_experiment
    from netagents.learning.prepare import prepare
    from netagents.nodes.keys import run_bundles
    from netagents.wire.security import write_bundles

    loaded = load_experiment(file, overrides or [])
    bundles = run_bundles(prepare(loaded.experiment, loaded.base).setup)
    write_bundles(bundles.values(), out)
    typer.echo(f"{out}: keys of {len(bundles)} nodes (environment, monitor, {len(bundles) - 2} agents)")
    typer.echo(f"start each node with its own folder: netagents node agent-0 --join ADDRESS --keys {out / 'agent-0'}")
