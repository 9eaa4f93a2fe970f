"""Constraints in summary and report: by how much each agent violates its own, the worst first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from netagents.records import Run
from netagents.reports.final_power import DEFAULT_LAST
from netagents.reports.html import html, section, short, table

_NAMED = 5
_LISTED = 400


class AgentViolation(NamedTuple):
    """An agent and its constraints.

    Attributes:
        agent: i.
        first, last: c - g of its worst constraint in the first iteration, and in the mean of the last ones; negative where all hold.
        share: of the last iterations, in which it was positive.
        multiplier: mean sum of its multipliers in them.
    """

    agent: int
    first: float
    last: float
    share: float
    multiplier: float


def agent_violations(run: Run, last: int = DEFAULT_LAST) -> list[AgentViolation]:
    """Of every agent that has constraints and was not lost, the worst first; empty where nobody has any.

    What agents report is read from sampled occupancies, so that a constraint that just holds is above zero about half of the time.
    """
    violation, multiplier = run.agent_metric("violation"), run.agent_metric("multiplier")
    bound = [
        agent
        for agent in range(run.n)
        if len(violation) and np.isfinite(violation[[0, *range(-min(last, len(violation)), 0)], agent]).all()
    ]
    rows = [
        AgentViolation(
            agent,
            float(violation[0, agent]),
            float(violation[-last:, agent].mean()),
            float((violation[-last:, agent] > 0.0).mean()),
            float(multiplier[-last:, agent].mean()),
        )
        for agent in bound
    ]
    return sorted(rows, key=lambda each: (-each.last, each.agent))


def constraint_rows(run: Run) -> list[tuple[str, str]]:
    """A line for the summary: who violates, by how much."""
    rows = agent_violations(run)
    if not rows:
        return []
    broken = [each for each in rows if each.last > 0.0]
    span = _span(run)
    if not broken:
        return [
            ("constraints", f"met by all {len(rows)} agents that have any, agent {rows[0].agent} by least: {-rows[0].last:.3g} ({span})")
        ]
    named = ", ".join(f"agent {each.agent} {each.last:.3g}" for each in broken[:_NAMED])
    further = f", {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return [("constraints", f"violated by {len(broken)} of {len(rows)} agents, worst first: {named}{further} ({span})")]


def constraint_section(run: Run) -> Markup:
    """A table of all agents with constraints; nothing where nobody has any."""
    violations = agent_violations(run)
    if not violations:
        return Markup("")
    rows = [
        (
            run.topology.labels[each.agent],
            short(each.first),
            html("<b>{}</b>", short(each.last)),
            f"{each.share:.0%}",
            short(each.multiplier),
        )
        for each in violations[:_LISTED]
    ]
    caption = (
        f"Threshold less value of each agent's worst constraint, the worst agent first: positive is violated. Last, share and multiplier "
        f"are of the {_span(run)}. Occupancies are sampled, so that a constraint that just holds is above zero about half of the time."
    )
    if len(violations) > _LISTED:
        caption += f" {_LISTED} of {len(violations)} agents; all are in tables/metrics.parquet."
    return section(
        "Constraints", table(("agent", "violation first", "violation last", "share violated", "multiplier"), rows), caption=caption
    )


def best_name(run: Run) -> str:
    """What the best known return is called: constraints are not part of it."""
    return "best known without constraints" if any(each.constraints for each in run.setup.agents) else "best known"


def _span(run: Run) -> str:
    averaged = min(DEFAULT_LAST, len(run.iterations))
    return f"mean of the last {averaged} iterations" if averaged > 1 else "last iteration"
