"""Image files of figures: drawings of pages as PNG and as SVG files that stand alone, in the light or the dark colours of the pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import NamedTuple

from markupsafe import Markup

from netagents.errors import printable
from netagents.reports.chart import Chart
from netagents.reports.chart_svg import WIDTH, bare
from netagents.reports.html import html, resolved, theme

MARGIN = 16
DENSITY = 1.6
"""Pixels of an image per unit of its drawing."""
_LETTERS = 9.2
"""Pixels of a letter of a title, about."""


class Drawing(NamedTuple):
    """A drawing as a piece of an image.

    Attributes:
        inside: markup of what is inside its ``<svg>``.
        width, height: of its own coordinates.
        across: pixels that it takes in the image; its height follows.
        left: where it begins; drawings that begin further left go below what is there.
    """

    inside: Markup
    width: float
    height: float
    across: float
    left: float = 0.0


def chart_image(title: str, below: str, charts: Sequence[Chart], footer: str = "") -> bytes:
    """Charts one below the other as a PNG.

    Args:
        title: what they say. below: which data they are of. charts: at least one. footer: small, at the end.
    """
    drawings = [Drawing(bare(chart), WIDTH, chart.height, 700.0) for chart in charts]
    return png(svg_file(title, below, drawings, footer))


def svg_file(title: str, below: str, drawings: Sequence[Drawing], footer: str = "", dark: bool = False) -> str:
    """Drawings with a title above and a line below as an SVG document that needs nothing besides itself.

    Args:
        title: lines, the first one bold.
        below: a quiet line under the title.
        drawings: one below the other, those whose ``left`` is larger than that of the one before beside it.
        footer: a quiet line at the end.
        dark: in the colours for a dark page.
    """
    wide = max(drawing.left + drawing.across for drawing in drawings)
    parts, y = [], MARGIN + 14.0
    for row, line in enumerate(title.split("\n") if title else []):
        for piece in _wrapped(line, int(wide / _LETTERS)):
            parts.append(html('<text class="title{}" x="{}" y="{}">{}</text>', " first" if row == 0 else "", MARGIN, f"{y:.0f}", piece))
            y += 21
    if below:
        parts.append(html('<text x="{}" y="{}">{}</text>', MARGIN, f"{y:.0f}", below))
        y += 21
    top, lowest, before = y - 8, y - 8, -1.0
    for drawing in drawings:
        if drawing.left <= before:
            top = lowest
        before = drawing.left
        height = drawing.across * drawing.height / drawing.width
        frame = '<svg x="{}" y="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>'
        numbers = [f"{value:.1f}" for value in (MARGIN + drawing.left, top, drawing.across, height, drawing.width, drawing.height)]
        parts.append(html(frame, *numbers, drawing.inside))
        lowest = max(lowest, top + height + 6)
    if footer:
        for line in _wrapped(footer, int(wide / 6.6)):
            lowest += 15
            parts.append(html('<text class="foot" x="{}" y="{}">{}</text>', MARGIN, f"{lowest:.0f}", line))
    width, height = wide + 2 * MARGIN, lowest + MARGIN
    style = html("<style>{}</style>", Markup(resolved(_STYLE, dark)))
    back = html('<rect width="{}" height="{}" fill="{}"/>', f"{width:.0f}", f"{height:.0f}", theme(dark)["card"])
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
    return printable(f"{head}{style}{back}{_in_tags(Markup().join(parts), dark)}</svg>\n", keep="\n")


def png(svg: str, density: float = DENSITY) -> bytes:
    """An SVG document as PNG; the same document gives the same bytes on every machine, since its letters come with netagents."""
    import resvg_py

    fonts = files("netagents.reports") / "assets" / "fonts"
    with as_file(fonts) as folder:
        image: bytes = resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=density,
            skip_system_fonts=True,
            font_dirs=[str(folder)],
            font_family="DejaVu Sans",
            sans_serif_family="DejaVu Sans",
        )
    return bytes(image)


_STYLE = """
text { font-family: "DejaVu Sans", sans-serif; font-size: 12.5px; fill: var(--quiet); }
.title { font-size: 15px; fill: var(--ink); } .first { font-weight: bold; } .foot { font-size: 11.5px; }
.strong { fill: var(--ink); } .axis { stroke: var(--quiet); } .rule { stroke: var(--faint); } .cursor { display: none; }
.edge { stroke: var(--edge); fill: none; } .frame { stroke: var(--faint); fill: none; }
.hatch-under { stroke: var(--hatch-under); fill: none; } .hatch { stroke: var(--hatch); fill: none; }
.unknown { fill: var(--unknown); } .noise { fill: var(--accent); }
.cell { font-size: 0.24px; fill: var(--ink); text-anchor: middle; } .over { fill: var(--inverse); }
"""


def _in_tags(markup: str, dark: bool) -> str:
    """Markup with colours in place of their names inside tags; what stands between tags is text, whatever it looks like."""
    return re.sub(r"<[^>]*>", lambda tag: resolved(tag[0], dark), markup)


def _wrapped(line: str, letters: int) -> list[str]:
    from textwrap import wrap

    return wrap(line, max(letters, 20)) or [""]
