"""``netagents script``: files with which a cluster runs an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

app = typer.Typer(add_completion=False, invoke_without_command=True)

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")]
SettingsArgument = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as kappa=2.")]


@app.callback()
def script(ctx: typer.Context) -> None:
    """Write the file with which a cluster runs an experiment, to read and to submit."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command()
def slurm(
    file: FileArgument,
    overrides: SettingsArgument = None,
    partition: Annotated[str | None, typer.Option("--partition", help="Partition of the cluster. Default: that of the cluster.")] = None,
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Hosts over which the roles are spread evenly.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Write DIR/job.sbatch, and have keys, logs and records below DIR, which all hosts must see."
        ),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Print a batch script that trains an experiment under Slurm, one step per role: netagents script slurm FILE > job.sbatch."""
    from netagents.launchers.scripts.slurm_script import slurm_script, write_script
    from netagents.learning.prepared_experiment import prepare

    loaded = load_trusted(file, overrides, trust)
    folder = out.absolute() if out is not None else None
    prepared = prepare(loaded.experiment, loaded.base)
    text = slurm_script(loaded, prepared, file, overrides or [], partition=partition, hosts=nodes, folder=folder)
    if folder is None:
        typer.echo(text, nl=False)
        return
    typer.echo(f"sbatch {write_script(text, folder)}")


@app.command()
def kubernetes(
    file: FileArgument,
    overrides: SettingsArgument = None,
    image: Annotated[
        str | None, typer.Option("--image", help="Image of all containers. Default: runtime.containers.image, or that of this version.")
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Namespace of all objects. Default: that of kubectl.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="NEW", help="Write this new file, which only you can read, instead of printing.")
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Write the manifests of one run on Kubernetes, one Job per role, with fresh keys inside: keep them as you keep a password."""
    from netagents.launchers.scripts.kubernetes_manifests import manifests_text, write_manifests
    from netagents.learning.prepared_experiment import prepare

    loaded = load_trusted(file, overrides, trust)
    text = manifests_text(loaded, prepare(loaded.experiment, loaded.base), image=image, namespace=namespace)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_manifests(text, out)
    typer.echo(f"kubectl apply -f {out}")
