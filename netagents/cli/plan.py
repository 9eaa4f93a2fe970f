"""``netagents plan``: what an experiment will send and need, before it is run."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as topology.n=1000.")] = None,
    link: Annotated[
        list[str] | None, typer.Option("--link", help="Speed/latency between hosts, such as 1Gbit/0.2ms; may be repeated.")
    ] = None,
    measure: Annotated[
        int, typer.Option("--measure", min=0, max=1000, help="Also run so many iterations here, and compare; 0: do not.")
    ] = 0,
) -> None:
    """Predict messages, bytes, sockets, memory and step time of an experiment without running it."""
    from rich.console import Console
    from rich.table import Table

    from netagents.experiment import load_experiment
    from netagents.learning.prepare import prepare
    from netagents.messages import Kind
    from netagents.reports import summary
    from netagents.studies.cost import parse_link, predict
    from netagents.studies.timing import measured_step_seconds

    def byte_size(size: float) -> str:
        return summary.byte_size(round(size))

    links = [parse_link(word) for word in link or []]
    loaded = load_experiment(file, overrides or [])
    prepared = prepare(loaded.experiment, loaded.base)
    setup = prepared.setup
    cost = predict(setup)
    iterations = loaded.experiment.learning.iterations
    typer.echo(f"{setup.n} agents, {setup.steps} steps per iteration, {setup.batch} copies, {iterations:,} iterations\n")
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("message", "hop", "messages", "payload", "framed", "hop-weighted"):
        grid.add_column(title, justify="left" if title == "message" else "right", no_wrap=True)
    for (kind, hop), flow in sorted(cost.flows.items(), key=lambda item: (item[0][1] > 0, item[0])):
        weighted = byte_size(flow.framed * hop) if hop else "-"
        shown = (
            Kind(kind).name.lower(),
            str(hop) if hop else "server",
            f"{flow.messages:,.0f}",
            byte_size(flow.payload),
            byte_size(flow.framed),
        )
        grid.add_row(*shown, weighted)
    near, weighted_flow = cost.between_agents(), cost.between_agents(hop_weighted=True)
    whole = sum(flow.framed for flow in cost.total(iterations).values())
    Console(markup=False).print("per iteration", grid, "")
    facts = [
        ("between agents", f"{near.messages / cost.steps:,.1f} messages and {byte_size(near.framed / cost.steps)} per step"),
        ("hop by hop", f"{weighted_flow.messages / cost.steps:,.1f} messages and {byte_size(weighted_flow.framed / cost.steps)} per step"),
        ("whole run", byte_size(whole)),
        ("sockets", f"{cost.sockets[0]:.1f} per agent on average, {cost.sockets[1]} at most, {cost.n} at the server"),
        ("links", f"{cost.direct_links:,} between agents with direct routing, {cost.relay_links:,} with relay"),
        ("memory", f"{byte_size(cost.memory_bytes[0])} for the largest agent, {byte_size(cost.memory_bytes[1])} for all"),
        ("critic", f"{cost.critic_entries:,} possible entries in the largest critic"),
        ("step, one host", f"about {cost.step_seconds() * 1e3:.3g} ms (an estimate)"),
        *(
            (f"step, {each.name}", f"about {cost.step_seconds(each) * 1e3:.3g} ms, every agent on its own host (an estimate)")
            for each in links
        ),
    ]
    if measure:
        seconds = measured_step_seconds(loaded, measure)
        facts.append(("step, measured", f"{seconds * 1e3:.3g} ms here, {seconds / cost.step_seconds():.2f} times the prediction"))
    for name, told in facts:
        typer.echo(f"{name:<24}{told}")
