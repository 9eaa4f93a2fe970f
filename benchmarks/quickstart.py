"""What beginners wait for, and what a run takes that waits.

Seconds until the quickstart's first iteration, seconds of the command of ``make run``, and processor time of a run that one agent holds up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.table import Section
from benchmarks.workloads import line_msg
from netagents.intervals import median_interval

FILE = Path(__file__).parent.parent / "launch" / "quickstart.yaml"
WAITING_SECONDS = 5.0


def measure(rounds: int) -> Section:
    """Medians of ``rounds``, after one round that does not count."""
    section = Section(
        "The quickstart, and a run that waits",
        "Seconds from the command to the first recorded iteration of `launch/quickstart.yaml`, the start of Python included; seconds of "
        "the command of `make run` (five seeds on either side of a comparison, and an audit); and processor time of all processes of a "
        f"run of 11 agents, of which one is stopped, over {WAITING_SECONDS:g} s in which the others wait for it, as a share of one core.",
        ("what", "median", "aim"),
    )
    first, whole, waiting = [], [], []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory(prefix="netagents-bench-") as folder:
            with _started([str(FILE), "--quiet", "--out", f"{folder}/run"]) as run:
                first.append(_until_rows(Path(folder, "run"), run))
                run.wait(120.0)
            start = time.monotonic()
            words = [str(FILE), "--against", "kappa=0", "--seeds", "5", "--audit", f"runtime.directory={folder}"]
            with _started(words) as run:
                run.wait(300.0)
            whole.append(time.monotonic() - start)
            waiting.append(100.0 * _waiting_share(Path(folder)))
    for what, values, unit, aim in (
        ("first iteration of the quickstart", first, "s", "1.5 s"),
        ("command of `make run`", whole, "s", "10 s"),
        ("processor time of a run that waits", waiting, "%", "below 1 % of a core"),
    ):
        section.add(what, f"{median_interval(np.array(values[1:])).text(count=False)} {unit}", aim)
    return section


@contextlib.contextmanager
def _started(words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A run of the command in a process of its own, which is gone afterwards."""
    command = [sys.executable, "-m", "netagents", "run", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            yield run
        finally:
            run.terminate()


def _until_rows(directory: Path, run: subprocess.Popen[bytes]) -> float:
    """Seconds until the first iteration is recorded."""
    start, rows = time.monotonic(), directory / "metrics.jsonl"
    while not (rows.exists() and rows.stat().st_size):
        assert run.poll() is None, "the run ended before its first iteration"
        time.sleep(0.002)
    return time.monotonic() - start


def _waiting_share(folder: Path) -> float:
    """Share of a core that all processes of a run take while they wait for an agent that is stopped."""
    file = folder / "waiting.json"
    file.write_text(line_msg(11, 64, 10_000).model_dump_json())
    with _started([str(file), "--quiet", "--out", f"{folder}/waiting"]) as run:
        _until_rows(folder / "waiting", run)
        processes = _descendants(run.pid)
        stopped = next(pid for pid in processes if _role(pid) == "agent_5")
        os.kill(stopped, signal.SIGSTOP)
        try:
            time.sleep(1.0)
            before, start = sum(map(_seconds, (run.pid, *processes))), time.monotonic()
            time.sleep(WAITING_SECONDS)
            used, passed = sum(map(_seconds, (run.pid, *processes))) - before, time.monotonic() - start
        finally:
            os.kill(stopped, signal.SIGCONT)
    return used / passed


def _seconds(pid: int) -> float:
    """Processor time of all threads of a process, to the nanosecond."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def _role(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _descendants(pid: int) -> list[int]:
    children = [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()]
    return [*children, *(each for child in children for each in _descendants(child))]
