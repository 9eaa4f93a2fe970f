"""What it costs a run to be watched: processor time of its own processes and training time, with visitors of its page and without.

The run's processes are metered apart from the page's server and from the visitors: a meter starts the command, becomes the parent of all
processes that it leaves behind, waits for each, and reads what they have used.  Where visitors and the run share all cores, training time
also holds what the visitors' drawing takes from the run; so the last rows keep the run on one core and all that watches on another.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.pairs import summarise
from benchmarks.table import Section
from benchmarks.workloads import line_msg

ITERATIONS = 100
STREAMS = 5
"""Visitors that read; one more reads nothing."""

METER = """
import ctypes, json, os, resource, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: what the command leaves behind is waited for, too
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
spent = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, spent.ru_utime + spent.ru_stime, spent.ru_nvcsw + spent.ru_nivcsw]))
"""

STREAM = """
import select, socket, sys, urllib.parse, urllib.request, json, time
page, readers = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])
key = ""
while not key:
    time.sleep(0.05)
    runs = json.load(urllib.request.urlopen(sys.argv[1] + "api/runs"))["runs"]
    key = next((run["key"] for run in runs if run["state"] in ("running", "created")), "")
words = f"GET /api/runs/{key}/news HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n".encode()
streams = [socket.create_connection((page.hostname, page.port)) for _ in range(readers + 1)]
for stream in streams:
    stream.sendall(words)
reading = streams[1:]  # the first one stalls
while reading:
    for stream in select.select(reading, [], [])[0]:
        if not stream.recv(1 << 16):
            reading.remove(stream)
"""


class Spent(NamedTuple):
    """What one run took: processor seconds of its processes, their context switches, seconds of training, and what share of the machine
    others used."""

    processor: float
    switches: float
    training: float
    others: float


def measure(rounds: int) -> Section:
    """Alternating pairs of a run that is watched and one that is not."""
    section = Section(
        "A run that is watched",
        f"LineMsg, n = 10, B = 64, {ITERATIONS} iterations as processes, with visitors of its page divided by the same run without a page: "
        "processor time of the run's own processes (launcher, server, agents, monitor) and training time. Streams are connections that "
        f"read what the page sends, {STREAMS} of them and one that reads nothing; browsers are chromium with the page open, at the lowest "
        "priority. Apart: the run is kept on the first core, and the page's server and all visitors on the second. Others: share of the "
        "machine that processes used which belong to none of this; they widen the intervals. The aim is 1.02.",
        ("visitors", "cores", "run's processor s", "watched / alone", "training s", "watched / alone", "page's server s", "others"),
    )
    apart = len(os.sched_getaffinity(0)) > 1
    scenes: list[tuple[str, Callable[[str, bool], contextlib.AbstractContextManager[None]]]] = [(f"{STREAMS} streams, 1 stalled", streams)]
    if browser() is not None:
        scenes.append((f"{STREAMS} browsers", browsers))
    for name, visitors in scenes:
        for pinned in (False, True) if apart else (False,):
            pairs = []
            serving = []
            for at in range(rounds + 1):
                with page(pinned) as (address, folder, server):
                    with visitors(address, pinned):
                        watched = run(folder, pinned)
                    serving.append(processor_seconds(server))
                with tempfile.TemporaryDirectory(prefix="netagents-bench-") as alone:
                    pair = (watched, run(Path(alone), pinned))
                if at:  # the first pair warms up
                    pairs.append(pair)
            processor = summarise([(with_.processor, without.processor) for with_, without in pairs])
            training = summarise([(with_.training, without.training) for with_, without in pairs])
            others = sum(one.others for pair in pairs for one in pair) / (2 * len(pairs))
            section.add(
                name, "apart" if pinned else "shared", f"{processor.first:.2f}", processor.text(), f"{training.first:.2f}", training.text(),
                f"{sorted(serving)[len(serving) // 2]:.2f}", f"{others:.0%}",
            )  # fmt: skip
    return section


def run(folder: Path, pinned: bool) -> Spent:
    """One run in a folder, metered."""
    experiment = line_msg(10, 64, ITERATIONS, name="watched")
    file, directory = folder / "experiment.json", folder / "run"
    shutil.rmtree(directory, ignore_errors=True)
    file.write_text(experiment.model_dump_json())
    words = [sys.executable, "-c", METER, sys.executable, "-m", "netagents", "run", str(file), "--quiet", "--out", str(directory)]
    busy, idle = machine()
    result = subprocess.run(_on(0, pinned, words), stdout=subprocess.PIPE, text=True, check=True)
    code, processor, switches = json.loads(result.stdout)
    assert code == 0, "the run failed"
    after = machine()
    events = {event["event"]: event["time"] for event in map(json.loads, (directory / "events.jsonl").read_text().splitlines())}
    busy, idle = after[0] - busy, after[1] - idle
    return Spent(processor, switches, events["finished"] - events["gathered"], max(0.0, busy - processor) / (busy + idle))


@contextlib.contextmanager
def page(pinned: bool) -> Iterator[tuple[str, Path, int]]:
    """The page of an empty folder: its address, the folder, and the server's pid."""
    with tempfile.TemporaryDirectory(prefix="netagents-bench-") as name:
        words = [sys.executable, "-m", "netagents", "watch", name, "--listen", "127.0.0.1:0"]
        with subprocess.Popen(_on(1, pinned, words), stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                match = re.search(r"http://\S+", server.stdout.readline())
                assert match is not None, "the page was not served"
                yield match[0], Path(name), server.pid
            finally:
                server.terminate()


@contextlib.contextmanager
def streams(address: str, pinned: bool) -> Iterator[None]:
    """Visitors that are connections only, and wait for the run to appear."""
    with subprocess.Popen([sys.executable, "-c", STREAM, address, str(STREAMS)], preexec_fn=_behind(pinned)) as visitors:
        try:
            yield
        finally:
            visitors.kill()


@contextlib.contextmanager
def browsers(address: str, pinned: bool) -> Iterator[None]:
    """Browsers with the page open, in a process of their own."""
    words = [sys.executable, "-m", "benchmarks.watch", address]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=_behind(pinned)) as visitors:
        try:
            assert visitors.stdout is not None
            assert visitors.stdout.readline().strip() == "open"
            yield
        finally:
            assert visitors.stdin is not None
            visitors.stdin.close()
            visitors.wait(60)


def _behind(pinned: bool) -> Callable[[], None]:
    def step_back() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # runs only where nobody else would, and is interrupted at once
        if pinned:
            os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[1:]))

    return step_back


def _open(address: str) -> None:
    """Open the page in several browsers, say so, and wait for the end of the input."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = [driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"]) for _ in range(STREAMS)]
        for each in opened:
            each.new_page(viewport={"width": 1280, "height": 900}).goto(address)
        print("open", flush=True)
        pages = [each.contexts[0].pages[0] for each in opened]
        while not _ended():
            pages[0].wait_for_timeout(200)
        for each in opened:
            each.close()


def _ended() -> bool:
    import select

    return bool(select.select([sys.stdin], [], [], 0.0)[0])


def browser() -> str | None:
    """Chromium, where there is one and the extra ``browser``."""
    import importlib.util

    if importlib.util.find_spec("playwright") is None:
        return None
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def _on(core: int, pinned: bool, words: list[str]) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core]), *words] if pinned else words


def machine() -> tuple[float, float]:
    """Seconds that all cores were busy and idle since the machine started."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    tick = os.sysconf("SC_CLK_TCK")
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / tick, idle / tick


def processor_seconds(pid: int) -> float:
    """Seconds of processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    _open(sys.argv[1])
