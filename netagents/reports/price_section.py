"""The section on the price of power of a run's report: what was paid, and what to do where something looks wrong."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from netagents.experiment.signal_settings import PowerTermSettings
from netagents.learning.price_watch import priced_agents
from netagents.measures.power.price_warnings import PricedHistory, PriceWarning, price_warnings
from netagents.records import Run
from netagents.reports.html import section, short, table


def price_section(run: Run) -> Markup:
    """A table per power term of the run, and its warnings; nothing where there is no such term."""
    rows = []
    for term, agents in power_terms(run):
        history = priced_history(run, term, agents)
        paid = -history.weight[-1] * history.power[-1]
        numbers = f"lambda {getattr(term, 'lambda'):g}: {short(float(paid))} paid, of {short(float(history.task[-1]))} task return"
        warnings = price_warnings(history)
        rows += [(term.label, numbers, "-", "-")] if not warnings else []
        rows += [(term.label, numbers, f"{each.name}: {each.what}", each.advice) for each in warnings]
    if not rows:
        return Markup("")
    caption = "Discounted, last iteration. Warnings compare the last tenth of the iterations with that before it and before the price."
    return section("The price of power", table(("term", "in numbers", "warning", "what to do"), rows), caption=caption, wide=True)


def warnings_of(run: Run) -> list[PriceWarning]:
    """Those of all power terms of a run."""
    return [warning for term, agents in power_terms(run) for warning in price_warnings(priced_history(run, term, agents))]


def power_terms(run: Run) -> list[tuple[PowerTermSettings, list[int]]]:
    """Every power term, of all agents or of a group, with those who report it, ascending; none before the first iteration."""
    names = run.metric_names if len(run.iterations) else ()
    reported = []
    for term, agents in priced_agents(run.setup).values():
        if (name := f"{term.label}_weight") in names:
            known = np.all(np.isfinite(run.agent_metric(name)), axis=0).tolist()
            reported.append((term, [agent for agent in agents if known[agent]]))
    return [(term, agents) for term, agents in reported if agents]


def priced_history(run: Run, term: PowerTermSettings, agents: list[int]) -> PricedHistory:
    """Means over the agents of the term."""
    metrics = {name: np.nanmean(run.agent_metric(f"{term.label}_{name}")[:, agents], axis=1) for name in ("sum", "weight", "known")}
    matrix = run.power_matrix(-1)
    possible = matrix.near & ~matrix.impossible & np.isfinite(matrix.values)
    between = float(matrix.values[possible].mean()) if possible.any() else float("nan")
    return PricedHistory(run.discounted_returns, metrics["sum"], metrics["weight"], metrics["known"], matrix.noise_floor, between)
