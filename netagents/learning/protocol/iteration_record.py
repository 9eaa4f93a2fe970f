"""What one iteration leaves behind: the numbers that go into the records, the same under every launcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.agent_metrics import DESCRIPTIONS
from netagents.measures.power.branched_power import BranchedPower
from netagents.messages import Report

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class IterationRecord:
    """One iteration of a run.

    Attributes:
        iteration: from 0.
        team_return: mean over copies and agents of the undiscounted sum of rewards.
        team_return_sd: standard deviation over the copies of the mean over agents.
        discounted_return: mean over copies and agents of the discounted sum.
        names: the M metrics of the run, in the order of the columns.
        metrics: (n, M) float64, the agents' reports, a column per name.
        power: per agent i an (m, 6) array: j, power of j over i, its error, share of known visits, effective visits, age.
        ledger: (r, 6) int64: sender, kind, receiver, hop, messages, payload bytes.
        audited: true power of the policies of the iteration, where it was audited; None elsewhere.
        timing: (n, 3) float64 seconds: compute, wait, serialise (zero in process; never part of a comparison).
    """

    iteration: int
    team_return: float
    team_return_sd: float
    discounted_return: float
    names: tuple[str, ...]
    metrics: FloatArray
    power: tuple[FloatArray, ...]
    ledger: NDArray[np.int64]
    timing: FloatArray
    audited: BranchedPower | None = None

    def column(self, name: str) -> FloatArray:
        """(n,) values of one metric; NaN where it is one of netagents' own that no part of this run reports.

        Raises:
            KeyError: there is no such metric.
        """
        if name in self.names:
            return self.metrics[:, self.names.index(name)]
        if name not in DESCRIPTIONS:
            raise KeyError(f"no metric is called '{name}'; there are {', '.join(self.names)}")
        return np.full(len(self.metrics), np.nan)


def make_record(
    iteration: int,
    names: tuple[str, ...],
    team: FloatArray,
    discounted: FloatArray,
    reports: Sequence[Report],
    server_ledger: NDArray[np.int64],
    server: int,
    audited: BranchedPower | None = None,
) -> IterationRecord:
    """Join the environment's returns, the agents' reports (in agent order, metrics by ``names``), the server's own ledger (r, 5) and an
    audit."""
    ledgers = [(server, server_ledger), *((agent, report.ledger) for agent, report in enumerate(reports))]
    rows = [np.column_stack([np.full(len(rows), sender, dtype=np.int64), rows]) for sender, rows in ledgers]
    return IterationRecord(
        iteration=iteration,
        team_return=float(team.mean()),
        team_return_sd=float(team.std()),
        discounted_return=float(discounted.mean()),
        names=names,
        metrics=np.stack([report.metrics for report in reports]),
        power=tuple(report.power for report in reports),
        ledger=np.concatenate(rows),
        timing=np.stack([report.timing for report in reports]),
        audited=audited,
    )
