"""Building blocks of the HTML pages: escaping, numbers as people read them, tables, and one self-contained document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

HEAT_LEVELS = 16
"""Colours of the heat maps, from nothing to the largest value."""

_HEAT_LIGHT = ("#fbfce8", "#d9efb8", "#8fd3b6", "#3fa9c0", "#2271ad", "#14296b")
_HEAT_DARK = ("#202a33", "#23435a", "#256b86", "#35a08f", "#9fcf6a", "#fdf3a0")


def text(value: object) -> str:
    """Any value, safe between tags and inside attributes."""
    return escape(str(value), quote=True)


def short(value: float, digits: int = 3) -> str:
    """A number with three significant digits, without needless exponents or zeros."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else str(value)
    if value == 0:
        return "0"
    if 0.1 <= abs(value) < 1000:
        return f"{value:.2f}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.{digits}g}"


def rounded(value: float) -> float | None:
    """A number for the page's own data: four significant digits; None where it is not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def data(value: Any) -> str:
    """JSON that may stand inside a script element or an attribute."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def section(title: str, *parts: str, say: str = "", wide: bool = False) -> str:
    """A titled card; ``say`` is the sentence below the title."""
    lead = f'<p class="say">{say}</p>' if say else ""
    kind = ' class="wide"' if wide else ""
    return f"<section{kind}><h2>{text(title)}</h2>{lead}{''.join(parts)}</section>"


def tile(what: str, value: str, *below: str) -> str:
    """A number that is read first."""
    lines = "".join(f"<span>{text(line)}</span>" for line in below if line)
    return f'<div class="tile"><span class="what">{text(what)}</span><b>{text(value)}</b>{lines}</div>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of cells that are markup already."""
    top = "".join(f"<th>{text(head)}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def document(title: str, *parts: str) -> str:
    """One HTML page that needs nothing besides itself."""
    assets = files("netagents.reports") / "assets"
    style = (assets / "report.css").read_text(encoding="utf-8") + _heat_rules()
    script = (assets / "report.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An empty icon: without it a browser asks for one.
        f'<link rel="icon" href="data:,"><title>{text(title)}</title>\n<style>{style}</style></head>\n'
        f"<body><main>{''.join(parts)}</main>\n<script>{script}</script></body></html>\n"
    )


def _heat_rules() -> str:
    light = "".join(f".h{level}{{fill:{_ramp(_HEAT_LIGHT, level)}}}" for level in range(HEAT_LEVELS))
    dark = "".join(f".h{level}{{fill:{_ramp(_HEAT_DARK, level)}}}" for level in range(HEAT_LEVELS))
    return f"{light}@media (prefers-color-scheme: dark){{{dark}}}"


def _ramp(anchors: Sequence[str], level: int) -> str:
    place = level / (HEAT_LEVELS - 1) * (len(anchors) - 1)
    first = min(int(place), len(anchors) - 2)
    parts = [[int(anchor[at : at + 2], 16) for at in (1, 3, 5)] for anchor in anchors[first : first + 2]]
    mixed = [round(a + (b - a) * (place - first)) for a, b in zip(*parts, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)
