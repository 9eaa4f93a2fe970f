"""The live view fits narrow terminals, names who is slow or stopped, and never stands in a run's way."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from netagents.launchers.display import PlainDisplay, SilentDisplay, make_display
from netagents.launchers.display.live_display import LiveDisplay
from netagents.launchers.display.process_probe import Probe
from netagents.launchers.display.progress_rate import SILENT_SECONDS, ProgressRate, duration
from netagents.nodes.monitor.progress_view import ProgressView


def view(iteration: int = 5, busy: tuple[int, ...] = (), slowest: int = -1, utility: float = 0.0) -> ProgressView:
    return ProgressView(iteration, 60, 23.456, utility, 1, 0.8, 4890, 3_770_000, 0, slowest, busy)


def drawn(display: LiveDisplay, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, no_color=True, highlight=False)
    console.print(display.picture())
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def live():
    display = LiveDisplay(Console(file=io.StringIO(), force_terminal=True, width=60))
    yield display
    display.close()


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("agents", [0, 10, 100, 1000])
def test_every_line_fits_the_terminal(live: LiveDisplay, width: int, agents: int) -> None:
    live.started("a-name-as-long-as-names-may-be-" + "x" * 33, {f"agent_{i}": 0 for i in range(agents)})
    assert all(len(line) <= width for line in drawn(live, width))
    for iteration in (5, 6, 60):
        live.show(view(iteration, tuple(i % 101 for i in range(agents)), slowest=agents - 1, utility=0.5))
        lines = drawn(live, width)
        assert all(len(line) <= width for line in lines)
        assert len(lines) < 14
    text = "\n".join(lines)
    assert "60/60" in text
    assert "done in" in text
    assert "return 23.46" in text
    assert "agent 1 80%" in text


def test_an_agent_that_works_while_others_wait_stands_out(live: LiveDisplay) -> None:
    live.show(view(5, (20, 21, 95, 19), slowest=2))
    assert "slow: agent 2 works 95% of the time, others 20%" in "\n".join(drawn(live, 80))
    live.show(view(6, (20, 21, 25, 19), slowest=2))
    assert "slow" not in "\n".join(drawn(live, 80))


def test_silence_names_the_process_that_is_stopped(monkeypatch: pytest.MonkeyPatch, live: LiveDisplay) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        live.started("run", {"agent_0": os.getpid(), "agent_1": sleeper.pid, "monitor": 1})
        live.show(view(5))
        assert "silent" not in "\n".join(drawn(live, 80))
        os.kill(sleeper.pid, signal.SIGSTOP)
        until = time.monotonic() + 5
        while Probe({"agent_1": sleeper.pid}).poll(0.0) == "" and time.monotonic() < until:
            time.sleep(0.01)
        monkeypatch.setattr(ProgressRate, "silence", lambda _: SILENT_SECONDS + 1)
        assert "silent for 4 s: agent 1 is stopped, the others wait" in "\n".join(drawn(live, 80))
    finally:
        sleeper.kill()
        sleeper.wait()


def test_silence_is_measured_against_the_usual_pace() -> None:
    now = [0.0]
    rate = ProgressRate(lambda: now[0])
    assert rate.silence() == 0.0
    for iteration in range(1, 5):
        now[0] += 2.0
        rate.update(view(iteration))
    assert rate.seconds_left == pytest.approx(112.0)
    assert rate.message_rate == pytest.approx(3 * 4890 / 6.0)
    now[0] += 11.0
    assert rate.silence() == 0.0
    now[0] += 2.0
    assert rate.silence() == pytest.approx(13.0)


def test_closing_gives_the_cursor_back_even_twice() -> None:
    stream = io.StringIO()
    display = LiveDisplay(Console(file=stream, force_terminal=True, width=80))
    display.show(view())
    display.note("the monitor was killed by SIGKILL; the run goes on without it")
    display.close()
    display.close()
    text = stream.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "the run goes on without it" in text


def test_without_a_terminal_there_are_plain_lines_and_a_closed_pipe_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_display(True), PlainDisplay)
    assert isinstance(make_display(False), SilentDisplay)
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.started("small", {"environment": 1, "agent_0": 2})
    display.show(view(59))
    display.show(view(60))
    assert stream.getvalue().splitlines() == [
        "small: 2 processes started",
        "iteration 59/60 | return 23.46 | top power: agent 1 with 80%",
        stream.getvalue().splitlines()[2],
    ]
    stream.close()
    display.note("nobody reads this")
    display.show(view(60))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(make_display(True), PlainDisplay)


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (125, "2:05"), (3725, "1:02:05"), (-3, "0 s")])
def test_durations_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_views_travel_whole() -> None:
    sent = view(7, (1, 2, 3), slowest=1)
    assert ProgressView.from_json(sent.to_json()) == sent
