"""``netagents plan``: what an experiment will send and need, before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, load_trusted

if TYPE_CHECKING:
    from netagents.messages import Kind
    from netagents.studies.audit_traffic import AuditTraffic

app = typer.Typer(add_completion=False)


@app.command()
def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Experiment file, such as launch/quickstart.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as topology.n=1000.")] = None,
    link: Annotated[
        list[str] | None, typer.Option("--link", help="Speed/latency between hosts, such as 1Gbit/0.2ms; may be repeated.")
    ] = None,
    hosts: Annotated[
        int, typer.Option("--hosts", min=1, max=10_000, help="Spread the agents over so many hosts, and count the bytes between these.")
    ] = 1,
    measure: Annotated[
        int,
        typer.Option(
            "--measure",
            min=0,
            max=1000,
            help="Also run so many iterations here, and compare with what this machine's own costs predict; 0: do not.",
        ),
    ] = 0,
    trust: TrustOption = False,
) -> None:
    """Predict messages, bytes, sockets, memory and step time of an experiment without running it."""
    from rich.console import Console
    from rich.table import Table

    from netagents.launchers.signs_of_life import signs_of_life
    from netagents.learning.lossy_links import LEAST_ANSWERED
    from netagents.learning.prepared_experiment import prepare
    from netagents.messages import Kind
    from netagents.nodes.bootstrap.node_addresses import link_scheme
    from netagents.reports import summary
    from netagents.studies.cost_model import default_rates, parse_link, predict
    from netagents.studies.lossy_wait_model import predict_lossy_wait
    from netagents.studies.placement_cost import predict_hosts
    from netagents.studies.step_time_model import calibrate, compute_seconds
    from netagents.studies.step_timing import measured_step_seconds

    def byte_size(size: float) -> str:
        return summary.byte_size(round(size))

    links = [parse_link(word) for word in link or []]
    loaded = load_trusted(file, overrides, trust)
    with signs_of_life("plan", "reading the graph") as stage:
        prepared = prepare(loaded.experiment, loaded.base, stage=stage)
        setup = prepared.setup
        stage(f"counting the messages of {setup.n} agents")
        cost = predict(setup)
        if hosts > 1:
            stage(f"placing {setup.n} agents on {hosts} hosts")
        spread = predict_hosts(setup, hosts) if hosts > 1 else None
    iterations = loaded.experiment.learning.iterations
    typer.echo(f"{setup.n} agents, {setup.steps} steps per iteration, {setup.batch} copies, {iterations:,} iterations\n")
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("message", "hop", "messages", "payload", "framed", "hop-weighted"):
        grid.add_column(title, justify="left" if title == "message" else "right", no_wrap=True)
    for (kind, hop), flow in sorted(cost.flows.items(), key=lambda item: (item[0][1] > 0, item[0])):
        weighted = byte_size(flow.framed * hop) if hop else "-"
        lines = (
            Kind(kind).name.lower(),
            str(hop) if hop else "server",
            f"{flow.messages:,.0f}",
            byte_size(flow.payload),
            byte_size(flow.framed),
        )
        grid.add_row(*lines, weighted)
    near, weighted_flow = cost.between_agents(), cost.between_agents(hop_weighted=True)
    whole = sum(flow.framed for flow in cost.total(iterations).values())
    Console(markup=False).print("per iteration", grid, "")
    if cost.audit is not None:
        _print_audit(cost.audit, iterations)
    steps, relay, scheme = cost.steps, cost.relay, link_scheme(loaded.experiment.runtime.transport)
    low, high = relay.framed_range
    facts = [
        ("routing", cost.routing),
        ("between agents", f"{near.messages / steps:,.1f} messages and {byte_size(near.framed / steps)} per step"),
        (
            "one by one, hop by hop",
            f"{weighted_flow.messages / steps:,.1f} messages and {byte_size(weighted_flow.framed / steps)} per step",
        ),
        (
            "relayed along trees",
            f"{relay.messages / steps:,.1f} messages and {byte_size(low / steps)} to {byte_size(high / steps)} per step, "
            f"by how much one bundle holds; payload {byte_size(relay.payload / steps)}",
        ),
        ("farthest", _farthest(relay.hops)),
        ("whole run", byte_size(whole)),
        ("sockets", f"{cost.sockets[0]:.1f} per agent on average, {cost.sockets[1]} at most, {cost.n} at the server"),
        ("links", f"{cost.direct_links:,} between agents with direct routing, {relay.links:,} with relay"),
        ("memory", f"{byte_size(cost.memory_bytes[0])} for the largest agent, {byte_size(cost.memory_bytes[1])} for all"),
        ("critic", f"{cost.critic_entries:,} possible entries in the largest critic" if cost.critic_entries else "networks"),
        ("step, one host", f"about {cost.step_seconds(rates=default_rates(scheme)) * 1e3:.3g} ms over {scheme} links (an estimate)"),
        *(
            (f"step, {each.name}", f"about {cost.step_seconds(each) * 1e3:.3g} ms, every agent on its own host (an estimate)")
            for each in links
        ),
    ]
    if spread is not None:
        placed, random = spread.placement, spread.random_crossing
        sizes = [len(agents) for agents in placed.agents]
        other = "direct" if cost.routing == "relay" else "relay"
        facts += [
            ("hosts", f"{hosts}, with {min(sizes)} to {max(sizes)} agents each; the bytes between them are payload per iteration"),
            (
                "between hosts",
                f"{byte_size(placed.crossing)} of {byte_size(placed.whole)}, and {byte_size(random)} if agents were spread at random",
            ),
            *([(f"with {other} routing", byte_size(spread.other_routing))] if spread.other_routing is not None else []),
            *(
                (
                    f"step, {hosts} x {each.name}",
                    f"about {spread.step_seconds(cost, each) * 1e3:.3g} ms, two cores on each host (an estimate)",
                )
                for each in links
            ),
        ]
    if measure:
        typer.echo("measuring: short runs of chains for the costs of this machine, then the experiment itself", err=True)
        calibration = calibrate(setup.batch, loaded.experiment.routing, loaded.experiment.runtime.transport)
        predicted, seconds = calibration.step_seconds(prepared), measured_step_seconds(loaded, measure)
        wakeup, message, fixed = (1e6 * rate for rate in calibration.rates)
        facts += [
            (
                f"this machine, {scheme} links",
                f"{wakeup:.3g} us per wake-up, {message:.3g} us per message, {fixed:.3g} us per step "
                f"(within {calibration.error:.0%} of the chains they come from)",
            ),
            ("step, predicted", f"{predicted * 1e3:.3g} ms with these, {1e3 * compute_seconds(prepared):.2g} ms of it computing"),
            ("step, measured", f"{seconds * 1e3:.3g} ms, {seconds / predicted:.2f} times the prediction"),
        ]
    wait = predict_lossy_wait(setup)
    if wait is not None:
        facts += [
            (
                "lossy links",
                f"from iteration {wait.iteration} on, up to {wait.loss:.0%} lost one way; {wait.answered:.0%} of what is sent is "
                f"acknowledged on the worst link (a run is refused below {LEAST_ANSWERED:.0%}), after {wait.tries:.2g} tries on average",
            ),
            (
                "they add",
                f"about {wait.step_seconds:.2g} s per step and {wait.iteration_seconds:.3g} s per iteration (an estimate for lockstep)",
            ),
        ]
    for name, text in facts:
        typer.echo(f"{name:<24}{text}")


def _print_audit(audit: AuditTraffic, iterations: int) -> None:
    """What audited iterations send in addition."""
    from rich.console import Console
    from rich.table import Table

    from netagents.reports.summary import byte_size

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("message", "hop", "messages", "payload", "framed"):
        grid.add_column(title, justify="left" if title == "message" else "right", no_wrap=True)
    for (kind, hop), (messages, payload, framed) in sorted(audit.flows.items(), key=lambda item: (item[0][1] > 0, item[0])):
        grid.add_row(kind.label, str(hop) if hop else "server", f"{messages:,}", byte_size(payload), byte_size(framed))
    title = f"per audit of power, in {audit.audits(iterations):,} of {iterations:,} iterations: {audit.rounds:,} decisions of each agent"
    Console(markup=False).print(title, grid, "")


def _farthest(hops: Mapping[Kind, int]) -> str:
    """How far each kind travels, in words."""
    return ", ".join(f"{kind.name.lower()} {far} hop{'' if far == 1 else 's'}" for kind, far in hops.items() if far) or "nothing travels"
