"""The figures of a radius study below the first one: learning, equal budgets, robustness, cost, what is exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import interquartile_mean
from netagents.reports.chart import apart
from netagents.reports.study_data import StudyData
from netagents.reports.study_headline import COLORS, color_of
from netagents.reports.style import ACCENT, GOOD, INK, MAIN, QUIET, calm, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
WIDTH, HEIGHT = 6.2, 3.5
BASELINE = "#8a919c"
"""Colour of independent learners; those that hear everyone are dark."""


def ramp(kappas: Sequence[int]) -> dict[int, str]:
    """A colour per radius: grey for none, dark for everyone, blue to orange between."""
    between = ["#5aa9e6", "#1f5fa8", "#2f7d4f", "#a8842c", "#c2500b", "#b03a72"]
    colors = {kappa: between[place % len(between)] for place, kappa in enumerate(kappas[1:-1])}
    return {kappas[0]: BASELINE, **colors, kappas[-1]: INK} if len(kappas) > 1 else {kappas[0]: MAIN}


def learning_curves(data: StudyData, credit: str, against: str = "iteration") -> Figure:
    """The measure while learning, interquartile mean and range of the seeds, over iterations or over bytes between agents."""
    figure, axes = _axes()
    kappas = [kappa for kappa in data.kappas if kappa in data.by_kappa("final", credit)[0]]
    colors = ramp(kappas)
    ends = []
    for kappa in kappas:
        setting = data.setting(kappa, credit)
        x, values = data.curves(setting, "value")
        middle = interquartile_mean(values.T)
        if against == "bytes":
            x = data.curves(setting, "neighbour_bytes")[1][0] / 1e6
            if x[-1] == 0.0:
                axes.axhline(middle[-1], color=colors[kappa], linewidth=1.4, linestyle=(0, (4, 3)))
                ends.append((middle[-1], f"{kappa} (no bytes)", colors[kappa]))
                continue
        style = "--" if kappa in (kappas[0], kappas[-1]) else "-"
        axes.plot(x, middle, style, color=colors[kappa], linewidth=1.6)
        axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colors[kappa], alpha=0.12, linewidth=0)
        ends.append((middle[-1], str(kappa), colors[kappa]))
    if against == "bytes":
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    _label_ends(axes, ends, "kappa")
    axes.set_xlabel("iteration, from 0" if against == "iteration" else "megabytes sent between agents so far")
    axes.set_ylabel(data.measure)
    return figure


def gradient_curves(data: StudyData, credit: str) -> Figure:
    """Squared norm of the estimated gradient while learning."""
    figure, axes = _axes()
    kappas = data.by_kappa("final", credit)[0]
    colors = ramp(kappas)
    ends = []
    for kappa in kappas:
        x, values = data.curves(data.setting(kappa, credit), "gradient_sq")
        middle = _moving(interquartile_mean(values.T), 5)
        axes.plot(x, middle, "--" if kappa in (kappas[0], kappas[-1]) else "-", color=colors[kappa], linewidth=1.5)
        ends.append((middle[-1], str(kappa), colors[kappa]))
    axes.set_yscale("log")
    _label_ends(axes, ends, "kappa")
    axes.set_xlabel("iteration, from 0")
    axes.set_ylabel("squared norm of the sampled gradient")
    return figure


def by_radius(
    data: StudyData, columns: Sequence[tuple[str, str, str]], label: str, *, logarithmic: bool = False, credit: str | None = None
) -> Figure:
    """Summary columns over the radius.

    Args:
        columns: name of the column, what it is called, colour.
        credit: of it alone; by default each credit is a line when there is one column, and the first one otherwise.
    """
    figure, axes = _axes()
    kappas = data.kappas
    chosen = data.credits if credit is None and len(columns) == 1 else [credit or data.credits[0]]
    ends = []
    for name, told, color in columns:
        for each in chosen:
            mine, value, low, high = data.by_kappa(name, each)
            shade = color_of(data, each) if len(chosen) > 1 else color
            _points(axes, [kappas.index(kappa) for kappa in mine], value, low, high, shade)
            finite = np.flatnonzero(np.isfinite(value))
            if finite.size:
                ends.append((float(value[finite[-1]]), each if len(chosen) > 1 else told, shade))
    _finish(axes, kappas, label, ends, logarithmic)
    return figure


def exact_errors(data: StudyData) -> Figure:
    """Truncation error of the task Q at the two policies, beside what bounds it."""
    figure, axes = _axes()
    table = data.tables["exact_truncation"]
    kappas = sorted({int(kappa) for kappa in table["kappa"]})
    ends = []
    shown = (
        ("untrained", "supremum", "largest, untrained", MAIN),
        ("trained", "supremum", "largest, trained", ACCENT),
        ("trained", "fixed_point", "TD's, trained", "#a8842c"),
        ("untrained", "refined_certificate", "bound, untrained", QUIET),
    )
    for policies, column, told, color in shown:
        mine = table["policies"] == policies
        value = np.asarray(table[column][mine], dtype=np.float64)
        value = np.where(np.isfinite(value) & (value > 1e-9), value, np.nan)
        if np.isfinite(value).any():
            axes.plot(range(len(value)), value, "o-" if column != "refined_certificate" else "o:", color=color, linewidth=1.5, markersize=5)
            ends.append((float(value[np.isfinite(value)][-1]), told, color))
    _finish(axes, kappas, "error of the truncated task Q", ends, True)
    axes.annotate("no point: exactly zero", (0.02, 0.03), xycoords="axes fraction", fontsize=8.5, color=QUIET)
    return figure


def gradient_errors(data: StudyData) -> Figure:
    """Relative error of the truncated gradient under TD's critics, both credits, both policies."""
    figure, axes = _axes()
    table = data.tables["exact_gradient"]
    kappas = sorted({int(kappa) for kappa in table["kappa"]})
    ends = []
    for credit, color in COLORS.items():
        for policies, style in (("untrained", "o-"), ("trained", "s--")):
            mine = (table["policies"] == policies) & (table["credit"] == credit) & (table["reading"] == "fixed_point")
            value = np.asarray(table["relative_error"][mine], dtype=np.float64)
            if mine.any():
                places = [kappas.index(int(kappa)) for kappa in table["kappa"][mine]]
                axes.plot(places, value, style, color=color, linewidth=1.5, markersize=5)
                ends.append((float(value[0]), f"{credit}, {policies}", color))
    _finish(axes, kappas, "gradient error / exact gradient", [], False)
    for number, (_, told, color) in enumerate(ends):
        style = "dashed" if "untrained" not in told else "solid"
        axes.annotate(f"{told} ({style})", (0.98, 0.94 - 0.08 * number), xycoords="axes fraction", ha="right", fontsize=9, color=color)
    return figure


def error_split(data: StudyData) -> Figure:
    """A critic's error from one batch: what more samples would fix, and what only a larger radius would."""
    figure, axes = _axes()
    table = data.tables["exact_split"]
    kappas = [int(kappa) for kappa in table["kappa"]]
    ends = []
    for name, told, color in (
        ("statistical", "too few samples", MAIN),
        ("truncation", "radius too small", ACCENT),
        ("total", "in all", INK),
    ):
        value = 100.0 * np.asarray(table[name], dtype=np.float64)
        axes.plot(range(len(kappas)), value, "o-", color=color, linewidth=1.6, markersize=5)
        ends.append((float(value[-1]), told, color))
    _finish(axes, kappas, "critic error, % of the range of Q", ends, False)
    return figure


def time_shares(data: StudyData, credit: str | None = None) -> Figure:
    """Milliseconds per step of an agent's process, one process per agent, of what is compared first or of another one."""
    figure, axes = _axes()
    table = data.tables["timing"]
    chosen = np.flatnonzero(table["variant" if "variant" in table else "credit"] == (credit or data.credits[0]))
    kappas = [int(kappa) for kappa in table["kappa"][chosen]]
    bottom = np.zeros(len(chosen))
    shades = {"compute": GOOD, "serialise": ACCENT, "wait": "#c9d3df"}
    for name, color in shades.items():
        value = np.asarray(table[f"{name}_ms"][chosen], dtype=np.float64)
        axes.bar(range(len(kappas)), value, 0.6, bottom=bottom, color=color, label=name)
        bottom += value
    for name, mark, color in (("predicted", "D", INK), ("step", "o", MAIN)):
        value = np.asarray(table[f"{name}_ms"][chosen], dtype=np.float64)
        axes.plot(range(len(kappas)), value, mark, color=color, markersize=6, label="step, predicted" if mark == "D" else "step, measured")
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper left", bbox_to_anchor=(0.0, 1.2))
    _finish(axes, kappas, "milliseconds per step", [], False)
    return figure


def _axes() -> tuple[Figure, Axes]:
    figure = new_figure(WIDTH, HEIGHT)
    return figure, figure.subplots()


def _points(axes: Axes, x: Sequence[int], value: FloatArray, low: FloatArray, high: FloatArray, color: str) -> None:
    errors = np.nan_to_num(np.stack([value - low, high - value])).clip(0.0)
    axes.errorbar(x, value, yerr=errors, fmt="o-", color=color, capsize=3, markersize=5, linewidth=1.5)


def _finish(axes: Axes, kappas: Sequence[int], label: str, ends: Sequence[tuple[float, str, str]], logarithmic: bool) -> None:
    if logarithmic:
        axes.set_yscale("log")
    names = [f"{kappa}\nalone" if kappa == 0 else f"{kappa}\neveryone" if kappa == kappas[-1] else str(kappa) for kappa in kappas]
    axes.set_xticks(range(len(kappas)), names)
    axes.set_xlabel("kappa")
    axes.set_ylabel(label)
    axes.set_xlim(-0.3, len(kappas) - 0.7)
    _label_ends(axes, ends, "")


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], prefix: str) -> None:
    """Names at the right edge, moved apart where they would touch."""
    calm(axes)
    if not ends:
        return
    axes.figure.canvas.draw()
    to_screen = axes.transAxes.inverted()
    across = 1.0 if axes.get_xscale() == "log" else 0.0

    def height_of(value: float) -> float:
        return float(to_screen.transform(axes.transData.transform((across, value)))[1])

    placed = sorted(((height_of(value), told, color) for value, told, color in ends), key=lambda item: item[0])
    heights = apart([min(max(height, 0.0), 1.0) for height, _, _ in placed], 0.075)
    beyond = max(0.0, heights[-1] - 1.0)
    heights = [height - beyond for height in heights]
    for height, (_, told, color) in zip(heights, placed, strict=True):
        axes.annotate(f"{prefix} {told}".strip(), (1.01, height), xycoords="axes fraction", va="center", fontsize=9, color=color,
                      fontweight="bold", annotation_clip=False)  # fmt: skip


def _moving(values: FloatArray, width: int) -> FloatArray:
    sums = np.cumsum(np.concatenate([np.zeros(1), values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))
