"""Live display on a terminal: progress, return, power, speed, and the agent for which the others wait."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from netagents.errors import printable
from netagents.launchers.display.process_probe import Probe
from netagents.launchers.display.progress_rate import ProgressRate, duration
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
"""Percentage points above the median working time from which an agent is shown as slow."""


class LiveDisplay:
    """A few lines that are redrawn in place, at most 60 columns wide.

    Args:
        console: to draw on (default: standard error).
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._rate = ProgressRate()
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
            # The output of programs is neither delayed nor changed.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def started(self, title: str, processes: Mapping[str, int]) -> None:
        """Set the title and the processes."""
        # The run does not wait for its monitor or its forkserver, so they do not explain a silence.
        awaited = {role: pid for role, pid in processes.items() if role == "environment" or role.startswith("agent_")}
        self._title, self._probe, self._nodes = title, Probe(awaited), len(processes)

    def show(self, view: ProgressView) -> None:
        """Set the view; it is drawn at the next refresh."""
        self._rate.update(view)
        self._view = view
        for line in view.notices:
            self.note(line)

    def note(self, line: str) -> None:
        """Print the line above the view."""
        self._live.console.print(printable(line), highlight=False, markup=False)

    def close(self) -> None:
        """Keep the last picture, and restore the terminal."""
        self._live.stop()

    def picture(self) -> RenderableType:
        """The picture to draw now."""
        from rich.console import Group
        from rich.text import Text

        view = self._view
        if view is None:
            waiting = f"waiting for the first iteration of {self._nodes} processes" if self._nodes else "waiting for the first iteration"
            return Text.assemble((self._title, "bold"), f"  {waiting}, {duration(self._rate.elapsed)}")
        lines: list[RenderableType] = [self._bar(view), self._numbers(view), self._rates(view)]
        if view.busy:
            lines.append(self._agents(view))
        silence = self._rate.silence() if view.iteration < view.total else 0.0
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
            remaining = f"done in {duration(self._rate.elapsed)}"
        else:
            remaining = f"{duration(self._rate.seconds_left)} left" if math.isfinite(self._rate.seconds_left) else ""
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        bar = ProgressBar(total=view.total, completed=view.iteration)
        grid.add_row(Text(self._title, style="bold"), bar, f"{view.iteration}/{view.total}", Text(remaining, style="cyan"))
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

        rate = f"{self._rate.message_rate:,.0f} messages/s  " if math.isfinite(self._rate.message_rate) else ""
        text = Text(f"{rate}{view.messages:,} messages, {view.payload / 1e6:.3g} MB per iteration", style="dim")
        if view.dropped:
            text.append(f"  {view.dropped} views dropped", style="yellow")
        return text

    def _agents(self, view: ProgressView) -> Text:
        """One bar per agent: the share of the iteration in which it worked instead of waiting."""
        from rich.text import Text

        busy = np.array(view.busy, dtype=np.float64)
        median = float(np.median(busy))
        slow = view.slowest if 0 <= view.slowest < len(busy) and busy[view.slowest] > median + _SLOW_LEAD else -1
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
                f"\nslow: agent {slow} works {view.busy[slow]}% of the time, others {median:.0f}%; they wait for it", style="bold red"
            )
        return text

    def _silence(self, seconds: float) -> Text:
        from rich.text import Text

        now = time.monotonic()
        if now - self._probed >= PROBE_SECONDS:
            self._probed = now
            self._probe_text = self._probe.poll(now)
        reason = f": {self._probe_text}" if self._probe_text else ""
        return Text(f"silent for {duration(seconds)}{reason}", style="bold white on red")
