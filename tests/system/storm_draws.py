"""Draws of the kill storm: who is struck by which signal at which moment, under which failure policy, and what the run owes afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from live_run import LINE, WIRELESS, LiveRun, Settings, merged, patience, undisturbed

import netagents
from netagents.records.same_bits import same_bits

POLICIES = ("stop_all", "restart", "continue_without")
AGENTS = tuple(f"agent_{index}" for index in range(6))
ROLES = (*AGENTS, "environment", "environment", "monitor", "forkserver", "forkserver", "launcher", "launcher", "tracker")
"""Twice those of which there is only one, since a run depends on them."""
MOMENTS = ("start", "middle", "end")
ITERATIONS = 40
SECONDS = 75.0
"""Within which every run ends, whatever struck it: above the sum of the deadlines of :data:`SOON`; both are longer on a busy machine."""

SOON: Settings = {
    "timeouts": {"join": 12.0, "ready": 8.0, "exchange": 8.0, "answer": 3.0, "stop": 2.0},
    "learning": {"iterations": ITERATIONS},
    "checkpoints": {"every": 7},
}


class Strike(NamedTuple):
    """One signal: to whom, which, at which moment, and how many seconds after it."""

    role: str
    number: signal.Signals
    moment: str
    after: float
    row: int

    def __str__(self) -> str:
        when = f"row {self.row}" if self.moment == "middle" else self.moment
        return f"{self.number.name} to {self.role} {self.after:.2f} s after {when}"


@dataclass(frozen=True)
class Draw:
    """One run of the storm.

    Attributes:
        number: of the draw; everything follows from it.
        base: ``line`` or ``wireless``.
        settings: of the experiment.
        strikes: one or two, in the order of their moments.
    """

    number: int
    base: str
    policy: str
    settings: Settings
    strikes: tuple[Strike, ...]

    def __str__(self) -> str:
        return f"draw {self.number} ({self.base}, {self.policy}): " + ", then ".join(map(str, self.strikes))


def draw(number: int) -> Draw:
    """The draw of this number: roles, signals and moments are drawn independently of each other."""
    chance = np.random.default_rng([2718, number])
    policy = POLICIES[number % 3]
    base = "wireless" if chance.random() < 0.25 else "line"
    draw = chance.random()
    transport = "tcp" if draw < 0.25 else "ipc" if draw < 0.5 else "unix"
    strikes = []
    for _ in range(1 + int(chance.random() < 0.5)):
        role = str(chance.choice(ROLES))
        stops = bool(chance.random() < 0.4)
        moment = str(chance.choice(MOMENTS))
        after = float(chance.uniform(0.0, 2.5 if moment == "start" else 0.3))
        strikes.append(Strike(role, signal.SIGSTOP if stops else signal.SIGKILL, moment, after, int(chance.integers(1, ITERATIONS - 1))))
    strikes.sort(key=lambda each: (MOMENTS.index(each.moment), each.row if each.moment == "middle" else 0, each.after))
    failures = {"failures": {"agent": policy, "delay": 0.1, "restarts": 3}, "runtime": {"transport": transport}}
    # The same strikes on every machine; how long it is waited for something follows from how busy this one is.
    failures["timeouts"] = {"scale": slowness()}
    settings = merged(WIRELESS if base == "wireless" else LINE, SOON, failures)
    return Draw(number, base, policy, settings, tuple(strikes))


@cache
def undisturbed_run(base: str, folder: Path) -> netagents.Run:
    """What an undisturbed run of this kind leaves; computed once."""
    return undisturbed(merged(WIRELESS if base == "wireless" else LINE, SOON), folder / f"undisturbed-{base}")


class Struck(NamedTuple):
    """A strike that met a living process."""

    strike: Strike
    pid: int


def slowness() -> float:
    """By how much this machine is slower than an idle one, 4 at most: more would make the runs wait for too long."""
    return min(patience(1.0), 4.0)


def carry_out(storm: Draw, run: LiveRun) -> list[Struck]:
    """Strike, each at its moment; gives the strikes that met anybody.  A launcher that was stopped goes on three seconds later."""
    start = time.monotonic()
    met: list[Struck] = []
    for strike in storm.strikes:
        if not _await_moment(strike, run, start):
            break
        pid = _process(strike.role, run)
        if pid is None:
            continue
        try:
            os.kill(pid, strike.number)
        except ProcessLookupError:
            continue
        met.append(Struck(strike, pid))
        if strike.role == "launcher" and strike.number == signal.SIGSTOP:
            time.sleep(3.0)
            os.kill(pid, signal.SIGCONT)
    return met


def _await_moment(strike: Strike, run: LiveRun, start: float) -> bool:
    """Wait for the moment of a strike; False if the run ends, or stands still, before it."""
    rows = {"start": 0, "middle": strike.row, "end": ITERATIONS}[strike.moment]
    file, limit = run.path / "metrics.jsonl", time.monotonic() + patience(6.0)
    while rows and not (file.exists() and file.read_bytes().count(b"\n") >= rows):
        # After a first strike the run may stand still until a deadline: the second one comes all the same.
        if run.process.poll() is not None:
            return False
        if time.monotonic() > limit:
            break
        time.sleep(0.005)
    due = start + slowness() * strike.after if strike.moment == "start" else time.monotonic() + strike.after
    time.sleep(max(0.0, due - time.monotonic()))
    return run.process.poll() is None


def _process(role: str, run: LiveRun) -> int | None:
    """The newest living process of a role; waits a moment for one that is not born yet, None where there is none (any more)."""
    if role == "launcher":
        return run.process.pid
    limit = time.monotonic() + patience(1.5)
    while time.monotonic() < limit and run.process.poll() is None:
        if role in ("forkserver", "tracker"):
            pid = _helper(run.process.pid, "forkserver" if role == "forkserver" else "resource_tracker")
        else:
            try:
                pid = run.newest_pid(role)
            except (AssertionError, OSError):
                pid = None
            if pid is not None and pid not in run.leaks.processes():
                return None
        if pid is not None:
            return pid
        time.sleep(0.01)
    return None


def _helper(launcher: int, word: str) -> int | None:
    """A child of the launcher with this word in its command line."""
    try:
        children = (Path("/proc") / str(launcher) / "task" / str(launcher) / "children").read_text().split()
        for child in children:
            command = (Path("/proc") / child / "cmdline").read_bytes()
            if b"import main; main(" in command.replace(b"  ", b" ") and word.encode() in command:
                return int(child)
    except OSError:
        return None
    return None


def judge(storm: Draw, met: list[Struck], run: LiveRun, folder: Path) -> None:
    """Wait for the end of the run and check everything that it owes: an end, nothing left, a name, and a resume to the same bits."""
    try:
        ended = run.ended(SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it hangs; struck: {met}; alive: {run.leaks.processes()}") from None
    killed_launcher = any(hit.strike.role == "launcher" and hit.strike.number == signal.SIGKILL for hit in met)
    run.assert_nothing_left(swept=not killed_launcher)
    assert ended.code != 10 or ended.last_line.startswith("netagents: error: "), ended.err
    assert ended.code in ({-signal.SIGKILL} if killed_launcher else {0, 10}) or (killed_launcher and ended.code in (0, 10)), (
        ended.code,
        ended.err,
    )
    if ended.code == 10:
        _check_name(storm, met, ended.last_line)
    if not (run.path / "manifest.json").exists():
        assert ended.code != 0
        return
    events = run.records.events
    lost = {int(event["agent"]) for event in events if event["event"] == "lost"}
    assert lost <= {int(hit.strike.role[6:]) for hit in met if hit.strike.role in AGENTS}, (lost, met)
    if ended.code == 0:
        assert run.records.state == "finished"
    elif run.records.state != "finished":
        # A launcher that is killed when all is done has finished all the same.
        assert ended.code != 10 or run.records.state == "failed", run.records.state
        _resume(run)
        lost |= {int(event["agent"]) for event in run.records.events if event["event"] == "lost"}
    assert run.records.state == "finished"
    run.assert_nothing_left()
    assert len(run.records.iterations) == ITERATIONS
    if not lost:
        assert same_bits(undisturbed_run(storm.base, folder), run.records) == []


def _check_name(storm: Draw, met: list[Struck], line: str) -> None:
    """The line names who was struck: the first one, where its failure is noticed at once and nothing else can have come before."""
    assert met, line
    first = met[0]
    roles = {hit.strike.role for hit in met}
    essential = first.strike.role not in ("monitor", "tracker", "launcher") and storm.policy == "stop_all"
    if first.strike.number == signal.SIGKILL and essential and len(met) == 1:
        assert line.startswith(f"netagents: error: {first.strike.role}: killed by SIGKILL (process {first.pid})"), line
    words = roles | {role.replace("_", " ") for role in roles}
    # Several missing agents are listed by their numbers.
    listed = {role[6:] for role in roles if role in AGENTS} if "agents " in line else set()
    assert any(word in line for word in words) or any(number in line.partition("agents ")[2] for number in listed), line


def _resume(run: LiveRun) -> None:
    """Resume as a person would, and wait for the end."""
    command = [sys.executable, "-m", "netagents", "resume", str(run.path), "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=patience(SECONDS), check=False)
    assert result.returncode == 0, result.stderr
    run.assert_nothing_left()
