"""The charts of studies below the first one: learning, equal budgets, robustness, cost, what is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import interquartile_mean, run_intervals
from netagents.reports.chart import Chart, ChartBars, ChartLine, Reference
from netagents.reports.study_data import StudyData
from netagents.reports.study_headline import CREDIT_COLORS, color_of
from netagents.reports.style import ACCENT, GOOD, INK, MAIN, QUIET

FloatArray = NDArray[np.float64]
BASELINE = "var(--c7)"
"""Colour of independent learners; those that hear everyone are dark."""
MOST_SEEDS = 40
"""Up to so many seeds each has a line of its own."""


def ramp(kappas: Sequence[int]) -> dict[int, str]:
    """A colour per radius: grey for none, dark for everyone, others between."""
    between = ("var(--c5)", "var(--c0)", "var(--c2)", "var(--c4)", "var(--c1)", "var(--c6)")
    colors = {kappa: between[place % len(between)] for place, kappa in enumerate(kappas[1:-1])}
    return {kappas[0]: BASELINE, **colors, kappas[-1]: INK} if len(kappas) > 1 else {kappas[0]: MAIN}


def learning_curves(data: StudyData, credit: str, against: str = "iteration") -> Chart:
    """The measure while learning, interquartile mean and range of the seeds, over iterations or over bytes between agents."""
    kappas = [kappa for kappa in data.kappas if kappa in data.by_kappa("final", credit)[0]]
    colors = ramp(kappas)
    lines, references = [], []
    for kappa in kappas:
        setting = data.setting(kappa, credit)
        x, values = data.curves(setting, "value")
        middle = interquartile_mean(values.T)
        if against == "bytes":
            x = data.curves(setting, "neighbour_bytes")[1][0] / 1e6
            if x[-1] == 0.0:
                references.append(Reference(f"kappa {kappa} (no bytes)", float(middle[-1]), colors[kappa]))
                continue
        ends = kappa in (kappas[0], kappas[-1])
        lines.append(
            ChartLine(f"kappa {kappa}", middle, colors[kappa], values.min(axis=0), values.max(axis=0), np.asarray(x, float), dashed=ends)
        )
    by_bytes = against == "bytes"
    label = "megabytes sent between agents so far" if by_bytes else "iterations so far"
    return Chart(data.measure, tuple(lines), references=tuple(references), x_label=label, log_x=by_bytes, with_value=False)


def seed_curves(data: StudyData) -> Chart:
    """The measure of every seed while learning, thin, with the interquartile mean of all and its interval."""
    x, values = data.curves(str(data.summary["setting"][0]), "value")
    middle, low, high = run_intervals(values)
    edges = (low, high) if len(values) > 1 else (None, None)
    each = [ChartLine("", row, "var(--edge)") for row in values] if 1 < len(values) <= MOST_SEEDS else []
    name = "seed" if len(values) == 1 else f"mean of {len(values)} seeds"
    return Chart(data.measure, (*each, ChartLine(name, middle, MAIN, *edges)), x, x_label="iterations so far")


def gradient_curves(data: StudyData, credit: str) -> Chart:
    """Squared norm of the estimated gradient while learning."""
    kappas = data.by_kappa("final", credit)[0]
    colors = ramp(kappas)
    lines = []
    for kappa in kappas:
        x, values = data.curves(data.setting(kappa, credit), "gradient_sq")
        middle = _moving(interquartile_mean(values.T), 5)
        dashed = kappa in (kappas[0], kappas[-1])
        lines.append(ChartLine(f"kappa {kappa}", middle, colors[kappa], x=np.asarray(x, dtype=np.float64), dashed=dashed))
    return Chart("squared norm of the sampled gradient", tuple(lines), x_label="iterations so far", log_y=True, with_value=False)


def by_radius(
    data: StudyData, columns: Sequence[tuple[str, str, str]], label: str, *, logarithmic: bool = False, credit: str | None = None
) -> Chart:
    """Summary columns over the radius.

    Args:
        columns: name of the column, what it is called, colour.
        label: of the vertical axis.
        logarithmic: the vertical axis is.
        credit: of it alone; by default each credit is a line when there is one column, and the first one otherwise.
    """
    kappas = data.kappas
    shown_credits = data.credits if credit is None and len(columns) == 1 else [credit or data.credits[0]]
    lines = []
    for name, words, color in columns:
        for each in shown_credits:
            rows, value, low, high = data.by_kappa(name, each)
            several = len(shown_credits) > 1
            x = np.array([kappas.index(kappa) for kappa in rows], dtype=np.float64)
            if np.isfinite(value).any():
                shade = color_of(data, each) if several else color
                lines.append(ChartLine(each if several else words, value, shade, low, high, x, marked=True))
    return over_radii(kappas, Chart(label, tuple(lines), log_y=logarithmic, with_value=False))


def exact_errors(data: StudyData) -> Chart:
    """Truncation error of the task Q at the two policies, beside what bounds it; what is exactly zero has no point."""
    table = data.tables["exact_truncation"]
    kappas = sorted({int(kappa) for kappa in table["kappa"]})
    curves = (
        ("untrained", "supremum", "largest, untrained", MAIN),
        ("trained", "supremum", "largest, trained", ACCENT),
        ("trained", "fixed_point", "TD's, trained", "var(--c4)"),
        ("untrained", "refined_certificate", "bound, untrained", QUIET),
    )
    lines = []
    for policies, column, words, color in curves:
        value = np.asarray(table[column][table["policies"] == policies], dtype=np.float64)
        value = np.where(np.isfinite(value) & (value > 1e-9), value, np.nan)
        if np.isfinite(value).any():
            places = np.arange(len(value), dtype=np.float64)
            lines.append(ChartLine(words, value, color, x=places, marked=True, dashed=column == "refined_certificate"))
    chart = over_radii(kappas, Chart("error of the truncated task Q", tuple(lines), log_y=True, with_value=False))
    return replace(chart, x_label="kappa (no point: exactly zero)")


def gradient_errors(data: StudyData) -> Chart:
    """Relative error of the truncated gradient under TD's critics, both credits, both policies."""
    table = data.tables["exact_gradient"]
    kappas = sorted({int(kappa) for kappa in table["kappa"]})
    lines = []
    for credit, color in CREDIT_COLORS.items():
        for policies in ("untrained", "trained"):
            rows = (table["policies"] == policies) & (table["credit"] == credit) & (table["reading"] == "fixed_point")
            value = np.asarray(table["relative_error"][rows], dtype=np.float64)
            if rows.any():
                places = np.array([kappas.index(int(kappa)) for kappa in table["kappa"][rows]], dtype=np.float64)
                dashed = policies == "trained"
                words = f"{credit}, {policies}{' (dashed)' if dashed else ''}"
                lines.append(ChartLine(words, value, color, x=places, marked=True, dashed=dashed))
    return over_radii(kappas, Chart("gradient error / exact gradient", tuple(lines), with_value=False, legend=True))


def error_split(data: StudyData) -> Chart:
    """A critic's error from one batch: what more samples would fix, and what only a larger radius would."""
    table = data.tables["exact_split"]
    kappas = [int(kappa) for kappa in table["kappa"]]
    places = np.arange(len(kappas), dtype=np.float64)
    parts = (("statistical", "too few samples", MAIN), ("truncation", "radius too small", ACCENT), ("total", "in all", INK))
    lines = tuple(
        ChartLine(words, 100.0 * np.asarray(table[name], dtype=np.float64), color, x=places, marked=True) for name, words, color in parts
    )
    return over_radii(kappas, Chart("critic error, % of the range of Q", lines, with_value=False))


def time_shares(data: StudyData, credit: str | None = None) -> Chart:
    """Milliseconds per step of an agent's process, one process per agent, of what is compared first or of another one."""
    table = data.tables["timing"]
    rows = np.flatnonzero(table["variant" if "variant" in table else "credit"] == (credit or data.credits[0]))
    kappas = [int(kappa) for kappa in table["kappa"][rows]]
    places = np.arange(len(kappas), dtype=np.float64)
    base = np.zeros(len(rows))
    bars = []
    for name, color in (("compute", GOOD), ("serialise", ACCENT), ("wait", "var(--edge)")):
        value = np.asarray(table[f"{name}_ms"][rows], dtype=np.float64)
        bars.append(ChartBars(name, places, value, color, base, 0.6))
        base = base + value
    steps = (("predicted", "step, predicted", INK), ("step", "step, measured", MAIN))
    lines = tuple(
        ChartLine(words, np.asarray(table[f"{name}_ms"][rows], dtype=np.float64), color, x=places, marked=True, joined=False)
        for name, words, color in steps
    )
    return over_radii(kappas, Chart("milliseconds per step", lines, bars=tuple(bars), with_value=False, legend=True))


def over_radii(kappas: Sequence[int], chart: Chart) -> Chart:
    """A chart with the radii as its categories."""
    names = [f"{kappa}\nalone" if kappa == 0 else f"{kappa}\neveryone" if kappa == kappas[-1] else str(kappa) for kappa in kappas]
    return replace(chart, categories=tuple(names), x_label="kappa")


def _moving(values: FloatArray, width: int) -> FloatArray:
    sums = np.cumsum(np.concatenate([np.zeros(1), values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))
