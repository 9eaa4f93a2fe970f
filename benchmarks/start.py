"""How fast a hundred agents are ready, and what each of them costs in memory."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.table import Section
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.launch import launch


def measure(rounds: int) -> Section:
    """100 agents on a 10 x 10 grid."""
    section = Section(
        "Starting a hundred agents",
        "A SIS epidemic on a 10 x 10 grid, one process per agent: time from the launch to the start signal (all linked and ready), and "
        "private memory per agent while it trains.",
        ("ready after s", "private MB per agent: median", "largest", "torch imported"),
    )
    for _ in range(max(1, rounds // 3)):
        settings: dict[str, Any] = {
            "environment": {"kind": "sis"},
            "topology": {"kind": "grid", "rows": 10, "columns": 10},
            "kappa": 1,
            "learning": {"batch": 64, "iterations": 4, "horizon": 40},
        }
        with tempfile.TemporaryDirectory(prefix="netagents-bench-") as folder:
            settings["runtime"] = {"directory": folder}
            samples: list[tuple[float, bool]] = []
            watcher = threading.Thread(target=_watch, args=(samples, Path(folder)), daemon=True)
            start = time.time()
            watcher.start()
            run = launch(load_experiment(Experiment.model_validate(settings)))
            watcher.join(1.0)
            ready = next(event["time"] for event in run.events if event["event"] == "gathered") - start
        memory = sorted(size for size, _ in samples)
        torch = any(has_torch for _, has_torch in samples)
        section.add(f"{ready:.1f}", f"{memory[len(memory) // 2]:.1f}", f"{memory[-1]:.1f}", "yes" if torch else "no")
    return section


def _watch(samples: list[tuple[float, bool]], folder: Path) -> None:
    """Look at every agent once, when the first iteration has been recorded."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        rows = [path for path in folder.glob("*/metrics.jsonl") if path.stat().st_size > 0]
        if rows:
            break
        time.sleep(0.05)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().startswith("agent_"):
                memory = (process / "smaps_rollup").read_text()
                private = sum(int(line.split()[1]) for line in memory.splitlines() if line.startswith("Private"))
                samples.append((private / 1024, "libtorch" in (process / "maps").read_text()))
        except OSError:
            continue
