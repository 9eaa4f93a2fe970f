"""The section on the price of power of a run's report: what was paid, and what to do where something looks wrong."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from netagents.experiment.signal_settings import PowerTermSettings
from netagents.measures.power.price_warnings import PricedHistory, PriceWarning, price_warnings
from netagents.records import Run
from netagents.reports.html import section, short, table


def price_section(run: Run) -> Markup:
    """A table per power term of the run, and its warnings; nothing where there is no such term."""
    rows = []
    for term in run.experiment.signals:
        if isinstance(term, PowerTermSettings):
            history = priced_history(run, term)
            paid = -history.weight[-1] * history.power[-1]
            numbers = f"lambda {getattr(term, 'lambda'):g}: {short(float(paid))} paid, of {short(float(history.task[-1]))} task return"
            warnings = price_warnings(history)
            rows += [(term.label, numbers, "-", "-")] if not warnings else []
            rows += [(term.label, numbers, f"{each.name}: {each.what}", each.advice) for each in warnings]
    if not rows:
        return Markup("")
    say = "Discounted, last iteration. Warnings compare the last tenth of the iterations with that before it and before the price."
    return section("The price of power", table(("term", "in numbers", "warning", "what to do"), rows), say=say, wide=True)


def warnings_of(run: Run) -> list[PriceWarning]:
    """Those of all power terms of a run."""
    terms = [term for term in run.experiment.signals if isinstance(term, PowerTermSettings)]
    return [warning for term in terms for warning in price_warnings(priced_history(run, term))]


def priced_history(run: Run, term: PowerTermSettings) -> PricedHistory:
    """Means over the agents of the term."""
    metrics = {name: np.nanmean(run.agent_metric(f"{term.label}_{name}"), axis=1) for name in ("sum", "weight", "known")}
    matrix = run.power_matrix(-1)
    possible = matrix.near & ~matrix.impossible & np.isfinite(matrix.values)
    between = float(matrix.values[possible].mean()) if possible.any() else float("nan")
    return PricedHistory(run.discounted_returns, metrics["sum"], metrics["weight"], metrics["known"], matrix.noise_floor, between)
