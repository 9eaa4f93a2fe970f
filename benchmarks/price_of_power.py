"""Price of PRIM in processor time: ``python -m benchmarks.price_of_power`` trains each task without the power term and with it in turn.

Both runs are in one process and take their iterations in turn (A B B A ...), so that whatever else the machine does meets both.  The ratio
is the median over pairs of iterations with its interval of order statistics.  No message is added by the term, so nothing else is paid.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.pairs import Paired

POWER = 'signals=[{"kind": "power", "lambda": 0.05, "shared": true}]'
WARM_UP = 2
TASKS: dict[str, tuple[str, tuple[str, ...], int]] = {
    "rely, 6 agents": ("launch/rely_power.yaml", (), 80),
    "line_msg, 10 agents": ("launch/line_msg.yaml", (), 30),
    "epidemic, 11 agents": ("launch/epidemic_abilene.yaml", ("kappa=2", "learning.batch=128"), 20),
    "kitchen, 2 cooks, networks": ("launch/kitchen_power.yaml", ("environment.horizon=100",), 16),
}
"""Experiment, overrides, and pairs of iterations."""


def iterations(file: str, overrides: tuple[str, ...], count: int) -> Iterator[Any]:
    """The records of a run in one process, one by one."""
    from netagents.experiment import load_experiment
    from netagents.launchers.in_process_network import InProcessNetwork
    from netagents.learning.prepared_experiment import prepare

    prepared = prepare(load_experiment(file, [*overrides, f"learning.iterations={count}"]).experiment)
    return InProcessNetwork(prepared.setup, prepared.environment).run(0, count)


def price(file: str, overrides: tuple[str, ...], pairs: int) -> Paired:
    """Processor seconds per iteration with the term, and without."""
    from benchmarks.pairs import summarise

    def timed(records: Iterator[Any]) -> Callable[[], float]:
        def one() -> float:
            begin = time.process_time()
            next(records)
            return time.process_time() - begin

        return one

    priced, plain = (timed(iterations(file, (*overrides, signals), pairs + WARM_UP + 1)) for signals in (POWER, "signals=[]"))
    for _ in range(WARM_UP):
        priced(), plain()
    measured = []
    for turn in range(pairs):
        if turn % 2:
            second = plain()
            measured.append((priced(), second))
        else:
            measured.append((priced(), plain()))
    return summarise(measured)


def main() -> None:
    """Measure the named tasks, or all, and print a row for each."""
    # A second thread of a linear algebra library spins while it waits, and its time would count.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    tasks = sys.argv[1:] or list(TASKS)
    print("| task | with / without | milliseconds without |\n|---|---|---|")
    for name in tasks:
        paired = price(*TASKS[name])
        print(f"| {name} | {paired.text()} | {1000 * paired.second:.1f} |", flush=True)


if __name__ == "__main__":
    main()
