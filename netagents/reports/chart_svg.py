"""Charts as SVG: every line is labelled where it ends, bands and bars show intervals, dashed lines are what to compare with."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.reports.chart import Chart, ChartBars, ChartLine, Note, binned
from netagents.reports.chart_axes import Scale, value_range, within
from netagents.reports.html import data, rounded, short, text

FloatArray = NDArray[np.float64]

WIDTH = 600
TOP, LINE = 10, 17
_LETTER = 7.4
"""Pixels of a letter of a label, about."""


def draw(chart: Chart) -> Markup:
    """A chart as a part of a page, with a line that says what is under the pointer."""
    svg, facts = _svg(chart.thinned())
    frame = f'<svg viewBox="0 0 {WIDTH} {chart.height}" role="img" data-chart="{text(data(facts))}">{svg}</svg>'
    return Markup(f'<div class="chart">{frame}<div class="readout"></div></div>')


def bare(chart: Chart) -> Markup:
    """The inside of a chart's SVG, :data:`WIDTH` pixels wide and ``chart.height`` high."""
    return Markup(_svg(chart.thinned())[0])


def sparkline(y: FloatArray) -> Markup:
    """A small line without axes, from its lowest to its highest value."""
    points = binned(y, 60)
    finite = points[np.isfinite(points)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    across = np.linspace(2.0, 128.0, len(points)) if len(points) > 1 else np.array([2.0])
    down = 22.0 - (points - low) / ((high - low) or 1.0) * 20.0
    return Markup(f'<svg class="spark" viewBox="0 0 130 24" preserveAspectRatio="none"><path d="{_moves(across, down)}"/></svg>')


def _svg(chart: Chart) -> tuple[str, dict[str, object]]:
    legend = _legend(chart) if chart.legend else ("", 0.0)
    right = max((len(label) for label in _labels(chart)), default=0) * _LETTER + 16 if not chart.legend else 16
    right = min(max(right, 16.0), 250.0)
    below = 40 + LINE * (max((name.count("\n") for name in chart.categories), default=0)) + LINE * chart.x_label.count("\n")
    across, down = _scales(chart, right, below, legend[1])
    box = (across.begin, down.end, across.end - across.begin, down.begin - down.end)
    inside: list[str] = [*_shaded(chart, across, down, box), *(_bars(bars, across, down) for bars in chart.bars)]
    # What holds along the whole axis stays where a part of it is enlarged.
    level: list[str] = []
    for reference in chart.references:
        y = float(down.place(reference.value))
        level.append(
            f'<line x1="{box[0]:.1f}" x2="{across.end:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{reference.color}" stroke-dasharray="5 4" '
            'stroke-width="1.4"/>'
        )
    inside.extend(_line(chart, line, across, down) for line in chart.lines)
    inside.extend(_note(note, across, down) for note in chart.notes)
    ends = [] if chart.legend else _end_labels(chart, down, across.end + 7)
    parts = [legend[0], *_axes(chart, across, down, box), *level, f'<g class="marks">{"".join(inside)}</g>', *ends]
    parts.append(f'<line class="axis" x1="{box[0]:.1f}" x2="{across.end:.1f}" y1="{down.begin:.1f}" y2="{down.begin:.1f}"/>')
    parts.append(f'<line class="cursor" y1="{box[1]:.1f}" y2="{down.begin:.1f}"/>')
    return "".join(parts), _facts(chart, across, down, box)


def _scales(chart: Chart, right: float, below: float, above: float) -> tuple[Scale, Scale]:
    if chart.y_range is not None:
        low, high = chart.y_range
    else:
        edges = [np.asarray(edge) for line in chart.lines for edge in (line.y, line.low, line.high) if edge is not None]
        edges += [np.array([reference.value for reference in chart.references])]
        for bars in chart.bars:
            base = np.zeros(len(bars.y)) if bars.base is None else bars.base
            # Room for the words above them.
            edges += [base, base + np.nan_to_num(bars.y) * (1.12 if bars.notes else 1.0)]
        low, high = value_range(edges, logarithmic=chart.log_y)
    digits = max(len(_tick(value, chart.percent)) for value in Scale(low, high, 0, 1, chart.log_y).ticks())
    left = 24 + LINE * (chart.y_label.count("\n") + 1) * 0.9 + digits * _LETTER
    if chart.categories:
        first, last = -0.5, len(chart.categories) - 0.5
    else:
        places = [chart.places(line) for line in chart.lines] + [bars.x for bars in chart.bars]
        places += [edge for line in chart.lines for edge in (line.x_low, line.x_high) if edge is not None]
        measured = any(line.marked for line in chart.lines)
        finite = np.concatenate([np.zeros(0), *places])
        finite = finite[np.isfinite(finite)]
        first, last = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if measured or first == last:
            first, last = value_range([finite], logarithmic=chart.log_x) if measured else (first - 0.5, last + 0.5)
    return (
        Scale(first, last, left, WIDTH - right, chart.log_x),
        Scale(low, high, chart.height - below, TOP + above, chart.log_y),
    )


def _axes(chart: Chart, across: Scale, down: Scale, box: tuple[float, float, float, float]) -> list[str]:
    parts = []
    for value in down.ticks(max(3, int(box[3] / 45))):
        y = float(down.place(value))
        parts.append(f'<line class="rule" x1="{box[0]:.1f}" x2="{across.end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{box[0] - 7:.1f}" y="{y + 4.5:.1f}" text-anchor="end">{_tick(value, chart.percent)}</text>')
    base = down.begin + 18
    if chart.categories:
        step = max(1, math.ceil(len(chart.categories) * 24 / box[2]))
        positions = range(0, len(chart.categories), step)
        parts.extend(_words(chart.categories[at], float(across.place(float(at))), base, "middle") for at in positions)
    else:
        whole = chart.x_label.startswith(("iteration", "step", "hop"))
        named = "".join(
            f'<text x="{float(across.place(value)):.1f}" y="{base:.1f}" text-anchor="middle">{value:g}</text>'
            for value in across.ticks()
            if not whole or float(value).is_integer()
        )
        parts.append(f'<g class="places">{named}</g>')
    rows = chart.x_label.count("\n")
    parts.append(_words(chart.x_label, box[0] + box[2] / 2, chart.height - 6 - LINE * rows, "middle"))
    middle = box[1] + box[3] / 2
    parts.append(f'<g transform="translate(12 {middle:.0f}) rotate(-90)">{_words(chart.y_label, 0, 0, "middle")}</g>')
    return parts


def _words(words: str, x: float, y: float, anchor: str, style: str = "") -> str:
    """Words of one or more lines, the first of them at y."""
    lines = "".join(f'<tspan x="{x:.1f}" y="{y + LINE * row:.1f}">{text(line)}</tspan>' for row, line in enumerate(words.split("\n")))
    return f'<text text-anchor="{anchor}"{style}>{lines}</text>'


def _shaded(chart: Chart, across: Scale, down: Scale, box: tuple[float, float, float, float]) -> list[str]:
    left, top, width, height = box
    parts = []
    for row, each in enumerate(chart.spans):
        scale = down if each.upright else across
        begin, end = (min(max(value, scale.low), scale.high) for value in (each.begin, each.end))
        if end <= begin:
            continue
        ends = scale.place(np.array([begin, end]))
        if each.upright:
            y = float(ends.min())
            parts.append(f'<rect x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{float(np.ptp(ends)):.1f}" fill="{each.color}" '
                         'opacity="0.13"/>')  # fmt: skip
            parts.append(f'<text x="{left + 6:.1f}" y="{top + 13:.1f}">{text(each.name)}</text>')
            continue
        x0, x1 = ends.tolist()
        parts.append(f'<rect x="{x0:.1f}" y="{top:.1f}" width="{x1 - x0:.1f}" height="{height:.1f}" fill="{each.color}" opacity="0.13"/>')
        anchor, x = ("end", x1 - 4) if x0 > left + width / 2 else ("start", x0 + 4)
        y = top + 13 + 14 * (row % 5) if each.at_top else top + height - 6 - 14 * (row % 5)
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:{each.color}">{text(each.name)}</text>')
    return parts


def _bars(bars: ChartBars, across: Scale, down: Scale) -> str:
    base = np.zeros(len(bars.y)) if bars.base is None else bars.base
    parts = []
    for at, (x, low, length) in enumerate(zip(bars.x.tolist(), base.tolist(), bars.y.tolist(), strict=True)):
        color = bars.color if isinstance(bars.color, str) else bars.color[at]
        x0, x1 = across.place(np.array([x - bars.width / 2, x + bars.width / 2])).tolist()
        top = low + (length if math.isfinite(length) else 0.0)
        y0, y1 = down.place(np.array([max(low, down.low), top])).tolist()
        if math.isfinite(length):
            parts.append(f'<rect x="{x0:.1f}" y="{min(y0, y1):.1f}" width="{x1 - x0:.1f}" height="{abs(y0 - y1):.1f}" fill="{color}"/>')
        if bars.notes:
            words = text(bars.notes[at])
            parts.append(f'<text class="strong" x="{(x0 + x1) / 2:.1f}" y="{min(y0, y1) - 4:.1f}" text-anchor="middle">{words}</text>')
    return "".join(parts)


def _line(chart: Chart, line: ChartLine, across: Scale, down: Scale) -> str:
    x, y = across.place(chart.places(line)), down.place(line.y)
    parts = []
    if line.low is not None and line.high is not None:
        low, high = down.place(line.low), down.place(line.high)
        parts.append(_error_bars(x, low, high, line.color) if line.marked else _band(x, low, high, line.color))
    if line.x_low is not None and line.x_high is not None:
        begin, end = across.place(line.x_low), across.place(line.x_high)
        parts.append(_error_bars(y, begin, end, line.color, upright=False))
    if line.joined and len(x) > 1:
        dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
        path = _moves(x, y)
        parts.append(f'<path class="line" d="{path}" fill="none" stroke="{line.color}" stroke-width="2" stroke-linejoin="round"{dashes}/>')
    if line.marked or len(x) == 1:
        parts.extend(
            f'<circle cx="{across_:.1f}" cy="{down_:.1f}" r="4" fill="{line.color}"/>'
            for across_, down_ in zip(x.tolist(), y.tolist(), strict=True)
            if math.isfinite(across_) and math.isfinite(down_)
        )
    if line.notes:
        known = [(px, py, note) for px, py, note in zip(x.tolist(), y.tolist(), line.notes, strict=True) if math.isfinite(px + py)]
        ordered = sorted(known, key=lambda each: each[1])
        heights = within([py for _, py, _ in ordered], 14.0, TOP, chart.height - 30.0)
        parts.extend(
            f'<text x="{px + 7:.1f}" y="{height - 5:.1f}" style="fill:{line.color}">{text(note)}</text>'
            for (px, _, note), height in zip(ordered, heights, strict=True)
        )
    return "".join(parts)


def _note(note: Note, across: Scale, down: Scale) -> str:
    words, x, y, color, anchor, rise, ring = note
    px, py = float(across.place(x)), float(down.place(y))
    circle = f'<circle cx="{px:.1f}" cy="{py:.1f}" r="10" fill="none" stroke="{color}" stroke-width="2.2"/>' if ring else ""
    return circle + _words(words, px, py - rise, anchor, f' style="fill:{color};font-weight:{600 if ring else 400}"')


def _labels(chart: Chart) -> list[str]:
    """What stands at the ends of lines and references."""
    ends = [f"{each.name} {_value(each.value, chart.percent)}" for each in chart.references]
    for line in chart.lines:
        finite = np.flatnonzero(np.isfinite(line.y))
        if finite.size and line.name:
            value = f" {_value(float(line.y[finite[-1]]), chart.percent)}" if chart.with_value else ""
            ends.append(f"{line.name}{value}")
    return ends


def _end_labels(chart: Chart, down: Scale, x: float) -> list[str]:
    heights = [float(down.place(each.value)) for each in chart.references]
    colors = [each.color for each in chart.references]
    for line in chart.lines:
        finite = np.flatnonzero(np.isfinite(line.y))
        if finite.size and line.name:
            heights.append(float(down.place(float(line.y[finite[-1]]))))
            colors.append(line.color)
    ordered = sorted(zip(heights, _labels(chart), colors, strict=True))
    places = within([height for height, _, _ in ordered], LINE, TOP + 4.0, chart.height - 8.0)
    room = int((WIDTH - x) / _LETTER)
    return [
        f'<text class="end" x="{x:.0f}" y="{place + 4.5:.1f}" style="fill:{color};font-weight:600">'
        f"{text(label if len(label) <= room else label[: room - 1] + '…')}<title>{text(label)}</title></text>"
        for place, (_, label, color) in zip(places, ordered, strict=True)
    ]


def _legend(chart: Chart) -> tuple[str, float]:
    """Names of lines, bars and references above the chart, and the height that they take."""
    entries = [(line.name, line.color) for line in chart.lines if line.name]
    entries += [(bars.name, bars.color if isinstance(bars.color, str) else bars.color[0]) for bars in chart.bars if bars.name]
    entries += [(f"{each.name} {_value(each.value, chart.percent)}", each.color) for each in chart.references]
    parts, x, row = [], 20.0, 0
    for name, color in entries:
        wide = 22 + len(name) * _LETTER
        if x + wide > WIDTH and x > 20.0:
            x, row = 20.0, row + 1
        y = TOP + 4 + 18 * row
        parts.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="12" height="12" rx="2" fill="{color}"/>')
        parts.append(f'<text x="{x + 17:.0f}" y="{y + 11:.0f}">{text(name)}</text>')
        x += wide + 12
    return "".join(parts), (18.0 * (row + 1) + 8 if entries else 0.0)


def _facts(chart: Chart, across: Scale, down: Scale, box: tuple[float, float, float, float]) -> dict[str, object]:
    """What the pointer reads, what a part of the chart is drawn from when it is enlarged, and what is saved as CSV."""
    series = []
    for line in chart.lines:
        if line.name:
            one: dict[str, object] = {"name": line.name, "x": _numbers(chart.places(line)), "y": _numbers(line.y), "color": line.color}
            one |= {"dashed": line.dashed, "marked": line.marked, "joined": line.joined}
            if line.low is not None and line.high is not None:
                one |= {"low": _numbers(line.low), "high": _numbers(line.high)}
            series.append(one)
    bars = [{"name": bars.name, "x": _numbers(bars.x), "y": _numbers(bars.y), "bars": True} for bars in chart.bars]
    return {
        "width": WIDTH,
        "box": [round(value, 1) for value in box],
        "range": [across.low, across.high],
        "log": across.logarithmic,
        "heights": [down.low, down.high],
        "logY": down.logarithmic,
        "axis": chart.x_label.split(",")[0].split("\n")[0],
        "names": [" ".join(name.split()) for name in chart.categories],
        "series": [*series, *bars],
    }


def _numbers(values: FloatArray) -> list[float | None]:
    return [rounded(float(value)) for value in np.asarray(values).tolist()]


def _moves(x: FloatArray, y: FloatArray) -> str:
    words, pen = [], "M"
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(down) and math.isfinite(across):
            words.append(f"{pen}{across:.1f} {down:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(words)


def _band(x: FloatArray, low: FloatArray, high: FloatArray, color: str) -> str:
    fine = np.isfinite(low) & np.isfinite(high) & np.isfinite(x)
    if int(fine.sum()) < 2:
        return ""
    points = [*zip(x[fine], high[fine], strict=True), *zip(x[fine][::-1], low[fine][::-1], strict=True)]
    outline = "L".join(f"{across:.1f} {down:.1f}" for across, down in points)
    return f'<path d="M{outline}Z" fill="{color}" opacity=".22"/>'


def _error_bars(at: FloatArray, low: FloatArray, high: FloatArray, color: str, *, upright: bool = True) -> str:
    moves = []
    for place, begin, end in zip(at.tolist(), low.tolist(), high.tolist(), strict=True):
        if math.isfinite(place + begin + end) and begin != end:
            if upright:
                moves.append(f"M{place:.1f} {begin:.1f}V{end:.1f}M{place - 4:.1f} {begin:.1f}h8M{place - 4:.1f} {end:.1f}h8")
            else:
                moves.append(f"M{begin:.1f} {place:.1f}H{end:.1f}M{begin:.1f} {place - 4:.1f}v8M{end:.1f} {place - 4:.1f}v8")
    return f'<path d="{"".join(moves)}" fill="none" stroke="{color}" stroke-width="1.6"/>' if moves else ""


def _tick(value: float, percent: bool) -> str:
    return f"{value:.0%}" if percent else f"{value:g}"


def _value(value: float, percent: bool) -> str:
    if percent:
        return f"{value:.0%}" if value >= 0.0995 or value == 0.0 else f"{value:.1%}"
    return short(value)
