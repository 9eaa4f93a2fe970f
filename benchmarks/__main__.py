"""``python -m benchmarks``: every benchmark, a table on the screen and in docs/benchmarks.md.

``python -m benchmarks codec step`` runs some, and puts them on the page with ``--page``; ``--rounds 3`` takes fewer pairs (default 7).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from benchmarks import (
    benchmark_page,
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


def main() -> None:
    """Measure, print, and put each section on the page as soon as it is measured, if all run or the page is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios in alternating pairs; medians with 95 % intervals.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--rounds", type=int, default=7, help="pairs per comparison")
    parser.add_argument(
        "--page", action="store_true", help="put the sections on docs/benchmarks.md; without names of sections it is done anyway"
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sections) - SECTIONS.keys())
    if unknown:
        parser.error(f"no section is called {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    names = arguments.sections or list(SECTIONS)
    for name in names:
        begin_time = time.perf_counter()
        section = SECTIONS[name](arguments.rounds)
        print(section.text(), f"\n({time.perf_counter() - begin_time:.0f} s)\n", flush=True)
        if arguments.page or not arguments.sections:
            benchmark_page.write({name: section}, SECTIONS, arguments.rounds)


if __name__ == "__main__":
    main()
