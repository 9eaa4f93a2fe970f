"""Tables and figures of settings: what every study shows, and what messages are worth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

import numpy as np

from netagents.intervals import Interval, Order, leader_sentence, order
from netagents.reports.chart import Chart, ChartLine, Reference
from netagents.reports.html import short, table, text
from netagents.reports.study_data import StudyData
from netagents.reports.style import MAIN, QUIET
from netagents.reports.summary import byte_size

_COLUMNS = (
    ("final", "after training"),
    ("at_equal_bytes", "at equal bytes"),
    ("iterations_to_target", "iterations to target"),
    ("crash_uniform", "one agent at random"),
    ("crash_uniform_worst", "worst agent at random"),
    ("gradient_sq", "squared gradient"),
    ("cpu_per_iteration", "CPU s / iteration"),
)
_TRAFFIC = (("sends_per_message", "sends per message"), ("transmitted_per_step", "bytes over bad links / step"))


def value_table(data: StudyData) -> str:
    """What every setting reaches: one row per setting, intervals in brackets."""
    summary = data.summary
    columns = _known(data, _COLUMNS)
    with_utility = np.abs(np.nan_to_num(summary["utility"])).max() > 0
    if with_utility:
        columns.insert(1, ("utility", "utility"))
    rows = []
    for at in range(summary.rows):
        cells = [text(summary["setting"][at]), str(int(summary["runs"][at]))]
        for name, _ in columns:
            interval = data.interval(name, at)
            if not np.isfinite(interval.value):
                cells.append("not reached" if name == "iterations_to_target" else "-")
            else:
                # n stands in the column of runs, unless some of them have no such value.
                cells.append(interval.text(number=short, count=interval.n != int(summary["runs"][at])))
        rows.append(cells)
    return table(("setting", "runs", *(header for _, header in columns)), rows)


def traffic_table(data: StudyData) -> str:
    """What every setting sends and holds: one row per setting."""
    summary = data.summary
    columns = _known(data, _TRAFFIC)
    rows = []
    for at in range(summary.rows):
        cells = [text(summary["setting"][at]), short(float(summary["messages_per_step"][at]))]
        cells += [byte_size(round(float(summary[name][at]))) for name in ("bytes_per_step", "framed_bytes_per_step", "hop_bytes_per_step")]
        cells += [data.interval(name, at).text(number=short, count=False) for name, _ in columns]
        cells += [f"{float(summary['sockets_mean'][at]):.1f}", f"{float(summary['visited_share'][at]):.0%}"]
        rows.append(cells)
    heads = ("messages / step", "payload / step", "framed / step", "x hops", *(header for _, header in columns))
    return table(("setting", *heads, "connections / agent", "table visited"), rows)


def _known(data: StudyData, columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those columns that hold a number."""
    return [(name, header) for name, header in columns if name in data.summary and np.isfinite(data.summary[name]).any()]


def dots(data: StudyData) -> Chart:
    """Every setting's final value with its interval, the highest at the right."""
    summary = data.summary
    ranked = np.argsort(summary["final"])
    value, low, high = (np.asarray(summary[name][ranked], dtype=np.float64) for name in ("final", "final_low", "final_high"))
    varied = [key for key in data.study.get("varied", ()) if key in summary]
    labels = [str(label) for label in summary["setting"][ranked]]
    if data.study.get("question") == "sweep" and varied:
        # The values alone, each on a line; the axis says of what.
        labels = [" ".join(_value(summary[key][row]) for key in varied) for row in ranked]
    names = tuple(_folded(label, max(4, _ACROSS // len(ranked))) for label in labels)
    places = np.arange(len(value), dtype=np.float64)
    line = ChartLine("", value, MAIN, low, high, places, marked=True, joined=False)
    untrained = Reference("untrained", float(data.facts["untrained"]), QUIET)
    return Chart(
        f"{data.measure}\nafter training",
        (line,),
        references=(untrained,),
        categories=names,
        x_label=", ".join(key.rpartition(".")[2] for key in varied) if data.study.get("question") == "sweep" else "",
        height=300 + 17 * max(name.count("\n") for name in names),
    )


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace(" ", "")


_ACROSS = 52
"""Letters that stand beside one another below the chart."""


def _folded(label: str, most: int) -> str:
    """A setting's name on lines of so many letters, broken at spaces, else behind underscores."""
    pieces = [piece for part in label.split(" ") for piece in re.findall(r"[^_]*_?", part) if piece]
    lines: list[str] = []
    for piece in (each for one in pieces for each in wrap(one, most)):
        if lines and lines[-1].endswith("_") and len(lines[-1]) + len(piece) <= most:
            lines[-1] += piece
        else:
            lines.append(piece)
    return "\n".join(lines)


def best_setting(data: StudyData) -> str:
    """Which setting ends highest, or why the seeds do not say."""
    summary = data.summary
    finals = [data.interval("final", row) for row in range(summary.rows)]
    return leader_sentence([str(label) for label in summary["setting"]], finals, f"{data.measure} after training", short)


def message_value_table(data: StudyData) -> str:
    """Return lost and bytes saved by each muted kind and hop, and the one per the other."""
    rows = []
    notes = {"too few": " (too few seeds)", "not told apart": " (chance)"}
    for row in message_values(data):
        per = f"{row.lost / (row.saved / 1e3):.3g}" if row.saved != 0.0 and row.order in ("higher", "lower") else "-"
        change = f"{row.lost:+.3g}{notes.get(row.order, '')}"
        rows.append((text(row.muted), text(row.final.text(number=short)), text(change), byte_size(round(row.saved)), per))
    heads = (
        "muted",
        f"{data.measure}",
        f"lost of {all_messages_baseline(data).text(number=short)}",
        "bytes saved per step",
        "lost per kB per step",
    )
    return table(heads, rows)


class MessageValue(NamedTuple):
    """What one muted kind of message costs.

    Attributes:
        muted: the kind and its hop.
        final: what is reached without it.
        lost: of the value with every message.
        saved: bytes per step.
        order: the value with every message against that without this one.
    """

    muted: str
    final: Interval
    lost: float
    saved: float
    order: Order


def all_messages_baseline(data: StudyData) -> Interval:
    """The final value with every message."""
    return data.interval("final", _whole(data))


def message_values(data: StudyData) -> list[MessageValue]:
    """Per muted kind and hop: what is lost, what is saved per step, and whether the loss is beyond chance."""
    summary, whole = data.summary, _whole(data)
    baseline = data.interval("final", whole)
    values = []
    for at in range(summary.rows):
        if at != whole:
            final = data.interval("final", at)
            saved = float(summary["bytes_per_step"][whole] - summary["bytes_per_step"][at])
            values.append(MessageValue(str(summary["muted"][at]), final, baseline.value - final.value, saved, order(baseline, final)))
    return values


def _whole(data: StudyData) -> int:
    return int(np.flatnonzero(data.summary["muted"] == "")[0])
