"""What went wrong in a run, on purpose or not: who was lost or restarted, which faults were scheduled, how old what was used was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from netagents.experiment.agent_fault_settings import AgentFault, CrashFault, FreezeFault
from netagents.experiment.link_fault_settings import LinkFault, PartitionFault
from netagents.records import Run
from netagents.reports.chart import Span
from netagents.reports.html import section, table

_COLORS = ("var(--c1)", "var(--c3)", "var(--c4)", "var(--c5)")


def lost_agents(run: Run) -> list[str]:
    """One line for each agent that the run went on without."""
    return [
        f"agent {event['agent']} {_when(event['iteration'], back)} ({event['stand_in']} in its place): {event['line']}"
        for event, back in _losses(run)
    ]


def _losses(run: Run) -> list[tuple[dict[str, Any], int | None]]:
    """Each loss, and the iteration in which the agent was back because the run was resumed."""
    events = run.events
    resumed = [(at, event["first_iteration"]) for at, event in enumerate(events) if event["event"] == "resumed"]
    lost = [(at, event) for at, event in enumerate(events) if event["event"] == "lost"]
    recoveries = [(event, next((first for later, first in resumed if later > at), None)) for at, event in lost]
    # A run that was resumed before the loss does those iterations once more, with everybody.
    return [(event, back) for event, back in recoveries if back is None or back > event["iteration"]]


def _when(first: int, back: int | None) -> str:
    return f"from iteration {first} on" if back is None else f"in iterations {first} to {back - 1}"


def fault_rows(run: Run) -> list[tuple[str, str]]:
    """The lines of the end table: lost agents, restarts, stale uses, actions that were late."""
    rows = [("lost", line) for line in lost_agents(run)]
    restarted = [event for event in run.events if event["event"] == "restarted"]
    if restarted:
        names = ", ".join(f"agent {event['agent']} (back to iteration {event['iteration']})" for event in restarted)
        rows.append(("restarted", names))
    stale = _newest(run)
    ages = stale.get("ages", {})
    if ages:
        counted = [(age, count) for kinds in ages.values() for bins in kinds.values() for age, count in bins.items() if age != "0"]
        oldest = max((_order(age) for age, _ in counted if age != "absent"), default=0)
        absent = sum(count for age, count in counted if age == "absent")
        total = sum(count for _, count in counted)
        rows.append(("stale uses", f"{total:,} by {len(ages)} agents, {absent:,} of them of nothing; the oldest of age {oldest}"))
    if late := stale.get("late", {}):
        rows.append(("late actions", ", ".join(f"{agent}: {count:,}" for agent, count in late.items())))
    return rows


def spans(run: Run) -> list[Span]:
    """When something was wrong, for a chart over iterations: scheduled faults, and from when on an agent was missing."""
    spans: list[Span] = []
    end = run.experiment.learning.iterations
    for fault in run.experiment.faults:
        if isinstance(fault, (CrashFault, FreezeFault)):
            spans.append(Span(f"{fault.kind} of agent {fault.agent}", fault.iteration, fault.iteration + 1))
        elif isinstance(fault, AgentFault):
            spans.append(Span(f"{fault.kind}: agent {fault.agent}".replace("_", " "), fault.start, fault.until or end))
        elif isinstance(fault, (LinkFault, PartitionFault)) and (fault.start > 0 or fault.until is not None):
            spans.append(Span("partition" if isinstance(fault, PartitionFault) else "bad links", fault.start, fault.until or end))
    spans += [Span(f"without agent {event['agent']}", event["iteration"], back or end) for event, back in _losses(run)]
    return [span._replace(color=_COLORS[at % len(_COLORS)]) for at, span in enumerate(spans)]


def fault_section(run: Run) -> Markup:
    """A card with all of it; nothing for a run in which nothing went wrong."""
    rows, stale = fault_rows(run), _newest(run)
    parts = []
    if rows:
        parts.append(table(("what", ""), rows, "left"))
    ages: Mapping[str, Mapping[str, Mapping[str, int]]] = stale.get("ages", {})
    if ages:
        parts.append(Markup("<h3>How old what was used was</h3>"))
        parts.append(
            _histogram([(f"{agent}: {kind.replace('_', ' ')}", bins) for agent, kinds in ages.items() for kind, bins in kinds.items()])
        )
    actions: Mapping[str, Mapping[str, int]] = stale.get("actions", {})
    if actions:
        parts.append(Markup("<h3>Ticks since each agent's newest action was due</h3>"))
        parts.append(_histogram(list(actions.items())))
    if not parts:
        return Markup("")
    caption = (
        "A State ages by steps, or by ticks where the world runs free, the others by iterations. "
        "Absent: nothing was there, and what stands for an absent agent was used."
    )
    return section("What went wrong", *parts, caption=caption if ages else "", wide=True)


def _histogram(named: list[tuple[str, Mapping[str, int]]]) -> Markup:
    bins = sorted({age for _, counted in named for age in counted}, key=_order)
    return table(("", *bins), [(name, *(f"{counted.get(age, 0):,}" for age in bins)) for name, counted in named])


def _order(age: str) -> int:
    """Ages in words as numbers: ``absent`` comes last."""
    return 1 << 30 if age == "absent" else int(age.split()[0])


def _newest(run: Run) -> dict[str, Any]:
    """What was counted of stale uses; a run that was resumed has counted more than once, and the newest stands for its part."""
    return next((event for event in reversed(run.events) if event["event"] == "staleness"), {})
