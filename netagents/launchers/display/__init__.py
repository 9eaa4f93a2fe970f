"""Displays of a run's progress: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys

from netagents.launchers.display.display import Display, SilentDisplay
from netagents.launchers.display.plain_display import PlainDisplay

__all__ = ["Display", "PlainDisplay", "SilentDisplay", "make_display"]


def make_display(visible: bool) -> Display:
    """The display for standard error: live on a terminal, lines in a pipe or on a dumb terminal."""
    import os

    if not visible:
        return SilentDisplay()
    if sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        from netagents.launchers.display.live_display import LiveDisplay

        return LiveDisplay()
    return PlainDisplay()
