"""Tables and figures of settings: what every study shows, and what messages are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netagents.reports.markup import short, table, text
from netagents.reports.study_data import StudyData
from netagents.reports.style import MAIN, QUIET, calm, new_figure
from netagents.reports.summary import byte_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = (
    ("final", "after training"),
    ("at_equal_bytes", "at equal bytes"),
    ("iterations_to_target", "iterations to target"),
    ("crash_uniform", "one agent at random"),
    ("crash_uniform_worst", "worst agent at random"),
    ("gradient_sq", "squared gradient"),
    ("cpu_per_iteration", "CPU s / iteration"),
    ("sends_per_message", "sends per message"),
    ("transmitted_per_step", "bytes over bad links / step"),
)


def value_table(data: StudyData) -> str:
    """One row per setting, intervals in brackets."""
    summary = data.summary
    columns = [(name, told) for name, told in _COLUMNS if name in summary and np.isfinite(summary[name]).any()]
    with_utility = np.abs(np.nan_to_num(summary["utility"])).max() > 0
    if with_utility:
        columns.insert(1, ("utility", "utility"))
    rows = []
    for at in range(summary.rows):
        cells = [text(summary["setting"][at]), str(int(summary["runs"][at]))]
        for name, _ in columns:
            value, low, high = (float(summary[f"{name}{edge}"][at]) for edge in ("", "_low", "_high"))
            if not np.isfinite(value):
                cells.append("not reached" if name == "iterations_to_target" else "-")
            else:
                cells.append(f"{short(value)} [{short(low)}, {short(high)}]" if np.isfinite(low) else short(value))
        cells.append(f"{float(summary['messages_per_step'][at]):.1f}")
        cells += [byte_size(round(float(summary[name][at]))) for name in ("bytes_per_step", "framed_bytes_per_step", "hop_bytes_per_step")]
        cells.append(f"{float(summary['sockets_mean'][at]):.1f}")
        cells.append(f"{float(summary['visited_share'][at]):.0%}")
        rows.append(cells)
    heads = (
        "setting",
        "runs",
        *(told for _, told in columns),
        "messages / step",
        "payload / step",
        "framed / step",
        "x hops",
        "connections / agent",
        "table visited",
    )
    return table(heads, rows)


def dots(data: StudyData) -> Figure:
    """Every setting's final value with its interval, best first."""
    summary = data.summary
    order = np.argsort(summary["final"])
    figure = new_figure(8.4, max(2.2, 0.8 + 0.32 * summary.rows))
    axes = figure.subplots()
    value, low, high = (np.asarray(summary[name][order], dtype=np.float64) for name in ("final", "final_low", "final_high"))
    errors = np.nan_to_num(np.stack([value - low, high - value])).clip(0.0)
    axes.errorbar(value, range(len(value)), xerr=errors, fmt="o", color=MAIN, capsize=3, markersize=6)
    axes.set_yticks(range(len(value)), [str(label) for label in summary["setting"][order]])
    untrained = float(data.facts["untrained"])
    axes.axvline(untrained, color=QUIET, linestyle=(0, (4, 3)), linewidth=1.0)
    axes.annotate("untrained", (untrained, 1.0), xycoords=("data", "axes fraction"), fontsize=9, color=QUIET, ha="center")
    axes.set_xlabel(f"{data.measure} after training")
    calm(axes)
    return figure


def worth_table(data: StudyData) -> str:
    """Return lost and bytes saved by each muted kind and hop, and the one per the other."""
    rows = []
    for row in worth(data):
        change = f"{row['lost']:+.3g}" + ("" if row["certain"] else " (chance)")
        lost, saved = float(row["lost"]), float(row["saved"])
        per = "-" if saved == 0.0 or not row["certain"] else f"{lost / (saved / 1e3):.3g}"
        rows.append((text(row["muted"]), change, byte_size(round(saved)), per))
    return table(("muted", f"{data.measure} lost", "bytes saved per step", "lost per kB per step"), rows)


def worth(data: StudyData) -> list[dict[str, float | str | bool]]:
    """Per muted kind and hop: what is lost, what is saved per step, and whether the loss is beyond chance."""
    summary = data.summary
    whole = int(np.flatnonzero(summary["muted"] == "")[0])
    found: list[dict[str, float | str | bool]] = []
    for at in range(summary.rows):
        if at == whole:
            continue
        saved = float(summary["bytes_per_step"][whole] - summary["bytes_per_step"][at])
        apart = summary["final_high"][at] < summary["final_low"][whole] or summary["final_low"][at] > summary["final_high"][whole]
        lost = float(summary["final"][whole] - summary["final"][at])
        found.append({"muted": str(summary["muted"][at]), "lost": lost, "saved": saved, "certain": bool(apart)})
    return found
