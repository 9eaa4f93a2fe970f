"""Pictures as one HTML page that needs nothing besides itself: play, pause, and a slider to any step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple
from importlib.resources import files

from markupsafe import Markup

from netagents.environments.picture import Marker, Picture, Tile
from netagents.monitoring.page.page_assets import asset
from netagents.reports.animation.gif_animation import HALO_COLOUR
from netagents.reports.animation.terminal_frames import readable_on
from netagents.reports.html import data, html


def html_animation(
    title: str,
    pictures: Sequence[Picture],
    captions: Sequence[str],
    frames_per_second: float,
    labels: Sequence[str],
    halos: Sequence[float] | None = None,
    measure: str = "power",
) -> str:
    """The page.

    Args:
        title: of the page.
        pictures, captions: one each per frame.
        frames_per_second: speed at first.
        labels: of the agents, for the legend.
        halos: per agent, a share of the largest: the width of a halo.
        measure: what halos show.
    """
    # Walls and the like are the same in most frames: every tile is written once, and frames name them.
    tiles: dict[Tile, int] = {}
    frames = []
    for picture, caption in zip(pictures, captions, strict=True):
        numbers = [tiles.setdefault(tile, len(tiles)) for tile in picture.tiles]
        frames.append([numbers, [_marker(marker) for marker in picture.markers], caption])
    first = pictures[0]
    facts = {
        "width": first.width,
        "height": first.height,
        "background": first.background,
        "tiles": [[*astuple(tile), readable_on(tile.colour)] for tile in tiles],
        "frames": frames,
        "halos": None if halos is None else [round(float(share), 3) for share in halos],
        "halo": HALO_COLOUR,
        "labels": list(labels),
        "speed": frames_per_second,
    }
    assets = files("netagents.reports") / "assets"
    page = (assets / "animation.html").read_text(encoding="utf-8")
    script = (assets / "animation.js").read_text(encoding="utf-8")
    head = html("{}", title)
    legend = Markup("") if halos is None else html("a halo's width is the {} that the agent has over others", measure)
    parts = {"TITLE": head, "LEGEND": legend, "FACTS": data(facts), "SCRIPT": script, "THEME": asset("theme.css").decode()}
    # All at once, so that nothing that a name holds is taken for a place to fill.
    return re.sub("@@([A-Z]+)@@", lambda place: str(parts[place[1]]), page)


def _marker(marker: Marker) -> list[object]:
    heading = None if marker.heading is None else round(marker.heading, 3)
    label = marker.text if marker.agent is None else str(marker.agent)
    ink = readable_on(marker.colour)
    return [round(marker.x, 3), round(marker.y, 3), marker.colour, label, marker.radius, heading, marker.badge, marker.agent, ink]
