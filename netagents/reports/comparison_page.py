"""A comparison as an HTML page or as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netagents.errors import UsageError
from netagents.records import Run, write_atomically
from netagents.reports.chart import COLORS, Chart, ChartLine, Reference
from netagents.reports.chart_svg import draw
from netagents.reports.comparison import HEADS, Comparison, compare_runs, comparison_rows, notes, verdict
from netagents.reports.html import document, html, joined, section, short, table
from netagents.reports.image_files import chart_image
from netagents.reports.learning_curve import progress


def compare(*runs: Run | str | Path, out: str | Path | None = None) -> Comparison:
    """Runs side by side, as ``netagents compare``: returns with intervals, power, bytes, and the settings in which they differ.

    Args:
        runs: at least two, or their directories; those that differ by their seed alone are one group.
        out: also write a page (``.html``) or a picture (``.png``).

    Returns:
        One group per experiment, with its runs and intervals, and the settings that differ.

    Raises:
        UsageError: fewer than two runs, one run twice, or another ending of the file.
        RunDirectoryError: a run is none, or has not recorded an iteration yet.
    """
    path = None if out is None else Path(out)
    if path is not None and path.suffix not in (".html", ".png"):
        raise UsageError(f"cannot write '{path.name}'", fix="end the file's name with .html or .png")
    comparison = compare_runs([run if isinstance(run, Run) else Run.open(run) for run in runs])
    if path is not None:
        write_comparison(comparison, path)
    return comparison


def write_comparison(comparison: Comparison, path: Path, sentence: str | None = None) -> Path:
    """Write the page (``.html``) or the picture (``.png``).

    Args:
        comparison: what to show.
        path: of the file.
        sentence: a sentence to begin with; by default the page names the highest return, and the picture says what it shows.

    Raises:
        UsageError: another ending.
        RunDirectoryError: the file cannot be written.
    """
    if path.suffix == ".html":
        return write_atomically(path, comparison_page(comparison, sentence).encode("utf-8", "backslashreplace"))
    if path.suffix == ".png":
        return write_atomically(path, comparison_picture(comparison, sentence))
    raise UsageError(f"cannot write '{path.name}'", fix="end the file's name with .html or .png")


def comparison_page(comparison: Comparison, sentence: str | None = None) -> str:
    """One page that needs nothing besides itself: curves with intervals, the table, and what differs in the settings."""
    groups = comparison.groups
    chart = comparison_chart(comparison)
    count = sum(len(group.runs) for group in groups)
    heading = f"{count} runs, {len(groups)} group{'s' if len(groups) > 1 else ''}"
    head = html("<h1>{}</h1>", heading)
    remarks = joined(html('<p class="say">{}</p>', note) for note in notes(comparison))
    rows = comparison_rows(comparison)
    if comparison.differences:
        settings = table(
            ("setting", *(group.label for group in groups)),
            [(key, *(html("<b>{}</b>", value) for value in values)) for key, values in comparison.differences],
            "settings",
        )
        caption = "Everything else is the same in all groups; runs of one group differ by their seed alone."
    else:
        settings, caption = html(""), "Nothing but the seed: all runs are of one group."
    names = [
        (group.label, run.path.name, str(run.manifest["seed"]), run.state, str(len(run.iterations)))
        for group in groups
        for run in group.runs
    ]
    members = table(("group", "run", "seed", "state", "iterations"), names)
    body = [
        section("Who learned more, and how fast?", draw(chart), wide=True),
        section("In numbers", table(HEADS, rows), remarks, wide=True),
        section("What differs in the settings", settings, caption=caption, wide=True),
        section("The runs", members, wide=True),
    ]
    lead = html('<p class="lead">{}</p>', sentence or verdict(comparison))
    return document("comparison of runs", head, lead, html('<div class="grid">{}</div>', joined(body)))


def comparison_chart(comparison: Comparison, *, with_intervals: bool = False) -> Chart:
    """The curves with their intervals.

    Args:
        comparison: to draw.
        with_intervals: the names of the lines say the final values with their intervals.
    """
    lines = tuple(
        ChartLine(
            f"{group.label}: {group.final.text(number=short)}" if with_intervals else group.label,
            group.middle,
            COLORS[at % len(COLORS)],
            group.low,
            group.high,
            np.asarray(group.iterations, dtype=np.float64),
        )
        for at, group in enumerate(comparison.groups)
    )
    return Chart("return per agent", lines, references=tuple(_references(comparison)), with_value=not with_intervals, legend=with_intervals)


def _references(comparison: Comparison) -> list[Reference]:
    """Untrained and best known returns, where all runs share them."""
    known = {(reached.untrained, reached.best) for group in comparison.groups for reached in [progress(run) for run in group.runs]}
    if len(known) != 1:
        return []
    ((untrained, best),) = known
    named = (("untrained", untrained, "var(--quiet)"), ("best known", best, "var(--good)"))
    return [Reference(name, value, color) for name, value, color in named if value is not None]


def comparison_picture(comparison: Comparison, sentence: str | None = None) -> bytes:
    """The curves with their intervals as PNG."""
    count = sum(len(group.runs) for group in comparison.groups)
    below = f"{count} runs; bands: 95 % intervals over seeds"
    return chart_image(sentence or verdict(comparison), below, [comparison_chart(comparison, with_intervals=True)])
