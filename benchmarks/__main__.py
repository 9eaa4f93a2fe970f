"""``python -m benchmarks``: every benchmark, a table on the screen and in docs/benchmarks.md.

``python -m benchmarks codec step`` runs some; ``--rounds 3`` takes fewer pairs (default 7).
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    codec,
    crossover,
    curve,
    environments,
    monitor,
    neural,
    page,
    quickstart,
    scale,
    start,
    step,
    training,
    wakeups,
    watch,
    wire_precision,
)
from benchmarks.table import Section

SECTIONS: dict[str, Callable[[int], Section]] = {
    "codec": codec.measure,
    "step": step.measure,
    "wake-ups": wakeups.measure,
    "training": training.measure,
    "crossover": crossover.measure,
    "precision": wire_precision.measure,
    "monitor": monitor.measure,
    "watch": watch.measure,
    "page": page.measure,
    "curve": curve.measure,
    "scale": scale.measure,
    "start": start.measure,
    "quickstart": quickstart.measure,
    "neural": neural.measure_memory,
    "decision": neural.measure_speed,
    "environments": environments.measure,
}

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    """Measure, print, and write the page if all sections ran."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios in alternating pairs; medians with 95 % intervals.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--rounds", type=int, default=7, help="pairs per comparison")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sections) - SECTIONS.keys())
    if unknown:
        parser.error(f"no section is called {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    names = arguments.sections or list(SECTIONS)
    sections = []
    for name in names:
        begin_time = time.perf_counter()
        section = SECTIONS[name](arguments.rounds)
        print(section.text(), f"\n({time.perf_counter() - begin_time:.0f} s)\n", flush=True)
        sections.append(section)
    if len(names) == len(SECTIONS):
        head = [
            "# Benchmarks",
            "",
            "Written by `make bench`. Ratios are medians of alternating pairs from one run, with 95 % intervals of order statistics;",
            "absolute times belong to the machine that measured them: "
            f"{os.cpu_count()} cores, {platform.machine()}, Linux, Python {platform.python_version()}.",
            "",
        ]
        PAGE.write_text("\n".join(head + [section.markdown() for section in sections]))
        print(f"wrote {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")


if __name__ == "__main__":
    main()
