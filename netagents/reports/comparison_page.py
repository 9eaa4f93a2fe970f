"""A comparison as an HTML page or as a picture."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

import numpy as np
from markupsafe import Markup

from netagents.errors import UsageError
from netagents.records import Run, write_atomically
from netagents.reports.chart import ChartLine, Reference, line_chart
from netagents.reports.comparison import HEADS, Comparison, compare_runs, comparison_rows, notes, verdict
from netagents.reports.html import document, html, joined, section, table
from netagents.reports.learning_curve import progress
from netagents.reports.style import FAINT, GOOD, INK, QUIET, calm, new_figure, png

COLORS = ("#1f5fa8", "#c2500b", "#2f7d4f", "#7b4bb3", "#a8842c", "#2a8fa0", "#b03a72", "#6b7280")


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
        say = "Everything else is the same in all groups; runs of one group differ by their seed alone."
    else:
        settings, say = html(""), "Nothing but the seed: all runs are of one group."
    names = [
        (group.label, run.path.name, str(run.manifest["seed"]), run.state, str(len(run.iterations)))
        for group in groups
        for run in group.runs
    ]
    members = table(("group", "run", "seed", "state", "iterations"), names)
    body = [
        section("Who learned more, and how fast?", chart),
        section("What differs in the settings", settings, say=say),
        section("In numbers", table(HEADS, rows), remarks, wide=True),
        section("The runs", members, wide=True),
    ]
    lead = html('<p class="lead">{}</p>', sentence or verdict(comparison))
    return document("comparison of runs", head, lead, html('<div class="grid">{}</div>', joined(body)))


def comparison_chart(comparison: Comparison) -> Markup:
    """The curves with their intervals, as a chart of a page."""
    groups = comparison.groups
    lines = [
        ChartLine(group.label, group.middle, f"var(--c{at % len(COLORS)})", group.low, group.high)
        for at, group in enumerate(groups)
        # Lines of a chart share its iterations.
        if len(group.iterations) == len(groups[0].iterations)
    ]
    shortest = min(len(group.iterations) for group in groups)
    if len(lines) < len(groups):
        lines = [
            ChartLine(group.label, group.middle[:shortest], f"var(--c{at % len(COLORS)})", group.low[:shortest], group.high[:shortest])
            for at, group in enumerate(groups)
        ]
    iterations = groups[0].iterations[: len(lines[0].y)]
    return line_chart(iterations, lines, _references(comparison), y_label="return per agent")


def _references(comparison: Comparison) -> list[Reference]:
    """Untrained and best known returns, where all runs share them."""
    known = {(reached.untrained, reached.best) for group in comparison.groups for reached in [progress(run) for run in group.runs]}
    if len(known) != 1:
        return []
    ((untrained, best),) = known
    named = (("untrained", untrained, "var(--quiet)"), ("best known", best, "var(--good)"))
    return [Reference(name, value, color) for name, value, color in named if value is not None]


def comparison_picture(comparison: Comparison, sentence: str | None = None) -> bytes:
    """The curves with their intervals as PNG, each labelled at its end."""
    figure = new_figure(9.0, 4.8)
    axes = figure.subplots()
    calm(axes)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    for at, group in enumerate(comparison.groups):
        color = COLORS[at % len(COLORS)]
        axes.fill_between(group.iterations, group.low, group.high, color=color, alpha=0.2, linewidth=0)
        label = f"{group.label}: {group.final.text()}"
        axes.plot(group.iterations, group.middle, color=color, linewidth=1.8, label=label, marker="o" if len(group.middle) == 1 else None)
    for reference in _references(comparison):
        color = GOOD if reference.name == "best known" else QUIET
        axes.axhline(reference.value, color=color, linewidth=1.1, linestyle=(0, (4, 3)), label=f"{reference.name}: {reference.value:.2f}")
    axes.set_xlabel("iteration, from 0")
    axes.locator_params(axis="x", integer=True)
    axes.set_ylabel("return per agent")
    ordered = sorted(zip(*axes.get_legend_handles_labels(), strict=True), key=lambda pair: -_height(pair[0]))
    handles, labels = zip(*ordered, strict=True)
    axes.legend(handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, labelcolor="linecolor")
    if sentence:
        axes.set_title("\n".join(wrap(sentence, 100)), loc="left", color=INK, fontsize=10.5)
    else:
        axes.set_title("Return per agent, with 95 % intervals", loc="left", color=INK, fontsize=12, fontweight="bold")
    return png(figure)


def _height(line: object) -> float:
    """Where a line ends, so that labels stand in the order of the lines."""
    values = np.asarray(line.get_ydata(), dtype=np.float64)  # type: ignore[attr-defined]
    return float(values[-1])
