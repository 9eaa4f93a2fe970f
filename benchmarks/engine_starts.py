"""Starts of 25 agents under an engine, in turn with starts by ``local``: how long until all have met, and how many starts failed.

``python -m benchmarks.engine_starts slurm runtime.slurm.partition=main runtime.slurm.nodes=2`` and the like; the engine must be running.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AGENTS = 25

EXPERIMENT = {
    "name": "starts",
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": AGENTS},
    "kappa": 1,
    "learning": {"iterations": 1, "batch": 2, "horizon": 5},
}

_RUN_SECONDS = 600


def start_seconds(folder: Path, launcher: str, words: list[str]) -> float | None:
    """Seconds from the command until the server has heard of every node; None if the run failed.

    Args:
        folder: that all hosts see. launcher: by name. words: settings, ``KEY=VALUE``.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file, run = Path(place) / "starts.yaml", Path(place) / "run"
        file.write_text(json.dumps(EXPERIMENT))
        command = [sys.executable, "-m", "netagents", "run", str(file), "--launcher", launcher, "--out", str(run), "--quiet", *words]
        start = time.time()
        result = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_SECONDS, check=False)
        if result.returncode:
            print(f"{launcher}: exit code {result.returncode}: {result.stderr.strip().splitlines()[-1:]}", flush=True)
            return None
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
        seconds = float(next(event["time"] for event in events if event["event"] == "gathered")) - start
        print(f"{launcher}: {seconds:.1f} s", flush=True)
        return seconds


def main() -> int:
    """Measure and print; the exit code is the number of starts that failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_starts")
    parser.add_argument("launcher")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--every", type=int, default=4, help="rounds in which local starts, too: every so many")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="that all hosts see")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    engine: list[float | None] = []
    local: list[float | None] = []
    for place in range(arguments.rounds):
        engine.append(start_seconds(arguments.folder, arguments.launcher, arguments.settings))
        if place % arguments.every == 0:
            local.append(start_seconds(arguments.folder, "local", []))
    for name, all_of in ((arguments.launcher, engine), ("local", local)):
        good = sorted(seconds for seconds in all_of if seconds is not None)
        span = f"median {statistics.median(good):.1f} s, {good[0]:.1f} to {good[-1]:.1f} s" if good else "none"
        print(f"{name}: {len(good)} of {len(all_of)} starts of {AGENTS} agents; {span}", flush=True)
    return sum(seconds is None for seconds in engine)


if __name__ == "__main__":
    sys.exit(main())
