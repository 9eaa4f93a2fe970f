"""Inline pictures: figures as images inside an HTML page, which needs no other file then."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from markupsafe import Markup

from netagents.reports.html import html
from netagents.reports.style import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(figure: Figure, words: str) -> Markup:
    """A figure as an image of a page, with words for those who do not see it."""
    figure.set_dpi(150)
    encoded = base64.b64encode(png(figure)).decode()
    image = '<img alt="{}" style="width:100%;height:auto;border-radius:6px" src="data:image/png;base64,{}">'
    return html(image, words, encoded)
