"""Audits in the report: true power over the iterations that were audited, beside what the agents' critics estimated in all of them."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.records import Run
from netagents.reports.chart import ChartLine, line_chart
from netagents.reports.chart_svg import draw
from netagents.reports.html import section

MOST_PAIRS = 4


def audit_section(run: Run) -> Markup:
    """True power of the pairs with most of it, with intervals, and the estimates of the same pairs; nothing where nothing was audited."""
    audits = run.audited_power
    if not audits:
        return Markup("")
    iterations, power = np.array(list(audits)), np.array([each.power for each in audits.values()])
    with np.errstate(invalid="ignore"):
        mean = np.nan_to_num(np.where(np.isfinite(power).any(axis=0), np.nan_to_num(power).mean(axis=0), 0.0))
    pairs = [(int(j), int(i)) for j, i in np.argwhere(np.isfinite(power[0]))]
    pairs = sorted(pairs, key=lambda pair: -mean[pair])[:MOST_PAIRS]
    estimates = _estimates(run, pairs)
    lines = []
    for number, (j, i) in enumerate(pairs):
        name, color = f"{run.topology.labels[j]} over {run.topology.labels[i]}", f"var(--c{number})"
        intervals = [each.interval(j, i) for each in audits.values()]
        low, high = (np.array([getattr(each, edge) for each in intervals]) for edge in ("low", "high"))
        lines.append(ChartLine(name, power[:, j, i], color, low, high, x=iterations.astype(np.float64), marked=True))
        if np.isfinite(estimates[:, number]).any():
            lines.append(ChartLine("", estimates[:, number], color, dashed=True))
    visits = int(max(each.visits.max() for each in audits.values()))
    caption = (
        f"Dots are true power, measured by branching {visits} visited states in each of {len(audits)} iterations, with 95 % intervals; "
        "dashed lines are what the agents' critics estimated meanwhile. Shown are the pairs with most true power."
    )
    return section("True power during the run", draw(line_chart(run.iterations, lines, y_label="power")), caption=caption, wide=True)


def _estimates(run: Run, pairs: list[tuple[int, int]]) -> NDArray[np.float64]:
    """(K, pairs) what agents estimated in each iteration; NaN where nothing is known."""
    values = np.full((len(run.iterations), len(pairs)), np.nan)
    for row, reading in zip(values, run.each_power_reading(), strict=False):
        for number, (j, i) in enumerate(pairs):
            power = reading[(reading[:, 0] == j) & (reading[:, 1] == i), 2]
            if power.size:
                row[number] = power[0]
    return values
