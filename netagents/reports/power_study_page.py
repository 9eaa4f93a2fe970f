"""The page of a power study: does regularizing power make the team safer, and what does it cost?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.intervals import ENOUGH
from netagents.records.column_table import ColumnTable
from netagents.reports.chart import Chart, ChartLine, Reference, Span
from netagents.reports.chart_svg import draw
from netagents.reports.html import html, joined, section, short, table
from netagents.reports.study_data import StudyData
from netagents.reports.style import ACCENT, GOOD, INK, MAIN

FloatArray = NDArray[np.float64]
COLORS = (MAIN, ACCENT, GOOD, "var(--c3)")
NONE, INDEPENDENT = "none", "independent"
KEPT, LEFT = 0.9, 0.5
"""What a price should keep of the return and leave of the power."""
MIDDLES = "Points are interquartile means over seeds with 95 % intervals; n is the number of seeds."


def power_answer(data: StudyData) -> list[str]:
    """One sentence per method: the best price, what is left of power and of the return, and how sure that is; then what it cost."""
    summary = data.tables["power_summary"]
    verdicts = {each["setting"]: each["verdict"] for each in data.facts["verdicts"]}
    sentences = []
    for method in _methods(summary):
        if method == NONE:
            continue
        rows = [row for row in range(summary.rows) if summary["method"][row] == method]
        if method == INDEPENDENT:
            sentences.append(f"Independent learners, who hear nobody and pay nothing, {_shares(summary, rows[0])}.")
            continue
        safer = [row for row in rows if verdicts.get(str(summary["setting"][row])) == "safer"]
        reliable = [row for row in rows if summary["power_left_n"][row] >= ENOUGH]
        if safer:
            best = min(safer, key=lambda row: float(summary["power_left"][row]))
            sentences.append(f"{method} makes the team safer: {_numbers(summary, best)}.")
        elif not reliable:
            sentences.append(
                f"Too few runs say anything about {method} (at least {ENOUGH} with known power are needed): {_closest(summary, rows)}."
            )
        else:
            sentences.append(
                f"{method} has no price that keeps 90 % of the return and leaves at most half of the power, by both intervals: "
                f"{_closest(summary, rows)}."
            )
    cost = [row for row in range(summary.rows) if summary["method"][row] not in (NONE, INDEPENDENT)]
    if cost:
        ratios = np.array([float(summary["time_ratio"][row]) for row in cost])
        messages = np.array([float(summary["bytes_ratio"][row]) for row in cost])
        sentences.append(
            f"Training took {np.nanmedian(ratios):.2f} times the processor time per iteration, and agents sent each other "
            f"{'the same bytes' if np.allclose(messages, 1.0) else f'{np.nanmax(messages):.2f} times the bytes'}."
        )
    return sentences


def truncation_sentence(data: StudyData) -> str | None:
    """Whether less power came with a smaller truncation error at the same radius; None where there are no exact values."""
    summary = data.tables["power_summary"]
    if "td_truncation_error" not in summary:
        return None
    first = next((row for row in range(summary.rows) if summary["method"][row] == NONE), None)
    if first is None:
        return None
    others = [row for row in range(summary.rows) if row != first]
    parts = [f"{summary['setting'][row]} {_with_edges(summary, 'td_truncation_error', row)}" for row in others]
    start = _with_edges(summary, "td_truncation_error", first)
    what = "Root mean square error of a critic of the run's radius in the limit of many samples"
    return f"{what}: without a price {start}; {'; '.join(parts)}."


def power_page(data: StudyData) -> list[Markup]:
    """The sections of the page."""
    lead = joined(html('<p class="lead"><b>{}</b></p>', sentence) for sentence in power_answer(data))
    caption = (
        "Each point is a price, which stands beside it; up is more task return, left is less power. "
        f"{MIDDLES} Power: {data.facts['power_source']}."
    )
    parts = [section("Does this make the team safer, and what does it cost?", lead, draw(pareto(data)), caption=caption, wide=True)]
    parts.append(section("In numbers", numbers_table(data), wide=True))
    sentence = truncation_sentence(data)
    if sentence is not None:
        chart = draw(truncation(data))
        parts.append(section("Does a smaller radius do?", html("<p>{}</p>", sentence), chart, wide=True))
    return [html('<div class="grid">{}</div>', joined(parts))]


def pareto(data: StudyData) -> Chart:
    """Task return against power, a line of prices per method; shaded is at most half of the power, dashed 90 % of the return."""
    chart, summary = _against(data, "return", "task return per agent"), data.tables["power_summary"]
    first = next((row for row in range(summary.rows) if summary["method"][row] == NONE), None)
    if first is None:
        return chart
    value, power, untrained = float(summary["return"][first]), float(summary["power"][first]), float(data.facts["untrained"])
    # Where returns are not positive, 90 % of what was learned beyond untrained policies, as return_kept has it.
    level = KEPT * value if value > 0.0 else untrained + KEPT * (value - untrained)
    spans = (Span("at most half of the power", -np.inf, LEFT * power, at_top=True),) if power > 0.0 else ()
    return replace(chart, spans=spans, references=(Reference("90 % of the return", level, "var(--quiet)"),))


def truncation(data: StudyData) -> Chart:
    """Truncation error at the run's radius against power."""
    return _against(data, "td_truncation_error", "truncation error of the task critic")


def _against(data: StudyData, column: str, words: str) -> Chart:
    summary = data.tables["power_summary"]
    first = [row for row in range(summary.rows) if summary["method"][row] == NONE]
    lines = []
    for place, method in enumerate(each for each in _methods(summary) if each != NONE):
        rows = [row for row in range(summary.rows) if summary["method"][row] == method]
        if method == INDEPENDENT:
            lines.append(_points(summary, rows, column, COLORS[place % len(COLORS)], method, ()))
            continue
        notes = ("",) * len(first) + tuple(f"{summary['lambda'][row]:g}" for row in rows)
        rows = [*first, *rows]
        lines.append(_points(summary, rows, column, COLORS[place % len(COLORS)], method, notes))
    if first:
        lines.append(_points(summary, first, column, INK, NONE, ()))
    label = f"power of co-players over an agent per step ({data.facts['aggregate']}), in units of task reward"
    return Chart(words, tuple(lines), x_label=label, legend=True, with_value=False, height=400)


def _points(summary: ColumnTable, rows: list[int], column: str, color: str, label: str, notes: tuple[str, ...]) -> ChartLine:
    def values(name: str) -> FloatArray:
        return np.array([float(summary[name][row]) for row in rows])

    edges = [values(f"{name}_{edge}") for name in (column, "power") for edge in ("low", "high")]
    return ChartLine(label, values(column), color, edges[0], edges[1], values("power"), edges[2], edges[3], marked=True, notes=notes)


def numbers_table(data: StudyData) -> Markup:
    """A row per setting: return, power, shares, spread over seeds, deviations, costs over those without a price, and the verdict."""
    summary = data.tables["power_summary"]
    verdicts = {each["setting"]: each["verdict"] for each in data.facts["verdicts"]}
    columns = [
        ("return", "return"),
        ("return_kept", "return kept"),
        ("power", "power"),
        ("power_left", "power left"),
        ("power_from_below", "power, from below"),
        ("power_from_above", "power, from above"),
        ("value_with_deviations", "value, one deviates in 10 % of steps"),
        ("true_top_share", "share of the strongest"),
        ("td_truncation_error", "truncation error"),
        ("time_ratio", "time"),
        ("bytes_ratio", "bytes"),
        ("samples_ratio", "samples"),
    ]
    present_columns = [(name, words) for name, words in columns if name in summary]
    first, rows = [], []
    for row in range(summary.rows):
        setting = str(summary["setting"][row])
        cells = [_with_edges(summary, name, row) for name, _ in present_columns]
        spread = f"{short(float(summary['return_sd'][row]))} / {short(float(summary['power_sd'][row]))}"
        first.append((setting, str(int(summary["runs"][row])), *cells[:4], verdicts.get(setting, "-")))
        rows.append((setting, *cells[4:], spread))
    words = [each for _, each in present_columns]
    above = table(("setting", "n", *words[:4], "verdict"), first)
    below = table(("setting", *words[4:], "sd over seeds (return / power)"), rows)
    return html('<div class="tall">{}{}</div>', above, below)


def _methods(summary: ColumnTable) -> list[str]:
    return list(dict.fromkeys(str(method) for method in summary["method"]))


def _closest(summary: ColumnTable, rows: list[int]) -> str:
    """The price with the least power among those that keep 90 % of the return, else the one that keeps most."""
    good = [row for row in rows if float(summary["return_kept"][row]) >= 0.9 and np.isfinite(float(summary["power_left"][row]))]
    if good:
        return _numbers(summary, min(good, key=lambda row: float(summary["power_left"][row])))
    finite = [row for row in rows if np.isfinite(float(summary["return_kept"][row]))] or rows
    return _numbers(summary, max(finite, key=lambda row: float(summary["return_kept"][row])))


def _numbers(summary: ColumnTable, row: int) -> str:
    left, remaining = _share(summary, "power_left", row), _share(summary, "return_kept", row)
    return f"at lambda = {summary['lambda'][row]:g} it leaves {left} of the power and keeps {remaining} of the return"


def _shares(summary: ColumnTable, row: int) -> str:
    left, remaining = _share(summary, "power_left", row), _share(summary, "return_kept", row)
    return f"have {left} of the power and {remaining} of the return"


def _share(summary: ColumnTable, name: str, row: int) -> str:
    value, low, high = (float(summary[f"{name}{edge}"][row]) for edge in ("", "_low", "_high"))
    edges = f" [{100 * low:.0f}, {100 * high:.0f}]" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{100 * value:.0f} %{edges}" if np.isfinite(value) else "an unknown share"


def _with_edges(summary: ColumnTable, name: str, row: int) -> str:
    columns = (name, f"{name}_low", f"{name}_high")
    value, low, high = (float(summary[column][row]) if column in summary else float("nan") for column in columns)
    if not np.isfinite(value):
        return "-"
    return f"{short(value)} [{short(low)}, {short(high)}]" if np.isfinite(low) and np.isfinite(high) else short(value)
