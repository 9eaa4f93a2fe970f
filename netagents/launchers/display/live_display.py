"""The live view on a terminal: how far, how good, who holds power, how fast, and who keeps the others waiting."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from netagents.errors import printable
from netagents.launchers.display.pace import Pace, duration
from netagents.launchers.display.process_probe import Probe
from netagents.nodes.monitor.progress_view import ProgressView

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

REFRESHES_PER_SECOND = 4
PROBE_SECONDS = 1.0
_BLOCKS = "▁▂▃▄▅▆▇█"
_NUMBERED = 30
_MOST_SHOWN = 240
_SLOW_LEAD = 20
"""Percentage points by which an agent must work longer than the median one to stand out as slow."""


class LiveDisplay:
    """A few lines that are redrawn in place.  They fit 60 columns; nothing is drawn until the terminal is asked for it.

    Args:
        console: where to draw (default: standard error).
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._pace = Pace()
        self._title = "starting"
        self._view: ProgressView | None = None
        self._probe = Probe({})
        self._nodes = 0
        self._probed = -math.inf
        self._probe_text = ""
        self._live = Live(
            console=Console(stderr=True) if console is None else console,
            refresh_per_second=REFRESHES_PER_SECOND,
            get_renderable=self.picture,
            # Nothing of what a program prints is held back or changed.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        """Take in the title and the processes."""
        # The run does not wait for its monitor or its forkserver, so these do not explain a silence.
        awaited = {role: pid for role, pid in processes.items() if role == "environment" or role.startswith("agent_")}
        self._title, self._probe, self._nodes = title, Probe(awaited), len(processes)

    def show(self, view: ProgressView) -> None:
        """Take in a view; it is drawn at the next refresh."""
        self._pace.update(view)
        self._view = view

    def note(self, line: str) -> None:
        """The line above the view."""
        self._live.console.print(printable(line), highlight=False, markup=False)

    def close(self) -> None:
        """Leave the last picture standing and the terminal as it was."""
        self._live.stop()

    def picture(self) -> RenderableType:
        """What is drawn now."""
        from rich.console import Group
        from rich.text import Text

        view = self._view
        if view is None:
            waiting = f"waiting for the first iteration of {self._nodes} processes" if self._nodes else "waiting for the first iteration"
            return Text.assemble((self._title, "bold"), f"  {waiting}, {duration(self._pace.elapsed)}")
        lines: list[RenderableType] = [self._bar(view), self._numbers(view), self._rates(view)]
        if view.busy:
            lines.append(self._agents(view))
        silence = self._pace.silence() if view.iteration < view.total else 0.0
        if silence > 0.0:
            lines.append(self._silence(silence))
        else:
            self._probe_text = ""
        return Group(*lines)

    def _bar(self, view: ProgressView) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if view.iteration >= view.total:
            left = f"done in {duration(self._pace.elapsed)}"
        else:
            left = f"{duration(self._pace.left)} left" if math.isfinite(self._pace.left) else ""
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        bar = ProgressBar(total=view.total, completed=view.iteration)
        grid.add_row(Text(self._title, style="bold"), bar, f"{view.iteration}/{view.total}", Text(left, style="cyan"))
        return grid

    def _numbers(self, view: ProgressView) -> Text:
        from rich.text import Text

        text = Text.assemble("return ", (f"{view.team_return:.2f}", "bold green"))
        if view.utility != 0.0:
            text.append("  utility ").append(f"{view.utility:.3f}", style="bold green")
        if view.top_holder < 0:
            text.append("  top power ").append("not known", style="dim")
        else:
            alike = "" if view.leaders == 1 else f", one of {view.leaders} alike"
            text.append("  top power ").append(f"agent {view.top_holder} {view.top_share:.0%}{alike}", style="bold magenta")
        return text

    def _rates(self, view: ProgressView) -> Text:
        from rich.text import Text

        rate = f"{self._pace.message_rate:,.0f} messages/s  " if math.isfinite(self._pace.message_rate) else ""
        text = Text(f"{rate}{view.messages:,} messages, {view.payload / 1e6:.3g} MB per iteration", style="dim")
        if view.dropped:
            text.append(f"  {view.dropped} views dropped", style="yellow")
        return text

    def _agents(self, view: ProgressView) -> Text:
        """One bar per agent: the share of the iteration in which it worked instead of waiting."""
        from rich.text import Text

        busy = np.array(view.busy, dtype=np.float64)
        usual = float(np.median(busy))
        slow = view.slowest if 0 <= view.slowest < len(busy) and busy[view.slowest] > usual + _SLOW_LEAD else -1
        text = Text("work ")
        for agent, share in enumerate(view.busy[:_MOST_SHOWN]):
            block = _BLOCKS[min(len(_BLOCKS) - 1, share * len(_BLOCKS) // 101)]
            style = "bold white on red" if agent == slow else "green"
            if len(busy) <= _NUMBERED:
                text.append(f"{agent}", style="bold red" if agent == slow else "dim").append(block, style=style).append(" ")
            else:
                text.append(block, style=style)
        if len(busy) > _MOST_SHOWN:
            text.append(f" and {len(busy) - _MOST_SHOWN} more", style="dim")
        if slow >= 0:
            text.append(
                f"\nslow: agent {slow} works {view.busy[slow]}% of the time, others {usual:.0f}%; they wait for it", style="bold red"
            )
        return text

    def _silence(self, seconds: float) -> Text:
        from rich.text import Text

        now = time.monotonic()
        if now - self._probed >= PROBE_SECONDS:
            self._probed = now
            self._probe_text = self._probe.poll(now)
        found = f": {self._probe_text}" if self._probe_text else ""
        return Text(f"silent for {duration(seconds)}{found}", style="bold white on red")
