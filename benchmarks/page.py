"""The live page of a large run in a real browser: when it can be used, what it takes, and how many updates per second it draws.

Seconds depend on what else the machine does, so beside them stand the processor seconds of the browser and of the page's server: on a free
machine the page cannot take longer than these.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.table import Section
from benchmarks.watch import browser, machine, page, processor_seconds
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.launch import launch

AGENTS, ITERATIONS, RECORDED = 100, 2000, 8
ROWS_PER_SECOND = 40
GROWING_SECONDS = 10.0
FILES = ("ledger.jsonl", "power.jsonl", "metrics.jsonl")
"""In the order in which a recorder writes them."""

MARKS = """
window.marks = {};
const looking = setInterval(() => {
  const page = window.netagents;
  if (page?.drawn > 0 && document.querySelector("#agents canvas")) { window.marks.usable = performance.now(); clearInterval(looking); }
}, 10);
"""


def measure(rounds: int) -> Section:
    """Medians over openings of the page, each in a new browser."""
    section = Section(
        "The page of a large run",
        f"{AGENTS} agents, {ITERATIONS} iterations, chromium without a window. Usable: the answers, the graph and both charts are drawn; "
        "the aim is 1 s. Processor seconds are those of the browser's processes and of the page's server until then, starting the browser "
        f"left out. Updates: drawn per second while the run grows by {ROWS_PER_SECOND} iterations per second; the aim is 20, and the "
        "page's server sends fewer where all cores are busy. Memory is private memory of the process that shows the page; the aim is "
        "below 200 MB. Others: share of the machine that processes used which belong to none of this.",
        ("usable s", "processor s", "server s", "kB", "elements", "memory MB", "heap MB", "updates per second", "others"),
    )
    if browser() is None:
        section.verdict = "Not measured: there is no chromium, or the extra browser is not installed."
        return section
    with page(pinned=False) as (address, folder, server):
        run = large_run(folder)
        openings = [opened(address, run, server) for _ in range(rounds)]
    middle = {name: statistics.median(each[name] for each in openings) for name in openings[0]}
    digits = {"usable": 2, "processor": 2, "server": 2, "kilobytes": 0, "elements": 0, "memory": 0, "heap": 1, "updates": 1}
    section.add(*(f"{middle[name]:.{places}f}" for name, places in digits.items()), f"{middle['others']:.0%}")
    return section


def large_run(folder: Path) -> Path:
    """A run directory with so many iterations: the first few are real, and the last half of them comes again and again."""
    settings: dict[str, Any] = {
        "name": "large",
        "environment": {"kind": "sis"},
        "topology": {"kind": "grid", "rows": 10, "columns": AGENTS // 10},
        "kappa": 1,
        "learning": {"batch": 4, "horizon": 4, "iterations": RECORDED},
        "runtime": {"launcher": "in_process", "directory": str(folder)},
    }
    run = launch(load_experiment(Experiment.model_validate(settings)))
    for name in FILES:
        file = run.path / name
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        half = rows[RECORDED // 2 :]
        rows += [half[at % len(half)] for at in range(ITERATIONS - RECORDED)]
        file.write_text("".join(json.dumps(row | {"iteration": at}, separators=(",", ":")) + "\n" for at, row in enumerate(rows)))
    return run.path


def opened(address: str, run: Path, server: int) -> dict[str, float]:
    """One opening: seconds, processor seconds, sizes, and updates while the run grows."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        try:
            tab = started.new_page(viewport={"width": 1280, "height": 900})
            tab.add_init_script(MARKS)

            before, of_server, (busy, idle) = _spent(), processor_seconds(server), machine()
            tab.goto(address)
            _wait(tab, "Boolean(window.marks.usable)")
            browsing, serving = _spent() - before, processor_seconds(server) - of_server
            session = tab.context.new_cdp_session(tab)
            session.send("Performance.enable")
            _wait(tab, "netagents.agents.i.length >= 500")
            tab.wait_for_timeout(1000)
            updates = _growing(tab, run)
            metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
            renderers = [pid for pid in _descendants(os.getpid()) if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            after = machine()
            worked = after[0] - busy
            own = _spent() - before + processor_seconds(server) - of_server
            return {
                "usable": tab.evaluate("window.marks.usable") / 1e3,
                "processor": browsing + serving,
                "server": serving,
                "kilobytes": tab.evaluate(
                    "performance.getEntriesByType('resource').filter((each) => each.startTime < window.marks.usable)"
                    ".reduce((sum, each) => sum + each.encodedBodySize, 0) / 1e3"
                ),
                "elements": tab.evaluate("document.querySelectorAll('*').length"),
                "memory": max(map(_private_memory, renderers)) / 1e6,
                "heap": metrics["JSHeapUsedSize"] / 1e6,
                "updates": updates,
                "others": max(0.0, worked - own) / (worked + after[1] - idle),
            }
        finally:
            started.close()


def _spent() -> float:
    """Processor seconds of the browser's living processes."""
    return sum(processor_seconds(pid) for pid in _descendants(os.getpid()) if "chrom" in Path(f"/proc/{pid}/comm").read_text())


def _descendants(pid: int) -> list[int]:
    children = [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()]
    return [*children, *(each for child in children for each in _descendants(child))]


def _private_memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _wait(tab: Any, condition: str) -> None:
    until = time.monotonic() + 120.0
    while not tab.evaluate(condition):  # the page forbids what a driver's own waits need
        assert time.monotonic() < until, condition
        tab.wait_for_timeout(10)


def _growing(tab: Any, run: Path) -> float:
    """Updates per second that the page draws while iterations are added to the run."""
    rows = {name: json.loads((run / name).read_bytes().splitlines()[-1]) for name in FILES}
    start, drawn, added = time.monotonic(), tab.evaluate("netagents.drawn"), 0
    first = rows[FILES[-1]]["iteration"] + 1
    while (now := time.monotonic() - start) < GROWING_SECONDS:
        for at in range(added, int(now * ROWS_PER_SECOND)):
            for name in FILES:
                with (run / name).open("a") as file:
                    file.write(json.dumps(rows[name] | {"iteration": first + at}, separators=(",", ":")) + "\n")
            added = at + 1
        tab.wait_for_timeout(20)
    return float(tab.evaluate("netagents.drawn") - drawn) / GROWING_SECONDS
