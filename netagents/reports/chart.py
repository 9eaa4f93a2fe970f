"""A chart: what it shows, as values.  :mod:`netagents.reports.chart_svg` draws it, for pages and for image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MOST_POINTS = 400
"""Beyond so many points a line is drawn through means of neighbouring ones."""
COLORS = tuple(f"var(--c{index})" for index in range(8))


@dataclass(frozen=True)
class ChartLine:
    """One line of a chart.

    Attributes:
        name: as the label at its end and the readout say it; without a name it is drawn and not spoken of.
        y: (K,) values; NaN leaves a gap.
        color: a CSS colour.
        low, high: (K,) edges of a band around the line, or of error bars.
        x: (K,) where it has other places than the rest of the chart.
        x_low, x_high: (K,) edges of horizontal error bars.
        marked: every point has a dot, and its interval is an error bar.
        dashed: the line is; ``joined``: there is a line between the points at all.
        notes: (K,) words beside the points.
    """

    name: str
    y: FloatArray
    color: str = "var(--main)"
    low: FloatArray | None = None
    high: FloatArray | None = None
    x: FloatArray | None = None
    x_low: FloatArray | None = None
    x_high: FloatArray | None = None
    marked: bool = False
    dashed: bool = False
    joined: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChartBars:
    """Vertical bars.

    Attributes:
        name: as the readout says it.
        x: (K,) middles. y: (K,) lengths; NaN draws none.
        color: one for all, or one for each.
        base: (K,) where they begin; 0 by default.
        width: in units of x.
        notes: (K,) words above them.
    """

    name: str
    x: FloatArray
    y: FloatArray
    color: str | tuple[str, ...] = "var(--main)"
    base: FloatArray | None = None
    width: float = 0.7
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A dashed horizontal line."""

    name: str
    value: float
    color: str


class Span(NamedTuple):
    """A shaded stretch of the x axis, named at its bottom or ``at_top``; ``upright`` of the y axis instead, always named at its top."""

    name: str
    begin: float
    end: float
    color: str = "var(--quiet)"
    upright: bool = False
    at_top: bool = False


class Note(NamedTuple):
    """Words at a place of a chart, in its values; ``anchor`` is start, middle or end; ``rise`` moves them up, in pixels."""

    words: str
    x: float
    y: float
    color: str = "var(--quiet)"
    anchor: str = "middle"
    rise: float = 0.0
    ring: bool = False


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes:
        x: (K,) ascending, of the lines that have no x of their own.
        lines, bars, references, spans, notes: what is drawn.
        x_label, y_label: what the axes show; of several lines where they hold line breaks.
        categories: names of x = 0, 1, ...; none for a measured axis.
        log_x, log_y: logarithmic axes.
        percent: values are shares.
        with_value: labels end with the line's last value.
        y_range: instead of the one that shows everything.
        legend: lines are named above the chart instead of at their ends.
        height: in pixels, of 600 across.
    """

    y_label: str
    lines: tuple[ChartLine, ...] = ()
    x: FloatArray | None = None
    bars: tuple[ChartBars, ...] = ()
    references: tuple[Reference, ...] = ()
    spans: tuple[Span, ...] = ()
    notes: tuple[Note, ...] = ()
    x_label: str = "iteration, from 0"
    categories: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = False
    percent: bool = False
    with_value: bool = True
    y_range: tuple[float, float] | None = None
    legend: bool = False
    height: int = 330

    def __post_init__(self) -> None:
        if any(line.x is None and (self.x is None or len(self.x) != len(line.y)) for line in self.lines):
            raise ValueError("a line has another number of values than the chart has places")

    def places(self, line: ChartLine) -> FloatArray:
        """(K,) x of a line."""
        places = self.x if line.x is None else line.x
        return np.asarray(places, dtype=np.float64)

    def thinned(self) -> Chart:
        """The same with at most :data:`MOST_POINTS` points per line."""
        x = None if self.x is None else binned(np.asarray(self.x, dtype=np.float64), MOST_POINTS)
        return replace(self, x=x, lines=tuple(_thin(line) for line in self.lines))


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
) -> Chart:
    """A chart of ``lines`` over ``x``.

    Args:
        x: (K,) ascending.
        lines: drawn in this order.
        references: what to compare with; the vertical range includes them.
        y_label, x_label: what the axes show.
        percent: values are shares.
        with_value: labels end with the line's last value.
        spans: stretches to shade, as far as they lie within x.
    """
    return Chart(
        y_label, tuple(lines), np.asarray(x, dtype=np.float64), references=tuple(references), spans=tuple(spans), x_label=x_label,
        percent=percent, with_value=with_value,
    )  # fmt: skip


def binned(values: FloatArray, most: int) -> FloatArray:
    """Means of at most ``most`` runs of neighbours; NaN only where a whole run is."""
    if len(values) <= most:
        return values
    edges = np.linspace(0, len(values), most + 1).astype(np.int64)
    finite = np.isfinite(values)
    sums = np.add.reduceat(np.where(finite, values, 0.0), edges[:-1])
    counts = np.add.reduceat(finite.astype(np.int64), edges[:-1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _thin(line: ChartLine) -> ChartLine:
    if line.notes or len(line.y) <= MOST_POINTS:
        return line

    def thin(values: FloatArray | None) -> FloatArray | None:
        return None if values is None else binned(values, MOST_POINTS)

    return replace(
        line, y=binned(line.y, MOST_POINTS), low=thin(line.low), high=thin(line.high), x=thin(line.x), x_low=thin(line.x_low),
        x_high=thin(line.x_high),
    )  # fmt: skip
