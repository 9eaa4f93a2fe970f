"""What a launcher tells whoever shows a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from netagents.nodes.monitor.progress_view import ProgressView


class Display(Protocol):
    """Shows views and notices.  No method may disturb the run: none blocks, none raises."""

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        """The run ``title`` has begun, with these processes (role to number; empty when all share one)."""

    def show(self, view: ProgressView) -> None:
        """The run after an iteration."""

    def note(self, line: str) -> None:
        """Something worth a line of its own."""

    def close(self) -> None:
        """Nothing more will come; called however the run ends, and more than once does no harm."""


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
