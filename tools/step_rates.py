"""Measurement of the step-time model's defaults: ``python -m tools.step_rates`` prints what :class:`netagents.studies.cost_model.Rates`
should hold for this machine, and with ``--transport ipc`` what ``OVER_ZEROMQ`` should.

Each repetition runs the reference chains of both routings with one process per agent and fits the rates; the medians over repetitions are
the defaults to write down.  Run it on an idle machine.  ``netagents plan --measure`` fits a user's own machine and needs no defaults.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from netagents.nodes.bootstrap.node_addresses import link_scheme
from netagents.studies.cost_model import Rates, default_rates
from netagents.studies.step_time_model import REFERENCES, calibrate


def measure(batch: int, repeats: int, transport: str = "auto") -> dict[str, tuple[Rates, float]]:
    """Routing -> medians over ``repeats`` fits of each rate, in seconds, and of the largest relative error of a fit.

    Raises:
        NetagentsError: a run failed.
    """
    rates: dict[str, tuple[Rates, float]] = {}
    for routing in REFERENCES:
        fits = [calibrate(batch, routing, transport) for _ in range(repeats)]
        medians = np.median([fit.rates for fit in fits], axis=0)
        rates[routing] = Rates(*map(float, medians)), float(np.median([fit.error for fit in fits]))
    return rates


def main(arguments: Sequence[str]) -> int:
    """Measure and print the rates beside the present defaults."""
    parser = argparse.ArgumentParser(prog="python -m tools.step_rates", description="Measure the defaults of the step-time model.")
    parser.add_argument("--batch", type=int, default=64, help="copies of the environment in the chains")
    parser.add_argument("--repeats", type=int, default=5, help="fits of which the medians are taken")
    parser.add_argument("--transport", default="auto", help="links of the chains: auto, unix, ipc or tcp")
    options = parser.parse_args(arguments)
    if min(options.batch, options.repeats) < 1:
        parser.error("--batch and --repeats are at least 1")
    rows = [
        ("defaults", default_rates(link_scheme(options.transport)), float("nan")),
        *((name, *fit) for name, fit in measure(options.batch, options.repeats, options.transport).items()),
    ]
    print(f"{'routing':<10}{'us per wake-up':>16}{'us per message':>16}{'us per step':>14}{'error':>9}")
    for name, rates, error in rows:
        wakeup, message, fixed = (1e6 * rate for rate in rates)
        print(f"{name:<10}{wakeup:>16.1f}{message:>16.1f}{fixed:>14.1f}{error:>9.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
