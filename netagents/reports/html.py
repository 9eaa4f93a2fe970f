"""Building blocks of the HTML pages: escaping, numbers as people read them, tables, and one self-contained document.

Markup has a type of its own (MarkupSafe's ``Markup``).  Every block here escapes whatever is not of that type, so that a name, a setting or
a log line that reaches a page as it is stands there as text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from netagents.intervals import significant
from netagents.monitoring.page.page_assets import asset

HEAT_LEVELS = 16
"""Colours of the heat maps, from nothing to the largest value."""

_UNREADABLE = re.compile(r"[^\x20-\x7e\n\t]")
"""Among these characters are those that do not print."""

_INTERVAL = re.compile(r"(\S+) (\[[^\[\]]*\])(?: (.+))?")

_ANCHORS = tuple(f"heat{at}" for at in range(6))


def text(value: object) -> Markup:
    """Any value, safe between tags and inside attributes; markup stays as it is."""
    return escape(value)


def html(template: str, *values: object) -> Markup:
    """A template with values in the places of ``{}``, each escaped unless it is markup."""
    return Markup(template).format(*values)


def joined(parts: Iterable[str]) -> Markup:
    """One part after the other, each escaped unless it is markup."""
    return Markup("").join(parts)


def short(value: float, digits: int = 4) -> str:
    """A number with four significant digits, without needless exponents or zeros; ``unknown`` where it is none."""
    return "unknown" if math.isnan(value) else "0" if abs(value) < 1e-12 else significant(value, digits)


def rounded(value: float) -> float | None:
    """A number for the page's own data: four significant digits; None where it is not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def data(value: Any) -> str:
    """JSON that may stand inside a script element or an attribute; texts in it as they may be shown."""
    return json.dumps(_readable(value), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _readable(value: Any) -> Any:
    """A value whose texts hold no control or direction character."""
    if isinstance(value, str):
        return _UNREADABLE.sub(_code, value)
    if isinstance(value, Mapping):
        return {_readable(key): _readable(inner) for key, inner in value.items()}
    return [_readable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _code(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else ascii(match[0])[1:-1]


@cache
def theme(dark: bool = False) -> dict[str, str]:
    """The colours of all pages by their names, as the style sheet that the live page and reports share has them."""
    pairs = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)", asset("theme.css").decode())
    return {name: dark_color if dark else light for name, light, dark_color in pairs}


def resolved(style: str, dark: bool = False) -> str:
    """Style rules or a tag with the colours in place of their names, for readers that know no CSS variables."""
    colors = theme(dark)
    return re.sub(r"var\(--([a-z0-9-]+)\)", lambda match: colors.get(match[1], match[0]), style)


def section(title: str, *parts: str, caption: str = "", wide: bool = False) -> Markup:
    """A titled card; ``caption`` is the sentence below the title."""
    below = html('<p class="say">{}</p>', caption) if caption else ""
    return html("<section{}><h2>{}</h2>{}{}</section>", Markup(' class="wide"') if wide else "", title, below, joined(parts))


def lead_paragraphs(sentences: Iterable[str]) -> Markup:
    """Sentences that answer the question of a page or a section, before everything they rest on."""
    return joined(html('<p class="lead"><b>{}</b></p>', sentence) for sentence in sentences)


def tile(what: str, value: str, *below: str) -> Markup:
    """A number that is read first."""
    lines = joined(html("<span>{}</span>", line) for line in below if line)
    return html('<div class="tile"><span class="what">{}</span><b>{}</b>{}</div>', what, value, lines)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> Markup:
    """A table."""
    top = joined(html("<th>{}</th>", head) for head in heads)
    body = joined(html("<tr>{}</tr>", joined(_cell(cell) for cell in row)) for row in rows)
    frame = '<div class="scroll"><table class="{}"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    return html(frame, kind, top, body)


def _cell(content: str) -> Markup:
    """A cell; an interval goes below its value where there is no room beside it."""
    match = None if isinstance(content, Markup) else _INTERVAL.fullmatch(content)
    if match is None:
        return html("<td>{}</td>", content)
    return html('<td class="interval">{}</td>', joined([html("<span>{}</span> ", part) for part in match.groups() if part]))


def document(title: str, *parts: str) -> str:
    """One HTML page that needs nothing besides itself; what does not print stands there as ``\\u202e``, as it does in a terminal."""
    assets = files("netagents.reports") / "assets"
    style = asset("theme.css").decode() + (assets / "report.css").read_text(encoding="utf-8") + _heat_rules()
    script = (assets / "report.js").read_text(encoding="utf-8")
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An empty icon: without it a browser asks for one.
        f'<link rel="icon" href="data:,"><title>{text(title)}</title>\n<style>{style}</style></head>\n'
        f"<body><main>{joined(parts)}</main>\n<script>{script}</script></body></html>\n"
    )
    # A name may hold characters that turn the direction of what follows.
    return _UNREADABLE.sub(_code, page)


def page_of_sections(title: str, heading: str, subtitle: str, sections: Iterable[str], answers: Sequence[str] = ()) -> bytes:
    """A whole page as bytes: a heading, a line below it, sentences that answer its question, and sections; empty ones are left out."""
    page = document(
        title,
        html("<h1>{}</h1>", heading),
        html('<p class="quiet">{}</p>', subtitle),
        lead_paragraphs(answers),
        html('<div class="grid">{}</div>', joined(part for part in sections if part)),
    )
    return page.encode("utf-8", "backslashreplace")


def heat_rules() -> str:
    """Rules for the colours of heat maps in light pages."""
    return "".join(f".h{level}{{fill:{_ramp(theme(), level)}}}" for level in range(HEAT_LEVELS))


def _heat_rules() -> str:
    colors = [(_ramp(theme(), level), _ramp(theme(dark=True), level)) for level in range(HEAT_LEVELS)]
    return "".join(f".h{level}{{fill:light-dark({light}, {dark})}}" for level, (light, dark) in enumerate(colors))


def _ramp(colors: Mapping[str, str], level: int) -> str:
    anchors = [colors[name] for name in _ANCHORS]
    place = level / (HEAT_LEVELS - 1) * (len(anchors) - 1)
    first = min(int(place), len(anchors) - 2)
    parts = [[int(anchor[at : at + 2], 16) for at in (1, 3, 5)] for anchor in anchors[first : first + 2]]
    mixed = [round(a + (b - a) * (place - first)) for a, b in zip(*parts, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)
