"""Traffic of populations: who sends whom a policy is drawn by lot, which the plan works out as the seats will do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from netagents.learning import Setup
from netagents.measures.power import READING_COLUMNS
from netagents.messages import RadiusKind

LEDGER_ROW_BYTES = 40
"""What a kind and receiver more take in the ledger of a report."""


class Moves(NamedTuple):
    """What populations add to the messages of a whole run.

    Attributes:
        policies: (home, seat) -> how many policies move from one to the other.
        report_bytes: a row in a report per policy that moved, less the power that seats which did not learn have not read.
    """

    policies: Mapping[tuple[int, int], float]
    report_bytes: float


def predict_moves(setup: Setup) -> Moves:
    """What the populations of an experiment send in all of its iterations."""
    iterations = setup.experiment.learning.iterations
    policies: Counter[tuple[int, int]] = Counter()
    report_bytes = 0.0
    for population in dict.fromkeys(setup.populations.values()):
        for pair, count in population.transfers(iterations).items():
            policies[pair] += count  # type: ignore[assignment]
        if iterations > 1:
            # The last iteration's report is in no page of the ledger.
            report_bytes += LEDGER_ROW_BYTES * sum(population.transfers(iterations - 1).values())
            report_bytes -= sum(count * _power_bytes(setup, agent) for agent, count in population.idle(iterations - 1).items())
    return Moves(policies, report_bytes)


def _power_bytes(setup: Setup, agent: int) -> int:
    """What the power that an agent reads takes in a report."""
    return 8 * READING_COLUMNS * (len(setup.reach[RadiusKind.CRITIC].window(agent)) - 1)
