"""A line chart as SVG: every line is labelled where it ends, bands show intervals, dashed lines are what to compare with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.reports.html import data, rounded, short, text

FloatArray = NDArray[np.float64]

WIDTH, HEIGHT = 600, 330
LEFT, RIGHT, TOP, BOTTOM = 58, 128, 10, 42
MOST_POINTS = 400
"""Beyond so many points a line is drawn through means of neighbouring ones."""


@dataclass(frozen=True)
class ChartLine:
    """One line of a chart.

    Attributes:
        name: as the label at its end and the readout say it; without a name it is drawn and not spoken of.
        y: (K,) values; NaN leaves a gap.
        color: a CSS colour.
        low, high: (K,) edges of a band around the line.
    """

    name: str
    y: FloatArray
    color: str = "var(--main)"
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True)
class Reference:
    """A dashed horizontal line."""

    name: str
    value: float
    color: str


class Span(NamedTuple):
    """A shaded stretch of the x axis, named at its top."""

    name: str
    begin: float
    end: float
    color: str = "var(--quiet)"


def line_chart(
    x: Sequence[float] | NDArray[np.int64],
    lines: Sequence[ChartLine],
    references: Sequence[Reference] = (),
    *,
    y_label: str,
    x_label: str = "iteration, from 0",
    percent: bool = False,
    with_value: bool = True,
    spans: Sequence[Span] = (),
) -> Markup:
    """A chart of ``lines`` over ``x``, as markup.

    Args:
        x: (K,) ascending.
        lines: drawn in this order.
        references: what to compare with; the vertical range includes them.
        y_label, x_label: what the axes show.
        percent: values are shares.
        with_value: labels end with the line's last value.
        spans: stretches to shade, as far as they lie within x.
    """
    along, drawn = _thin(np.asarray(x, dtype=np.float64), lines)
    low, high = _range(drawn, references)
    box = (LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
    span = (float(along[0]), float(along[-1])) if len(along) > 1 else (float(along[0]) - 0.5, float(along[0]) + 0.5)
    across = LEFT + (along - span[0]) / (span[1] - span[0]) * box[2]

    def down(values: FloatArray) -> FloatArray:
        return np.asarray(TOP + (high - values) / (high - low) * box[3])

    parts = _shaded(spans, span, box)
    for value in ticks(low, high):
        y = float(down(np.array(value)))
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{LEFT + box[2]}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4.5:.1f}" text-anchor="end">{_tick(value, percent)}</text>')
    for value in ticks(*span, most=6):
        if float(value).is_integer():
            place = LEFT + (value - span[0]) / (span[1] - span[0]) * box[2]
            parts.append(f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<text x="{LEFT + box[2] / 2:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{text(x_label)}</text>')
    middle = TOP + box[3] / 2
    parts.append(f'<text transform="translate(12 {middle:.0f}) rotate(-90)" text-anchor="middle">{text(y_label)}</text>')
    labels: list[tuple[float, str, str]] = []
    for reference in references:
        y = float(down(np.array(reference.value)))
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + box[2]}" y1="{y:.1f}" y2="{y:.1f}" stroke="{reference.color}" stroke-dasharray="5 4" '
            'stroke-width="1.4"/>'
        )
        labels.append((y, f"{reference.name} {_value(reference.value, percent)}", reference.color))
    for line in drawn:
        if line.low is not None and line.high is not None:
            parts.append(_band(across, down(line.low), down(line.high), line.color))
        parts.append(_path(across, down(line.y), line.color))
        finite = np.flatnonzero(np.isfinite(line.y))
        if finite.size and line.name:
            last = float(line.y[finite[-1]])
            label = f"{line.name} {_value(last, percent)}" if with_value else line.name
            labels.append((float(down(np.array(last))), label, line.color))
    parts.extend(_end_labels(labels, LEFT + box[2] + 7))
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT + box[2]}" y1="{TOP + box[3]}" y2="{TOP + box[3]}"/>')
    parts.append(f'<line class="cursor" y1="{TOP}" y2="{TOP + box[3]}"/>')
    facts = {
        "width": WIDTH,
        "box": box,
        "range": span,
        "x": [round(value) for value in along.tolist()],
        "series": [{"name": line.name, "y": [rounded(value) for value in line.y.tolist()]} for line in drawn if line.name],
    }
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" data-chart="{text(data(facts))}">{"".join(parts)}</svg>'
    return Markup(f'<div>{svg}<div class="readout"></div></div>')


def _shaded(spans: Sequence[Span], span: tuple[float, float], box: tuple[int, int, int, int]) -> list[str]:
    left, top, width, height = box
    parts = []
    for row, each in enumerate(spans):
        begin, end = (min(max(value, span[0]), span[1]) for value in (each.begin, each.end))
        if end <= begin:
            continue
        x0, x1 = (left + (value - span[0]) / (span[1] - span[0]) * width for value in (begin, end))
        parts.append(f'<rect x="{x0:.1f}" y="{top}" width="{x1 - x0:.1f}" height="{height}" fill="{each.color}" opacity="0.13"/>')
        anchor, x = ("end", x1 - 4) if x0 > left + width / 2 else ("start", x0 + 4)
        y = top + height - 6 - 14 * (row % 5)
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" fill="{each.color}">{text(each.name)}</text>')
    return parts


def sparkline(y: FloatArray) -> Markup:
    """A small line without axes, from its lowest to its highest value."""
    points = _binned(y, 60)
    finite = points[np.isfinite(points)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    across = np.linspace(2.0, 128.0, len(points)) if len(points) > 1 else np.array([2.0])
    down = 22.0 - (points - low) / ((high - low) or 1.0) * 20.0
    return Markup(f'<svg class="spark" viewBox="0 0 130 24" preserveAspectRatio="none"><path d="{_moves(across, down)}"/></svg>')


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values between ``low`` and ``high``, at most ``most``."""
    width = high - low
    if width <= 0.0 or not math.isfinite(width):
        return [low]
    magnitude = 10.0 ** math.floor(math.log10(width / most))
    step = next(magnitude * factor for factor in (1, 2, 5, 10, 20) if width / (magnitude * factor) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(at * step, 12) for at in range(first, math.floor(high / step + 1e-9) + 1)]


def apart(places: Sequence[float], needed: float) -> list[float]:
    """Ascending places, moved as little as needed so that neighbours are ``needed`` apart."""
    moved = list(places)
    for _ in range(100):
        touching = False
        for at in range(len(moved) - 1):
            overlap = needed - (moved[at + 1] - moved[at])
            if overlap > 1e-9:
                moved[at] -= overlap / 2
                moved[at + 1] += overlap / 2
                touching = True
        if not touching:
            break
    return moved


def _end_labels(labels: list[tuple[float, str, str]], x: float) -> list[str]:
    ordered = sorted(labels)
    places = apart([place for place, _, _ in ordered], 17.0)
    # Labels pushed out of the picture are pushed back in.
    lowest, highest = TOP + 4.0, HEIGHT - 8.0
    shift = max(0.0, places[-1] - highest) if places else 0.0
    places = [max(lowest + 17.0 * at, place - shift) for at, place in enumerate(places)]
    return [
        f'<text x="{x:.0f}" y="{place + 4.5:.1f}" style="fill:{color};font-weight:600">{text(label)}</text>'
        for place, (_, label, color) in zip(places, ordered, strict=True)
    ]


def _range(lines: Sequence[ChartLine], references: Sequence[Reference]) -> tuple[float, float]:
    arrays = [array for line in lines for array in (line.y, line.low, line.high) if array is not None]
    values = np.concatenate([*arrays, np.array([reference.value for reference in references])])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    # A quantity that is never negative is not drawn as if it could be.
    return (max(0.0, low - margin) if low >= 0.0 else low - margin), high + margin


def _thin(x: FloatArray, lines: Sequence[ChartLine]) -> tuple[FloatArray, list[ChartLine]]:
    if len(x) <= MOST_POINTS:
        return x, list(lines)

    def thin(values: FloatArray | None) -> FloatArray | None:
        return None if values is None else _binned(values, MOST_POINTS)

    thinned = [ChartLine(line.name, _binned(line.y, MOST_POINTS), line.color, thin(line.low), thin(line.high)) for line in lines]
    return _binned(x, MOST_POINTS), thinned


def _binned(values: FloatArray, most: int) -> FloatArray:
    """Means of at most ``most`` runs of neighbours; NaN only where a whole run is."""
    if len(values) <= most:
        return values
    edges = np.linspace(0, len(values), most + 1).astype(np.int64)
    finite = np.isfinite(values)
    sums = np.add.reduceat(np.where(finite, values, 0.0), edges[:-1])
    counts = np.add.reduceat(finite.astype(np.int64), edges[:-1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _path(x: FloatArray, y: FloatArray, color: str) -> str:
    if len(x) == 1:
        return f'<circle cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="4" fill="{color}"/>' if np.isfinite(y[0]) else ""
    return f'<path d="{_moves(x, y)}" fill="none" stroke="{color}" stroke-width="2" stroke-linejoin="round"/>'


def _moves(x: FloatArray, y: FloatArray) -> str:
    words, pen = [], "M"
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(down):
            words.append(f"{pen}{across:.1f} {down:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(words)


def _band(x: FloatArray, low: FloatArray, high: FloatArray, color: str) -> str:
    fine = np.isfinite(low) & np.isfinite(high)
    if int(fine.sum()) < 2:
        return ""
    points = [*zip(x[fine], high[fine], strict=True), *zip(x[fine][::-1], low[fine][::-1], strict=True)]
    outline = "L".join(f"{across:.1f} {down:.1f}" for across, down in points)
    return f'<path d="M{outline}Z" fill="{color}" opacity=".22"/>'


def _tick(value: float, percent: bool) -> str:
    return f"{value:.0%}" if percent else f"{value:g}"


def _value(value: float, percent: bool) -> str:
    if percent:
        return f"{value:.0%}" if value >= 0.0995 or value == 0.0 else f"{value:.1%}"
    return short(value)
