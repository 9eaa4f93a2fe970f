"""Metrics in the report: everything that the agents of a run measure, whatever its parts are."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.learning.protocol.agent_metrics import DESCRIPTIONS
from netagents.records import Run
from netagents.reports.final_power import DEFAULT_LAST
from netagents.reports.html import section, short, table


def metric_section(run: Run) -> Markup:
    """A row for each metric: its mean over agents in the first iteration and in the last ones, and the agents between which it lies."""
    names = run.metric_names
    last = min(DEFAULT_LAST, len(run.iterations))
    rows = []
    for name in names:
        values = run.agent_metric(name)
        known = np.isfinite(values[-last:]).any(axis=0)
        final = np.array([_mean(values[-last:, agent]) for agent in np.flatnonzero(known)])
        if not final.size:
            continue
        span = (short(float(final.min())), short(float(final.max())))
        rows.append((name, short(_mean(values[0])), short(float(final.mean())), *span, str(len(final)), DESCRIPTIONS.get(name, "")))
    caption = (
        f"Last is the mean of the last {last} iterations, over the agents that have the metric. Lowest and highest are of single agents."
    )
    heads = ("metric", "first", "last", "lowest agent", "highest agent", "agents", "meaning")
    return section("Everything measured", table(heads, rows, "explained"), caption=caption, wide=True)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
