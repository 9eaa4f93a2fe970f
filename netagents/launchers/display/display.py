"""Display protocol: what a launcher reports about a run while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from netagents.nodes.monitor.progress_view import ProgressView


class Display(Protocol):
    """Shows views and notices.  No method may disturb the run: none blocks, none raises."""

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        """The run ``title`` has begun, with these processes (role to process number; empty if all share one)."""

    def show(self, view: ProgressView) -> None:
        """Show the run after an iteration."""

    def note(self, line: str) -> None:
        """Show a line of text."""

    def close(self) -> None:
        """End the display, however the run has ended; may be called again."""


class SilentDisplay:
    """Shows nothing."""

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        """Nothing."""

    def show(self, view: ProgressView) -> None:
        """Nothing."""

    def note(self, line: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
