"""Power matrices as SVG: colour for power, strokes over what cannot be trusted, grey for what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.measures.power import PowerMatrix
from netagents.reports.html import HEAT_LEVELS, data, heat_rules, rounded, short, text
from netagents.reports.image_files import Drawing
from netagents.reports.power_history import PowerWindow

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LARGE = 560.0
_LEFT, _BOTTOM = 46.0, 40.0
MATRIX_TOP, MATRIX_SIDE = 8.0, _LARGE - _LEFT
"""Where the matrix begins in its drawing, and how long its sides are."""
_SMALL = 30
"""Up to so many agents a cell has room for three strokes."""

_NUMBERED = 12
"""Up to so many agents each trusted cell shows its value."""


def power_maps(windows: Sequence[PowerWindow], measured: BoolArray, names: Sequence[str]) -> Markup:
    """The last window large, all of them small, and what the colours mean.

    Args:
        windows: see :func:`netagents.reports.power_history.power_history`; the last one is shown large.
        measured: (n, n) bool, the critic of i (column) is indexed by j (row).
        names: of the agents.
    """
    n = len(names)
    top = _top([window.matrix for window in windows])
    symbols = "".join(
        f'<symbol id="map-{at}" viewBox="0 0 {n} {n}" preserveAspectRatio="none">{_cells(window.matrix, measured, top)}</symbol>'
        for at, window in enumerate(windows)
    )
    store = f'<svg style="position:absolute;width:0;height:0" aria-hidden="true">{symbols}</svg>'
    thumbs = "".join(
        f'<figure data-frame="{at}"{" class=on" if at == len(windows) - 1 else ""}><svg viewBox="0 0 100 100">'
        f'<use href="#map-{at}" width="100" height="100"/><rect class="frame" width="100" height="100"/></svg>'
        f"<figcaption>{text(window.title)}</figcaption></figure>"
        for at, window in enumerate(windows)
    )
    newest = len(windows) - 1
    large = (
        f'<h3 class="readout" id="large-title">{text(windows[newest].title)}</h3>{_large(newest, n, names)}'
        '<div class="readout" id="power-readout"></div>'
    )
    facts = {"n": n, "names": list(names), "titles": [window.title for window in windows], **_numbers(windows, measured)}
    return Markup(
        f'{store}<div class="maps"><div>{large}</div><div>{_key(windows, measured, top)}'
        f'<div class="thumbs">{thumbs}</div></div></div><script type="application/json" id="power-data">{data(facts)}</script>'
    )


def matrix_drawing(matrix: PowerMatrix, display_mask: BoolArray, names: Sequence[str]) -> Drawing:
    """One matrix, large, as a drawing for an image file.

    Args:
        matrix: to draw. display_mask: (n, n) bool, pairs whose power was looked for. names: of the agents.
    """
    n = len(names)
    frame = f'x="{_LEFT}" y="{MATRIX_TOP}" width="{MATRIX_SIDE}" height="{MATRIX_SIDE}"'
    cells = f'<svg {frame} viewBox="0 0 {n} {n}" preserveAspectRatio="none">{_cells(matrix, display_mask, matrix_top(matrix))}</svg>'
    inside = Markup(f"<style>{heat_rules()}</style>{cells}{_frame_and_names(n, names)}")
    return Drawing(inside, _LARGE, MATRIX_TOP + MATRIX_SIDE + _BOTTOM, 620.0)


def matrix_key(matrix: PowerMatrix, display_mask: BoolArray) -> list[str]:
    """What the marks in a matrix mean, of those that it has."""
    finite = np.isfinite(matrix.values)
    marks = {
        "hatched: too far, or error too large": bool(_hatched(matrix).any()),
        "grey: unknown, alternatives too rarely played": bool((display_mask & ~finite).any()),
        "orange: cannot influence, so noise": bool((finite & matrix.impossible & matrix.near).any()),
        "white: beyond the critic's radius": bool((~display_mask).sum() > len(display_mask)),
    }
    return [words for words, present in marks.items() if present]


def matrix_top(matrix: PowerMatrix) -> float:
    """The value at the dark end of the scale of one matrix."""
    return _top([matrix])


def _top(matrices: Sequence[PowerMatrix]) -> float:
    """The value at the dark end of the scale: the largest that can be trusted, else the largest at all."""
    for trusted in (True, False):
        entries = [matrix.values[matrix.reliable if trusted else np.isfinite(matrix.values)] for matrix in matrices]
        values = np.concatenate(entries)
        if values.size and float(values.max()) > 0.0:
            return float(values.max())
    return 1.0


def _cells(matrix: PowerMatrix, measured: BoolArray, top: float) -> str:
    """All cells in units of one cell: one path per colour, one for the strokes."""
    n = len(matrix.values)
    finite = np.isfinite(matrix.values)
    with np.errstate(invalid="ignore"):
        scaled = np.sqrt(np.clip(matrix.values / top, 0.0, 1.0))
    level = np.where(finite, np.nan_to_num(scaled) * (HEAT_LEVELS - 1), -1.0).round().astype(np.int64)
    parts = [_squares(np.argwhere(finite & (level == each)), f"h{each}") for each in range(HEAT_LEVELS)]
    parts.append(_squares(np.argwhere(measured & ~finite), "unknown"))
    stroke = "M{i} {j1}l1 -1" if n > _SMALL else "M{i} {j5}l.5 -.5M{i} {j1}l1 -1M{i5} {j1}l.5 -.5"
    strokes = "".join(stroke.format(i=i, i5=i + 0.5, j5=j + 0.5, j1=j + 1) for j, i in np.argwhere(_hatched(matrix)).tolist())
    if strokes:
        width = 0.12 if n > _SMALL else 0.035
        parts.append(f'<path class="hatch-under" stroke-width="{2.5 * width:.3g}" d="{strokes}"/>')
        parts.append(f'<path class="hatch" stroke-width="{width}" d="{strokes}"/>')
    dots = np.argwhere(finite & matrix.near & matrix.impossible).tolist()
    if dots:
        path = "".join(f"M{i + 0.36:.2f} {j + 0.36:.2f}h.28v.28h-.28z" for j, i in dots)
        parts.append(f'<path class="noise" d="{path}"/>')
    if n <= _NUMBERED:
        parts.extend(
            f'<text class="cell {"over" if level[j, i] > 0.55 * HEAT_LEVELS else ""}" x="{i + 0.5}" y="{j + 0.57}">'
            f"{short(float(matrix.values[j, i]), 2)}</text>"
            for j, i in np.argwhere(matrix.reliable & ~matrix.impossible).tolist()
        )
    return "".join(parts)


def _hatched(matrix: PowerMatrix) -> BoolArray:
    """Entries that are not reliable, other than the noise of pairs that cannot influence each other."""
    hatched: BoolArray = np.isfinite(matrix.values) & ~matrix.reliable & ~(matrix.near & matrix.impossible)
    return hatched


def _squares(cells: NDArray[np.intp], kind: str) -> str:
    if len(cells) == 0:
        return ""
    path = "".join(f"M{i} {j}h1v1h-1z" for j, i in cells.tolist())
    return f'<path class="{kind}" d="{path}"/>'


def _large(frame: int, n: int, names: Sequence[str]) -> str:
    map_ = f'<use href="#map-{frame}" x="{_LEFT}" y="{MATRIX_TOP}" width="{MATRIX_SIDE}" height="{MATRIX_SIDE}"/>'
    box = f"0 0 {_LARGE} {MATRIX_TOP + MATRIX_SIDE + _BOTTOM}"
    return f'<svg id="large-map" viewBox="{box}" role="img" data-figure="">{map_}{_frame_and_names(n, names)}</svg>'


def _frame_and_names(n: int, names: Sequence[str]) -> str:
    side = MATRIX_SIDE
    cell = side / n
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 100_000) if cell * each >= 18.0)
    parts = []
    parts.append(f'<rect class="frame" x="{_LEFT}" y="{MATRIX_TOP}" width="{side}" height="{side}"/>')
    for agent in range(0, n, step):
        middle = (agent + 0.5) * cell
        label = text(names[agent] if len(names[agent]) <= 4 else agent)
        parts.append(f'<text x="{_LEFT - 6}" y="{MATRIX_TOP + middle + 4.5:.1f}" text-anchor="end">{label}</text>')
        parts.append(f'<text x="{_LEFT + middle:.1f}" y="{MATRIX_TOP + side + 17:.1f}" text-anchor="middle">{label}</text>')
    parts.append(f'<text x="{_LEFT + side / 2}" y="{MATRIX_TOP + side + 36}" text-anchor="middle" class="strong">over agent i</text>')
    parts.append(
        f'<text transform="translate(12 {MATRIX_TOP + side / 2}) rotate(-90)" text-anchor="middle" class="strong">power of agent j</text>'
    )
    return "".join(parts)


def _numbers(windows: Sequence[PowerWindow], measured: BoolArray) -> dict[str, object]:
    """What the pointer reads: pairs [j, i, kind] with kind 1 for too far and 2 for cannot influence, and per window values, errors and
    whether each is reliable."""
    finite = np.any([np.isfinite(window.matrix.values) for window in windows], axis=0)
    cells = np.argwhere(finite | measured)
    kinds = np.where(windows[-1].matrix.impossible, 2, np.where(windows[-1].matrix.near, 0, 1))

    def each(matrices: list[NDArray[Any]]) -> list[list[object]]:
        return [[rounded(float(value)) for value in matrix[cells[:, 0], cells[:, 1]].tolist()] for matrix in matrices]

    return {
        "pairs": [[j, i, int(kinds[j, i])] for j, i in cells.tolist()],
        "frames": each([window.matrix.values for window in windows]),
        "errors": each([window.matrix.error for window in windows]),
        "reliable": each([window.matrix.reliable for window in windows]),
    }


def _key(windows: Sequence[PowerWindow], measured: BoolArray, top: float) -> str:
    matrices = [window.matrix for window in windows]
    finite = [np.isfinite(matrix.values) for matrix in matrices]
    ramp = "".join(f'<rect class="h{level}" x="{level}" width="1.05" height="1"/>' for level in range(HEAT_LEVELS))
    marks = [
        f'<span>power of j over i: 0 <span class="ramp"><svg viewBox="0 0 {HEAT_LEVELS} 1" preserveAspectRatio="none">{ramp}</svg></span> '
        f"{short(top)}</span>"
    ]
    box = '<svg viewBox="0 0 1 1"><rect class="h3" width="1" height="1"/>'
    if any(_hatched(matrix).any() for matrix in matrices):
        hatch = f'{box}<path class="hatch" stroke-width=".14" d="M0 1L1 0"/></svg>'
        marks.append(f"<span>{hatch}hatched: not reliable, too far or its error too large</span>")
    if any((known & matrix.near & matrix.impossible).any() for known, matrix in zip(finite, matrices, strict=True)):
        floor = matrices[-1].noise_floor
        level = f", on average {short(floor, 2)}" if np.isfinite(floor) else ""
        marks.append(
            f'<span>{box}<rect class="noise" x=".36" y=".36" width=".28" height=".28"/></svg>'
            f"j cannot influence i, so this is noise{level}</span>"
        )
    if any((measured & ~known).any() for known in finite):
        marks.append(
            '<span><svg viewBox="0 0 1 1"><rect class="unknown" width="1" height="1"/></svg>unknown: alternatives too rarely played</span>'
        )
    if int((~measured).sum()) > len(measured):
        marks.append("<span>blank: beyond the critic's radius</span>")
    return f'<div class="key">{"".join(marks)}</div>'
