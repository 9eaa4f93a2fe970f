"""Pictures as an animated GIF, drawn with Pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netagents.environments.picture import Marker, Picture, Tile
from netagents.reports.animation.terminal_frames import readable_on

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SMOOTH = 3
"""Frames are drawn so many times larger, and made smaller again."""

LARGEST, CELL = 720, 64
"""Pixels of the longer side, and of a cell where there is room."""

BAND = 24
"""Pixels of the line of text below."""

HALO_COLOUR = "#ffd23f"

INK = "#1f2a37"
"""Of outlines and text: an image has no themes."""


def gif(pictures: Sequence[Picture], captions: Sequence[str], frames_per_second: float, halos: Sequence[float] | None = None) -> bytes:
    """The animation, endlessly repeated.

    Args:
        pictures, captions: one each per frame.
        frames_per_second: speed; GIFs keep hundredths of a second.
        halos: per agent, a share of the largest: the width of a halo.
    """
    frames = [frame(picture, caption, halos).quantize(colors=64) for picture, caption in zip(pictures, captions, strict=True)]
    buffer = io.BytesIO()
    pause = max(20, round(1_000 / frames_per_second))
    # The last picture stays for a second.
    durations = [pause] * (len(frames) - 1) + [max(pause, 1_000)]
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1)
    return buffer.getvalue()


def frame(picture: Picture, caption: str, halos: Sequence[float] | None = None) -> Image.Image:
    """One picture with its line of text."""
    from PIL import Image, ImageDraw

    scale = SMOOTH * min(CELL, LARGEST / max(picture.width, picture.height))
    width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    drawn = Image.new("RGB", (width, height), picture.background)
    pen = ImageDraw.Draw(drawn)
    for tile in picture.tiles:
        _tile(pen, tile, scale)
    for marker in picture.markers:
        if halos is not None and marker.agent is not None and halos[marker.agent] > 0.0:
            _disc(pen, marker.x * scale, marker.y * scale, (marker.radius + 0.05 + 0.2 * halos[marker.agent]) * scale, HALO_COLOUR)
    for marker in picture.markers:
        _marker(pen, marker, scale)
    small = drawn.resize((max(1, width // SMOOTH), max(1, height // SMOOTH)), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (max(small.width, 240), small.height + BAND), "#ffffff")
    whole.paste(small, (0, 0))
    _text(ImageDraw.Draw(whole), 6.0, small.height + BAND / 2, caption, 13.0, INK, "lm")
    return whole


def _tile(pen: ImageDraw.ImageDraw, tile: Tile, scale: float) -> None:
    left, top, right, bottom = tile.x * scale, tile.y * scale, (tile.x + tile.width) * scale, (tile.y + tile.height) * scale
    # A thin line of the ground shows between tiles, as far as they are large enough.
    gap = min(0.5 * SMOOTH, 0.02 * scale)
    pen.rectangle((left + gap, top + gap, right - gap, bottom - gap), fill=tile.colour)
    if tile.text:
        size = 0.42 * scale * min(tile.width, tile.height)
        _text(pen, (left + right) / 2, (top + bottom) / 2, tile.text, size, readable_on(tile.colour))


def _marker(pen: ImageDraw.ImageDraw, marker: Marker, scale: float) -> None:
    x, y, radius = marker.x * scale, marker.y * scale, marker.radius * scale
    _disc(pen, x, y, radius, marker.colour, INK)
    if marker.heading is not None:
        ahead = (math.cos(marker.heading), math.sin(marker.heading))
        tip = (x + 1.12 * radius * ahead[0], y + 1.12 * radius * ahead[1])
        sides = [
            (x + 0.75 * radius * (ahead[0] - turn * ahead[1]), y + 0.75 * radius * (ahead[1] + turn * ahead[0])) for turn in (0.45, -0.45)
        ]
        pen.polygon([tip, *sides], fill="#ffffff", outline=INK)
    label = marker.text if marker.agent is None else str(marker.agent)
    _text(pen, x, y, label, 1.0 * radius, readable_on(marker.colour))
    if marker.badge:
        beside = marker.heading if marker.heading is not None else math.pi / 4
        _disc(pen, x + 0.95 * radius * math.cos(beside), y + 0.95 * radius * math.sin(beside), 0.45 * radius, marker.badge, INK)


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: str, outline: str | None = None) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=outline, width=SMOOTH)


def _text(pen: ImageDraw.ImageDraw, x: float, y: float, words: str, size: float, colour: str, anchor: str = "mm") -> None:
    from PIL import ImageFont

    pen.text((x, y), words, fill=colour, font=ImageFont.load_default(max(1.0, size)), anchor=anchor)
