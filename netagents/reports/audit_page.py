"""The page of an audit of power: true power by branching, and how far what agents measured is from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from netagents.intervals import Interval, order
from netagents.launchers.audit_result import Audit
from netagents.records.atomic_files import write_atomically
from netagents.reports.chart_axes import ticks
from netagents.reports.html import html, joined, page_of_sections, section, short, table, tile

SIDE, MARGIN = 420, 56
MOST_ROWS = 200


class Pair(NamedTuple):
    """One holder and one sufferer: true power, what was measured with its error, whether it is called reliable; NaN where unknown."""

    holder: int
    sufferer: int
    distance: int
    true: Interval
    measured: float
    error: float
    reliable: bool


def pairs_of(audit: Audit) -> list[Pair]:
    """All audited pairs, the largest true power first."""
    n, pairs = len(audit.visits), []
    for j in audit.holders:
        for i in range(n):
            if i != j and audit.visits[j]:
                known = audit.measured is not None and bool(np.isfinite(audit.measured.values[j, i]))
                measured = audit.measured if known else None
                pairs.append(
                    Pair(
                        j,
                        i,
                        int(audit.distances[j, i]),
                        audit.interval(j, i),
                        np.nan if measured is None else float(measured.values[j, i]),
                        np.nan if measured is None else float(measured.error[j, i]),
                        False if measured is None else bool(measured.reliable[j, i]),
                    )
                )
    return sorted(pairs, key=lambda pair: -pair.true.value)


def write_audit_page(audit: Audit, name: str, names: Sequence[str], path: Path) -> Path:
    """Write the page.

    Args:
        audit: to show. name: of the run. names: of the agents.
        path: of the page.
    """
    pairs = pairs_of(audit)
    plan = audit.plan
    others = "with what the others played" if plan.variant == "realized" else "before anyone has acted"
    worst = "action" if plan.steps == 1 else f"sequence of {plan.steps} actions"
    subtitle = (
        f"policies after iteration {plan.checkpoint}; the worst {worst} of each holder, {others}; "
        f"{int(audit.visits.max(initial=0))} visits per holder, {plan.replicates} rollouts of {plan.length} steps for each branch"
        + ("" if audit.complete else "; not finished: the same command goes on")
    )
    sections = (_first(audit, pairs, names), _calibration(pairs), _table(pairs, names))
    page = page_of_sections(f"power of {name}", f"True power in {name}", subtitle, sections, [audit_sentence(audit, names)])
    return write_atomically(path, page)


def audit_sentence(audit: Audit, names: Sequence[str]) -> str:
    """Who has most true power over whom, and whether the visits tell it from the next pair."""
    pairs = pairs_of(audit)
    if not pairs:
        return "No pair was audited, so true power is not known."
    named = [f"{names[pair.holder]} over {names[pair.sufferer]}, {pair.true.text(number=short, count=False)}" for pair in pairs[:2]]
    visits = f"95 % intervals over {pairs[0].true.n} visits"
    if len(pairs) == 1:
        return f"True power of agent {named[0]} ({visits})."
    if order(pairs[0].true, pairs[1].true) == "higher":
        return f"Most true power has agent {named[0]}; next is {named[1]} ({visits})."
    return f"These visits do not tell which pair has most true power: agent {named[0]}; {named[1]} ({visits})."


def _first(audit: Audit, pairs: Sequence[Pair], names: Sequence[str]) -> Markup:
    held = {j: float(np.nansum(audit.power[j])) for j in audit.holders if audit.visits[j]}
    top = max(held, key=lambda j: held[j], default=None)
    largest = pairs[0] if pairs else None
    tiles = [
        tile("mean power", short(float(np.mean([pair.true.value for pair in pairs]))) if pairs else "unknown", "over all audited pairs"),
        tile("largest entry", short(largest.true.value), f"{names[largest.holder]} over {names[largest.sufferer]}")
        if largest
        else Markup(""),
        tile("holds most", str(names[top]), f"{short(held[top])} over all others") if top is not None else Markup(""),
    ]
    return section("Who can harm whom", html('<div class="tiles">{}</div>', joined(tiles)), wide=True)


def _calibration(pairs: Sequence[Pair]) -> Markup:
    known = [pair for pair in pairs if np.isfinite(pair.measured)]
    if not known:
        return section("Calibration", caption="The run's agents measured no power that could be compared.")
    inside = sum(abs(pair.measured - pair.true.value) <= pair.error + 0.5 * (pair.true.high - pair.true.low) for pair in known)
    caption = f"{inside} of {len(known)} estimates lie within their errors and the truth's interval. Filled: called reliable."
    return section("What agents measured", _scatter(known), caption=caption)


def _scatter(pairs: Sequence[Pair]) -> Markup:
    """Measured power over true power, with the line on which both agree."""
    top = max(max(pair.true.high, pair.measured + (pair.error if np.isfinite(pair.error) else 0.0)) for pair in pairs) or 1.0
    low = min(0.0, *(min(pair.true.low, pair.measured) for pair in pairs))
    span = (top - low) * 1.05 or 1.0

    def x(value: float) -> float:
        return MARGIN + (value - low) / span * SIDE

    def y(value: float) -> float:
        return SIDE - (value - low) / span * SIDE + 12

    parts = [
        f'<line x1="{x(low):.1f}" y1="{y(low):.1f}" x2="{x(low + span):.1f}" y2="{y(low + span):.1f}" stroke="var(--quiet)" '
        'stroke-dasharray="4 4"/>'
    ]
    for value in ticks(low, low + span):
        parts.append(f'<text x="{x(value):.1f}" y="{SIDE + 30}" text-anchor="middle" fill="var(--quiet)">{value:g}</text>')
        parts.append(f'<text x="{MARGIN - 8}" y="{y(value) + 4:.1f}" text-anchor="end" fill="var(--quiet)">{value:g}</text>')
        parts.append(
            f'<line x1="{MARGIN}" x2="{MARGIN + SIDE}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="var(--quiet)" stroke-opacity="0.2"/>'
        )
    stroke = 'stroke="var(--main)" stroke-opacity="0.5"'
    for pair in pairs:
        at, to = x(pair.true.value), y(pair.measured)
        error = pair.error if np.isfinite(pair.error) else 0.0
        above, below = y(pair.measured + error), y(pair.measured - error)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{below:.1f}" y2="{above:.1f}" {stroke}/>')
        parts.append(f'<line x1="{x(pair.true.low):.1f}" x2="{x(pair.true.high):.1f}" y1="{to:.1f}" y2="{to:.1f}" {stroke}/>')
        fill = "var(--main)" if pair.reliable else "none"
        title = f"<title>{pair.holder} over {pair.sufferer}: true {pair.true.value:.4g}, measured {pair.measured:.4g}</title>"
        parts.append(f'<circle cx="{at:.1f}" cy="{to:.1f}" r="4" fill="{fill}" stroke="var(--main)">{title}</circle>')
    parts.append(f'<text x="{MARGIN + SIDE / 2:.0f}" y="{SIDE + 50}" text-anchor="middle" fill="var(--ink)">true power</text>')
    parts.append(f'<text x="{MARGIN}" y="8" text-anchor="start" fill="var(--ink)" font-size="12">measured power</text>')
    width, height = MARGIN + SIDE + 20, SIDE + 58
    return Markup(
        f'<svg viewBox="0 -4 {width} {height}" role="img" data-figure="" aria-label="measured power over true power" font-size="12">'
        f"{''.join(parts)}</svg>"
    )


def _table(pairs: Sequence[Pair], names: Sequence[str]) -> Markup:
    heads = ("holder", "over", "hops", "true power", "95 % interval", "measured", "error", "reliable")
    body = [
        (
            str(names[pair.holder]),
            str(names[pair.sufferer]),
            str(pair.distance),
            short(pair.true.value),
            f"{short(pair.true.low)} to {short(pair.true.high)}",
            short(pair.measured) if np.isfinite(pair.measured) else "-",
            short(pair.error) if np.isfinite(pair.error) else "-",
            "yes" if pair.reliable else "",
        )
        for pair in pairs[:MOST_ROWS]
    ]
    more = f"The {MOST_ROWS} largest of {len(pairs)}." if len(pairs) > MOST_ROWS else ""
    return section("All pairs", table(heads, body), caption=more, wide=True)
