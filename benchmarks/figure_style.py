"""Figures of benchmarks with matplotlib: one look, no global state, drawn off screen."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Literal

from netagents.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2a37"
QUIET = "#6b7280"
FAINT = "#e5e7eb"
MAIN = "#1f5fa8"
ACCENT = "#c2500b"
GOOD = "#2f7d4f"
DPI = 110


def new_figure(width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained") -> Figure:
    """A figure of ``width`` x ``height`` inches that belongs to no window and no global list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def calm(axes: Axes) -> None:
    """Take away what says nothing: the box around the data, heavy ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    axes.tick_params(colors=QUIET, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes.

    Every text is drawn as it is written: names and settings may hold what would be a formula, control characters, or signs without a glyph.
    """
    from matplotlib import rc_context
    from matplotlib.text import Text

    buffer = io.BytesIO()
    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ", category=UserWarning)
        for text in figure.findobj(Text):
            if isinstance(text, Text):
                text.set_parse_math(False)
                text.set_text(printable(text.get_text(), keep="\n"))
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
