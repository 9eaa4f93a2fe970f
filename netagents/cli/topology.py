"""``netagents topology``: the graphs there are, what a graph is like, and a drawing of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from netagents.topology import Topology

app = typer.Typer(add_completion=False, invoke_without_command=True)

_EXACT_DIAMETER = 2048
"""Largest number of agents whose distances are all computed."""

_SAMPLED_AGENTS = 128
"""Agents of a larger graph whose neighbourhoods are counted."""

_SOURCE = "A graph file, the name of one that comes with netagents, a run directory, or a kind such as ring with its parameters."


@app.callback()
def topology(ctx: typer.Context) -> None:
    """Look at graphs: list, show, draw."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("list")
def list_graphs() -> None:
    """The graph files that come with netagents, and the kinds of graphs that can be made."""
    from netagents.experiment.topology_settings import TopologySettings
    from netagents.topology.graph_files import read_topology, shipped_topologies

    typer.echo("files that come with netagents (topology: {kind: file, path: NAME})")
    for name in shipped_topologies():
        graph = read_topology(name)
        typer.echo(f"  {name:<18}{graph.n:>5} agents {len(graph.edges):>6} edges")
    typer.echo("\nkinds that are made from parameters (topology: {kind: KIND, ...})")
    for kind, keys in _kinds(TopologySettings).items():
        if kind not in ("file", "edges"):
            typer.echo(f"  {kind:<18}{' '.join(keys)}")


@app.command()
def show(
    source: Annotated[str, typer.Argument(metavar="GRAPH", help=_SOURCE)],
    parameters: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Parameters of a kind, such as n=10.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the graph as JSON.")] = False,
) -> None:
    """What a graph is like: agents, edges, degrees, diameter, and how many agents are within each radius."""
    graph = find_graph(source, parameters or [])
    if as_json:
        from netagents.topology.topology_json import topology_to_json

        typer.echo(topology_to_json(graph))
        return
    for what, value in facts(graph):
        typer.echo(f"{what:<12}{value}")


@app.command()
def draw(
    source: Annotated[str, typer.Argument(metavar="GRAPH", help=_SOURCE)],
    parameters: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Parameters of a kind, such as n=10.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write, .svg. Default: GRAPH.svg here.")] = None,
) -> None:
    """Draw a graph as SVG; of a run directory, agents are sized by the power they hold."""
    from netagents.errors import CapacityError, UsageError
    from netagents.records.atomic_files import write_atomically
    from netagents.records.run_directory import MANIFEST
    from netagents.reports.graph_drawing import LARGEST_DRAWN, draw_graph

    path = Path(f"{Path(source).stem or 'graph'}.svg") if out is None else out
    if path.suffix != ".svg":
        raise UsageError(f"cannot write '{path.name}'", fix="end the file's name with .svg")
    graph = find_graph(source, parameters or [])
    if graph.n > LARGEST_DRAWN:
        raise CapacityError(f"a drawing of {graph.n} agents shows nothing", where=source, fix=f"draw graphs of at most {LARGEST_DRAWN}")
    if (Path(source) / MANIFEST).is_file():
        from netagents.records.run_reader import Run
        from netagents.reports.run_report import power_drawing

        drawn = power_drawing(Run.open(source), standalone=True)
    else:
        drawn = draw_graph(graph, standalone=True)
    typer.echo(str(write_atomically(path, drawn.encode("utf-8", "backslashreplace"))))


def find_graph(source: str, parameters: list[str]) -> Topology:
    """The graph that the words name.

    Raises:
        UsageError: parameters where none belong.
        ExperimentError: parameters that the kind does not have.
        TopologyError: the file is missing or wrong.
    """
    from netagents.errors import UsageError
    from netagents.experiment import load_experiment
    from netagents.experiment.topology_settings import TopologySettings
    from netagents.records.run_directory import MANIFEST, RunDirectory
    from netagents.topology import build_topology
    from netagents.topology.graph_files import read_topology

    if source in _kinds(TopologySettings) and source not in ("file", "edges"):
        words = [f"topology.kind={source}", *(f"topology.{word}" for word in parameters)]
        # The environment is of no account; any experiment needs one.
        base = {"environment": {"kind": "sis"}, "topology": {"kind": source}}
        experiment = load_experiment(base, words).experiment
        return build_topology(experiment.topology, None, experiment.seed)
    if parameters:
        raise UsageError(f"'{parameters[0]}' belongs to no kind of graph", where=source, fix="`netagents topology list` lists the kinds")
    path = Path(source)
    if (path / MANIFEST).is_file():
        return RunDirectory.open(path).topology()
    return read_topology(source, Path())


def facts(graph: Topology) -> list[tuple[str, str]]:
    """What a graph is like, as (what, value) lines."""
    import numpy as np

    degrees = np.array([len(graph.neighbours(i)) for i in range(graph.n)])
    parts = len(graph.components)
    rows = [
        ("agents", str(graph.n)),
        ("edges", str(len(graph.edges))),
        ("degree", f"{degrees.min()} to {degrees.max()}, mean {degrees.mean():.2f}"),
        ("connected", "yes" if parts == 1 else f"no, {parts} parts"),
    ]
    if parts == 1:
        low, high = (graph.diameter, graph.diameter) if graph.n <= _EXACT_DIAMETER else graph.hops.diameter_bounds()
        rows.append(("diameter", str(low) if low == high else f"between {low} and {high}"))
    few = graph.n <= _EXACT_DIAMETER
    sample = np.linspace(0, graph.n - 1, _SAMPLED_AGENTS).astype(np.int64)
    among = "" if few else f" among {_SAMPLED_AGENTS} that were looked at"
    for kappa in range(1, 4):
        exact = few or kappa == 1
        sizes = np.array([len(graph.hops.within(i, kappa)) for i in range(graph.n)]) if exact else graph.hops.sampled_sizes(kappa, sample)
        sizes_text = f"{sizes.mean():.1f} agents in a neighbourhood on average, at most {sizes.max()}"
        rows.append((f"kappa {kappa}", sizes_text + ("" if exact else among)))
        if sizes.min() == graph.n:
            break
    names = [label for index, label in enumerate(graph.labels) if label != str(index)]
    if names:
        rows.append(("names", ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")))
    rows.append(("digest", graph.digest[:16]))
    rows.extend(("note", note) for note in graph.notes)
    return rows


def _kinds(annotation: object) -> dict[str, list[str]]:
    """Kinds of graphs and their parameters."""
    from netagents.experiment import settings_schema as schema

    models = schema.kinds(annotation)
    names = schema.kind_names(models)
    return {name: [key for key in model.model_fields if key != "kind"] for name, model in zip(names, models.values(), strict=True)}
