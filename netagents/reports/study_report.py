"""The report of a study: one self-contained HTML page that first answers the question, then shows everything it rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from netagents.errors import RunDirectoryError, printable
from netagents.intervals import ENOUGH
from netagents.records.atomic_files import write_atomically
from netagents.reports import study_figures as figures
from netagents.reports.chart import Chart
from netagents.reports.chart_svg import draw
from netagents.reports.html import document, html, joined, lead_paragraphs, section, short, table
from netagents.reports.image_files import chart_image
from netagents.reports.power_study_page import pareto, power_page, truncation
from netagents.reports.seeds_table import seed_heads, seed_rows
from netagents.reports.study_data import StudyData, load_study
from netagents.reports.study_headline import headline
from netagents.reports.study_sentences import study_sentences
from netagents.reports.study_settings import dots, message_value_table, traffic_table, value_table
from netagents.reports.style import ACCENT, GOOD, INK, MAIN, QUIET
from netagents.reports.summary import byte_size

REPORT, TABLES = "report.html", "tables"
MIDDLES = "Points are interquartile means over seeds with 95 % intervals; n is the number of seeds."


def write_study_report(path: Path) -> Path:
    """Write ``report.html`` of a study from its tables.

    Raises:
        RunDirectoryError: it has no tables, or the page cannot be written.
    """
    data = load_study(path)
    try:
        page = _page(data)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        # Whoever wrote the tables wrote all that a page needs, so what is missing or of another type was changed afterwards.
        what = f"its tables do not fit together ({type(error).__name__}: {printable(str(error))[:200]})"
        raise RunDirectoryError(what, where=str(path / TABLES), fix="the same study command writes them again") from error
    return write_atomically(path / REPORT, page.encode("utf-8", "backslashreplace"))


def _page(data: StudyData) -> str:
    pages = {"radius": _radius_page, "power": power_page}
    body = pages.get(data.study["question"], _settings_page)(data)
    title = f"{data.study['question']} study of {data.study['name']}"
    return document(title, html("<h1>{}</h1>", title), html('<p class="quiet">{}</p>', _subtitle(data)), *body, _notes(data))


def _subtitle(data: StudyData) -> str:
    runs, seeds = data.facts["finished"], len(data.study["seeds"])
    environment, topology = data.study["experiment"]["environment"]["kind"], data.study["experiment"]["topology"]["kind"]
    seconds = float(np.nansum(data.tables["runs"]["cpu_seconds"]))
    settings = len(data.study["settings"])
    counted = f"{settings} setting{'s' if settings > 1 else ''} x {seeds} seed{'s' if seeds > 1 else ''}"
    return f"{environment} on {topology}, {counted}, {runs} runs finished, {seconds / 60:.1f} CPU minutes"


def _radius_page(data: StudyData) -> list[Markup]:
    first = data.credits[0]
    lead = _lead(data)
    method = (
        f"{MIDDLES} The circle marks the knee: the smallest radius that no larger one beats by more than 2 % of what was learned. There is "
        f"none with fewer than {ENOUGH} seeds, nor where a larger radius has a higher value and intervals overlap."
    )
    parts = [section("Which kappa should I use?", lead, *(draw(chart) for chart in headline(data)), caption=method, wide=True)]
    parts.append(section("In numbers", value_table(data), traffic_table(data), wide=True))
    grid = []
    for credit in data.credits:
        named = f" ({credit})" if len(data.credits) > 1 else ""
        grid.append(_card(f"Learning, equal samples{named}", figures.learning_curves(data, credit), "Bands span all seeds."))
        remark = f"Whoever sends more has done fewer iterations by then. The table's 'at equal bytes' reads each curve at {_budget(data)}."
        grid.append(_card(f"Learning, equal bytes{named}", figures.learning_curves(data, credit, "bytes"), remark))
    each: list[tuple[str, Callable[[], Chart], str]] = [
        (
            "Iterations to the target",
            lambda: figures.by_radius(data, [("iterations_to_target", "iterations", MAIN)], "iterations"),
            f"Until the mean of three iterations reaches {short(data.facts['target'])}, which is 90 % of the way from untrained to the "
            "best setting. No point: no run reached it.",
        ),
        ("Gradient norm", lambda: figures.gradient_curves(data, first), "A stationary point has none; what stays is noise and truncation."),
        (
            "When one agent fails",
            lambda: figures.by_radius(data, _crash_columns(data), data.measure),
            "Trained policies, frozen; one agent acts at random or always plays action 0. Means over agents, and the worst.",
        ),
        (
            "Bytes per step between agents",
            lambda: figures.by_radius(
                data,
                [
                    ("bytes_per_step", "payload", MAIN),
                    ("framed_bytes_per_step", "framed", ACCENT),
                    ("hop_bytes_per_step", "payload x hops", INK),
                    ("tree_bytes_per_step", "along trees", GOOD),
                ],
                "bytes per step",
            ),
            "Framed: with headers. Times hops: what a radio network would carry, where each link is crossed one by one. Along trees: each "
            "message once per edge of its shortest-path tree, as relay routing does.",
        ),
        (
            "Messages per step between agents",
            lambda: figures.by_radius(
                data, [("messages_per_step", "messages", MAIN), ("hop_messages_per_step", "x hops", INK)], "messages per step"
            ),
            "Kinds that travel once per iteration count as their share of a step.",
        ),
        (
            "Critic tables",
            lambda: figures.by_radius(
                data, [("entries", "visited", MAIN), ("entries_possible", "possible", QUIET)], "entries, all agents", logarithmic=True
            ),
            "Where possible entries run far ahead of visited ones, each is learned from few samples.",
        ),
        (
            "Power that can be told",
            lambda: figures.by_radius(data, [("power_known_pairs", "pairs", MAIN)], "pairs of agents"),
            "Pairs whose power over each other the critics can tell: a radius too small is blind to the rest.",
        ),
        ("Mean power", lambda: figures.by_radius(data, [("power_mean", "power", MAIN)], "mean power of known pairs"), ""),
        (
            "CPU time per iteration",
            lambda: figures.by_radius(data, [("cpu_per_iteration", "seconds", MAIN)], "CPU seconds, all agents"),
            "Of the in-process launcher: computing alone, no processes to wake. Measured while other runs shared the machine.",
        ),
    ]
    grid += [_card(title, chart(), caption) for title, chart, caption in each]
    for name, title, drawn, caption in (
        (
            "exact_truncation",
            "Exact truncation error",
            figures.exact_errors,
            "Largest change of Q by what is outside the radius.",
        ),
        (
            "exact_gradient",
            "Exact gradient error",
            figures.gradient_errors,
            "The truncated gradient, with perfect critics.",
        ),
        ("exact_split", "Samples or radius?", figures.error_split, "A critic fitted to one batch, against its own limit and the exact Q."),
        ("timing", "Where the time goes", figures.time_shares, "One process per agent; wait includes waiting for the other agents' turn."),
    ):
        if name in data.tables:
            note = f" {data.facts.get('oracle', '')}." if name.startswith("exact") else ""
            grid.append(_card(title, drawn(data), caption + note))
    if "timing" in data.tables:
        grid += [
            _card(f"Where the time goes ({other})", figures.time_shares(data, other), _hop_delay(data, other)) for other in data.credits[1:]
        ]
    parts.extend(grid)
    parts.append(section("What travels, by kind and hop", _traffic(data), caption="Per iteration, of every radius.", wide=True))
    return [html('<div class="grid">{}</div>', joined(parts))]


def _settings_page(data: StudyData) -> list[Markup]:
    parts = []
    lead = _lead(data)
    if data.study["question"] == "seeds":
        parts.append(
            section("Where does it end, and how far do seeds differ?", lead, draw(figures.seed_curves(data)), caption=MIDDLES, wide=True)
        )
        parts.append(section("Every seed", table(seed_heads(data), seed_rows(data)), wide=True))
    elif data.study["question"] == "mute":
        caption = f"What is lost when one kind of message is cut at one hop distance, and how many bytes that saves. {MIDDLES}"
        parts.append(section("What is each message worth?", lead, message_value_table(data), draw(dots(data)), caption=caption, wide=True))
    else:
        parts.append(section("Which setting is best?", lead, draw(dots(data)), caption=MIDDLES, wide=True))
    parts.append(section("In numbers", value_table(data), traffic_table(data), wide=True))
    return [html('<div class="grid">{}</div>', joined(parts))]


def _lead(data: StudyData) -> Markup:
    """The sentences that answer the question."""
    return lead_paragraphs(study_sentences(data))


def _crash_columns(data: StudyData) -> list[tuple[str, str, str]]:
    if "crash_uniform" not in data.summary:
        return [("final", "whole", MAIN)]
    return [
        ("frozen", "whole", MAIN),
        ("crash_uniform", "one at random", ACCENT),
        ("crash_noop", "one plays 0", GOOD),
        ("crash_uniform_worst", "worst agent", INK),
    ]


def _hop_delay(data: StudyData, variant: str) -> str:
    """What a hop took, per radius that hands anything on."""
    timing = data.tables["timing"]
    rows = np.flatnonzero((timing["variant" if "variant" in timing else "credit"] == variant) & np.isfinite(timing["hop_ms"]))
    hops = [f"kappa {int(timing['kappa'][at])}: {timing['hop_ms'][at]:.3g} ms" for at in rows if timing["hop_ms"][at] > 0.0]
    return f"From a forwarder's sending to the next agent's taking: {', '.join(hops)}." if hops else "The same, for this one."


def _budget(data: StudyData) -> str:
    return byte_size(int(data.facts["byte_budget"]))


def _traffic(data: StudyData) -> Markup:
    traffic = data.tables["traffic"]
    rows = []
    for at in range(traffic.rows):
        hop = int(traffic["distance"][at])
        rows.append(
            (
                str(traffic["setting"][at]),
                str(traffic["message"][at]),
                str(hop) if hop else "server",
                f"{int(traffic['messages'][at]):,}",
                byte_size(int(traffic["bytes"][at])),
                byte_size(int(traffic["framed_bytes"][at])),
                byte_size(int(traffic["hop_bytes"][at])) if hop else "-",
            )
        )
    heads = ("setting", "message", "hop", "messages", "payload", "framed", "payload x hops")
    return html('<details><summary>all {} rows</summary><div class="tall">{}</div></details>', len(rows), table(heads, rows))


def _notes(data: StudyData) -> Markup:
    lines = [*data.study["notes"]]
    if "oracle" in data.facts:
        lines.append(str(data.facts["oracle"]))
    lines.append("curves come from one process for all agents, whose bits are those of one process per agent; times are measured apart")
    items = joined(html("<li>{}</li>", line) for line in lines)
    settings = json.dumps(data.study["experiment"], indent=1)
    body = html("<ul>{}</ul><details><summary>the experiment</summary><pre>{}</pre></details>", items, settings)
    return section("Notes", body, wide=True)


def _card(title: str, chart: Chart, caption: str) -> Markup:
    return section(title, draw(chart), caption=caption)


def write_study_figures(path: Path, out: Path, prefix: str, names: Sequence[str] = ("headline",)) -> list[Path]:
    """Save figures of a study as small PNG files for a page of documentation.

    Args:
        path: of the study.
        out: folder.
        prefix: of the file names.
        names: of ``headline``, ``curves``, ``bytes``, ``exact``, ``gradient``, ``split``, ``crash``, ``settings``; of a
            power study ``pareto``, ``truncation``.
    """
    data = load_study(path)
    first = data.credits[0]
    drawn: dict[str, tuple[str, Callable[[], list[Chart]]]] = {
        "headline": ("What each hop buys, and what it costs", lambda: headline(data)),
        "curves": ("Learning", lambda: [figures.learning_curves(data, first)]),
        "bytes": ("Learning, by bytes sent", lambda: [figures.learning_curves(data, first, "bytes")]),
        "exact": ("Exact truncation error", lambda: [figures.exact_errors(data)]),
        "gradient": ("Exact gradient error", lambda: [figures.gradient_errors(data)]),
        "split": ("Samples or radius?", lambda: [figures.error_split(data)]),
        "crash": ("When one agent fails", lambda: [figures.by_radius(data, _crash_columns(data), data.measure)]),
        "settings": ("Settings", lambda: [dots(data)]),
        "pareto": ("Return against power", lambda: [pareto(data)]),
        "truncation": ("Truncation error against power", lambda: [truncation(data)]),
    }
    written = []
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        title, charts = drawn[name]
        written.append(out / f"{prefix}-{name}.png")
        written[-1].write_bytes(chart_image(title, f"{data.study['name']}: {_subtitle(data)}", charts()))
    return written
