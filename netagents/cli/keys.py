"""``netagents keys``: make the keys of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

app = typer.Typer(add_completion=False)


@app.command()
def keys(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, or env:NAME: how many nodes, who talks to whom.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, as the run will have them.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to make; must be new or empty.")] = Path("keys"),
    into_volumes: Annotated[
        Path | None,
        typer.Option(
            "--into-volumes",
            metavar="RECORDS",
            help="Fill the folders mounted below --out instead, for containers; the server's go to the owner of RECORDS.",
        ),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Make one folder per node, each with its own secret and the public keys it needs; give each host only its own."""
    from netagents.cli.experiment_source import experiment_source, load_with_notes
    from netagents.learning.prepared_experiment import prepare
    from netagents.nodes.bootstrap.node_keys import run_bundles
    from netagents.wire.security.key_bundles import write_bundles

    source = experiment_source(file)
    loaded = load_trusted(source, overrides, trust) if isinstance(source, str) else load_with_notes(source, overrides)
    bundles = run_bundles(prepare(loaded.experiment, loaded.base).setup)
    if into_volumes is not None:
        from netagents.launchers.compose.key_volumes import fill_volumes

        fresh = fill_volumes(bundles.values(), out, into_volumes)
        typer.echo(f"keys of {len(bundles)} nodes, one folder each" if fresh else "a run goes on with these keys; they stay")
        return
    write_bundles(bundles.values(), out)
    typer.echo(f"{out}: keys of {len(bundles)} nodes (environment, monitor, {len(bundles) - 2} agents)")
    typer.echo(f"start each node with its own folder: netagents node agent-0 --join ADDRESS --keys {out / 'agent-0'}")
