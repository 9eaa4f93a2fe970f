"""Audited power: the outcome of an audit by branching, with its intervals, and the newest audit that a run directory holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import Interval, standard_half_width
from netagents.learning.power_facts import power_facts
from netagents.measures.power import PowerMatrix
from netagents.records.power_branches import AuditPlan, AuditRow, PowerBranches
from netagents.records.run_reader import Run

FloatArray = NDArray[np.float64]
LAST_READINGS = 10
"""Iterations whose readings are averaged, as reports do."""


@dataclass(frozen=True)
class Audit:
    """True power of each holder j (row) over each agent i (column), and what agents measured of it.

    Attributes:
        plan: what was played. folder: where it is written down.
        holders: whose power was audited.
        visits: (n,) of each holder; 0 for those that were not audited.
        low, high: (n, n) mean over visits, the worst action chosen and valued by different rollouts, and by the same ones.
        error: (n, n) standard error of their middle over visits.
        measured: what agents measured, mean over the run's last readings; None where it has none.
        distances: (n, n) hops.
        complete: whether all visits that were asked for have been played.
    """

    plan: AuditPlan
    folder: str
    holders: tuple[int, ...]
    visits: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    error: FloatArray
    measured: PowerMatrix | None
    distances: NDArray[np.int64]
    complete: bool

    @property
    def power(self) -> FloatArray:
        """(n, n) the middle of low and high; NaN on the diagonal and for holders that were not audited."""
        return 0.5 * (self.low + self.high)

    def interval(self, holder: int, sufferer: int) -> Interval:
        """Power of one agent over another with its 95 % interval: sampling error, widened by half the distance between low and high."""
        value, count = float(self.power[holder, sufferer]), int(self.visits[holder])
        deviation = float(self.error[holder, sufferer]) * count**0.5
        half = float(standard_half_width(deviation, count)) + 0.5 * float(self.high[holder, sufferer] - self.low[holder, sufferer])
        return Interval(value, value - half, value + half, count)

    def matrix(self, impossible: NDArray[np.bool_]) -> PowerMatrix:
        """The audit as a power matrix: every audited pair counts, whatever its distance, with half the length of its interval as its error.

        Args:
            impossible: (n, n) bool, j's action cannot reach i's reward.
        """
        known = np.isfinite(self.power)
        error = np.full_like(self.power, np.nan)
        for j, i in np.argwhere(known).tolist():
            interval = self.interval(j, i)
            error[j, i] = 0.5 * (interval.high - interval.low)
        visits = np.where(known, self.visits[:, None].astype(np.float64), 0.0)
        return PowerMatrix(
            self.power, error, known.astype(np.float64), visits, np.where(known, 0.0, np.nan), ~np.eye(len(known), dtype=np.bool_), known,
            impossible,
        )  # fmt: skip


def newest_audit(run: Run) -> Audit | None:
    """The audit of everybody's power in the newest policies of a run: one step, of the kind of power that its agents measure.

    Returns:
        Of several such audits the one with most visits; None where there is none.

    Raises:
        RunDirectoryError: a file of an audit is damaged.
    """
    newest = max(run.checkpoints, default=None)
    variant = "ex_ante" if run.experiment.power.variant == "ex_ante" else "realized"
    everybody = tuple(range(run.n))
    best: tuple[int, PowerBranches, list[AuditRow]] | None = None
    for kept in PowerBranches.all(run.path, run.n):
        plan = kept.plan
        if (plan.run, plan.checkpoint, plan.variant) != (run.manifest["run"], newest, variant) or plan.steps > 1 or plan.greedy:
            continue
        rows = kept.rows()
        holders = Counter(row.part for row in rows)
        whole = [row for row in rows if holders[row.part] == run.n]
        visits = sum(row.visits for row in whole)
        if whole and (best is None or visits > best[0]):
            best = visits, kept, whole
    return None if best is None else collected_audit(run, best[1], everybody, best[2], complete=True)


def collected_audit(run: Run, kept: PowerBranches, holders: tuple[int, ...], rows: Sequence[AuditRow], *, complete: bool) -> Audit:
    """The audit that rows come to.

    Args:
        run: which was audited. kept: the folder of the rows. holders: who was audited. rows: to be taken together.
        complete: whether these are all that were asked for.
    """
    n = run.n
    visits = np.zeros(n, dtype=np.int64)
    low, high, squares = (np.zeros((n, n)) for _ in range(3))
    for row in rows:
        visits[row.holder] += row.visits
        low[row.holder] += row.low
        high[row.holder] += row.high
        squares[row.holder] += row.squares
    with np.errstate(divide="ignore", invalid="ignore"):
        count = visits[:, None].astype(np.float64)
        low, high = low / count, high / count
        middle = 0.5 * (low + high)
        error = np.sqrt(np.maximum(squares / count - middle * middle, 0.0) / np.maximum(count - 1.0, 1.0))
    for each in (low, high, error):
        np.fill_diagonal(each, np.nan)
        each[visits == 0] = np.nan
    facts = power_facts(run.setup)
    return Audit(kept.plan, str(kept.path), holders, visits, low, high, error, _measured(run), facts.distances.astype(np.int64), complete)


def _measured(run: Run) -> PowerMatrix | None:
    """What agents measured at last; None where there are no readings."""
    iterations = len(run.iterations)
    return run.power_matrix(last=min(LAST_READINGS, iterations)) if iterations else None
