"""The page of a study of radii under a budget of bytes: what each way to choose them keeps of the return, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from netagents.intervals import ENOUGH
from netagents.records.atomic_files import write_atomically
from netagents.records.record_files import read_record
from netagents.reports.attack_page import REPORT, interval
from netagents.reports.chart import Chart, ChartLine, Reference
from netagents.reports.chart_svg import draw
from netagents.reports.html import document, html, joined, section, short, table
from netagents.reports.style import GOOD, INK, MAIN, QUIET

BUDGET = "budget.json"
KEPT = 0.95
"""Share of the return with the largest radius that should be kept."""

_LARGEST, _INFLUENCE = "largest radius", "influence"
Row = Mapping[str, Any]


def write_budget_page(path: Path) -> Path:
    """Write ``report.html`` of a study of radii under a budget from its ``budget.json``.

    Raises:
        RunDirectoryError: there is none, or the page cannot be written.
    """
    facts = read_record(path / BUDGET, BUDGET)
    rows = facts["rows"]
    title = f"radii under a budget of bytes: {facts['name']}"
    seeds = len(facts["seeds"])
    subtitle = "; ".join([*facts["notes"], f"{seeds} seed{'' if seeds == 1 else 's'}"])
    page = document(
        title,
        html("<h1>{}</h1>", title),
        html('<p class="quiet">{}</p>', subtitle),
        html('<div class="grid">{}</div>', joined([_answer(rows), _numbers(rows), _notes(rows)])),
    )
    return write_atomically(path / REPORT, page.encode("utf-8", "backslashreplace"))


def budget_answers(rows: Sequence[Row]) -> list[str]:
    """Whether radii by influence keep enough, and how they compare with each other way; as far as seeds say."""
    own = next((row for row in rows if row["radii"] == _INFLUENCE), None)
    if own is None:
        return ["No radii were chosen by influence."]
    value, low, high, n = own["kept"]
    words = f"{_share(own['kept'])} of the return with the largest radius, at {own['share']:.0%} of its bytes (n = {n})"
    if value is None:
        first = "What radii by influence keep is not known."
    elif n < ENOUGH or low is None or high is None:
        first = f"Radii by influence keep {words}; {ENOUGH} seeds at least would decide whether that is {KEPT:.0%}."
    elif low >= KEPT:
        first = f"Radii by influence keep at least {KEPT:.0%}: {words}."
    elif high < KEPT:
        first = f"Radii by influence keep less than {KEPT:.0%}: {words}."
    else:
        first = f"Seeds do not decide whether radii by influence keep {KEPT:.0%}: {words}."
    return [first, *_comparisons(rows)]


def _comparisons(rows: Sequence[Row]) -> list[str]:
    """Where the difference to influence, paired by seed, is on one side of 0, and where it is on both."""
    above: list[str] = []
    below: list[str] = []
    undecided: list[str] = []
    for row in rows:
        _, low, high, n = row["behind"]
        if row["radii"] == _INFLUENCE or low is None or high is None or n < ENOUGH:
            continue
        (above if low > 0.0 else below if high < 0.0 else undecided).append(str(row["radii"]))
    parts = [
        f"{words} {', '.join(names)}"
        for words, names in (("above those of", above), ("below those of", below), ("not told apart from those of", undecided))
        if names
    ]
    return [f"Paired by seed, their returns are {'; '.join(parts)}."] if parts else []


def _answer(rows: Sequence[Row]) -> Markup:
    lead = joined(html('<p class="lead"><b>{}</b></p>', sentence) for sentence in budget_answers(rows))
    caption = "Return per agent of the trained policies, mean over seeds with its 95 % interval; below each name its share of the bytes."
    return section("What is left of the return?", lead, draw(budget_chart(rows)), caption=caption, wide=True)


def budget_chart(rows: Sequence[Row]) -> Chart:
    """The return of each way to choose radii, with its share of the bytes."""
    value, low, high = (np.array([np.nan if row["value"][edge] is None else row["value"][edge] for row in rows]) for edge in range(3))
    places = np.arange(len(rows), dtype=np.float64)
    by_influence = np.array([row["radii"] == _INFLUENCE for row in rows])
    lines = []
    for mask, color in ((~by_influence, INK), (by_influence, MAIN)):
        own, below, above = (np.where(mask, edge, np.nan) for edge in (value, low, high))
        lines.append(ChartLine("", own, color, below, above, places, marked=True, joined=False))
    largest = next((row["value"][0] for row in rows if row["radii"] == _LARGEST), None)
    references = []
    if largest is not None:
        references.append(Reference("largest", largest, QUIET))
        references.append(Reference(f"{KEPT:.0%} of it", largest - (1.0 - KEPT) * abs(largest), GOOD))
    names = tuple(str(row["radii"]).replace(" radius", "\nradius") + f"\n{row['share']:.0%}" for row in rows)
    return Chart("return per agent", tuple(lines), references=tuple(references), categories=names, x_label="", height=360)


def _numbers(rows: Sequence[Row]) -> Markup:
    heads = ("radii", "bytes", "return per agent", "kept", "of what is learned", "influence less it", "policy, critic, gradient", "n")
    body = [
        (
            str(row["radii"]),
            f"{row['share']:.0%}",
            *(interval(row[name]) for name in ("value", "kept", "learned")),
            "" if row["radii"] == _INFLUENCE else interval(row["behind"]),
            ", ".join(short(each) for each in row["mean_radii"]),
            str(row["seeds"]),
        )
        for row in rows
    ]
    caption = (
        "Kept: of the return with the largest radius, paired by seed. Of what is learned: of what training with the largest radius gains "
        "over untrained policies. Influence less it: difference of returns, paired by seed. Radii are means over agents and seeds."
    )
    return section("In numbers", table(heads, body), caption=caption, wide=True)


def _notes(rows: Sequence[Row]) -> Markup:
    calibrated = max((row["calibration"] for row in rows), default=0.0)
    lines = [
        "Bytes are the payload that agents send each other in training, as a share of what they send with the largest radius.",
        f"They leave out the calibration, which trains up to {calibrated:g} iterations with the largest radius before radii are chosen.",
    ]
    return section("Notes", html("<ul>{}</ul>", joined(html("<li>{}</li>", line) for line in lines)))


def _share(values: Sequence[float | None]) -> str:
    value, low, high, _ = values
    edges = "" if low is None or high is None else f" [{low:.0%}, {high:.0%}]"
    return "an unknown share" if value is None else f"{value:.0%}{edges}"
