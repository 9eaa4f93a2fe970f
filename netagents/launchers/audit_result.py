"""Audit result: true power measured by branching, with its intervals, and the newest audit that a run directory holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.learning.power_facts import power_facts
from netagents.measures.power import PowerMatrix
from netagents.measures.power.branched_power import BranchedPower, branched_power
from netagents.records.power_branches import AuditPlan, AuditRow, PowerBranches
from netagents.records.run_reader import Run

LAST_READINGS = 10
"""Iterations whose readings are averaged, as reports do."""


@dataclass(frozen=True, kw_only=True)
class Audit(BranchedPower):
    """True power of a run's policies, and what agents measured of it.

    Attributes:
        plan: what was played. folder: where it is written down.
        holders: whose power was audited.
        measured: what agents measured, mean over the run's last readings; None where it has none.
        distances: (n, n) hops.
        complete: whether all visits that were asked for have been played.
    """

    plan: AuditPlan
    folder: str
    holders: tuple[int, ...]
    measured: PowerMatrix | None
    distances: NDArray[np.int64]
    complete: bool


def newest_audit(run: Run) -> Audit | None:
    """The audit of everybody's power in the newest policies of a run: one step, of the kind of power that its agents measure.

    Returns:
        Of several such audits the one with most visits; None where there is none.

    Raises:
        RunDirectoryError: a file of an audit is damaged.
    """
    newest = max(run.checkpoints, default=None)
    variant = "ex_ante" if run.experiment.power.variant == "ex_ante" else "realized"
    all_agents = tuple(range(run.n))
    best: tuple[int, PowerBranches, list[AuditRow]] | None = None
    for branches in PowerBranches.all(run.path, run.n):
        plan = branches.plan
        if (plan.run, plan.checkpoint, plan.variant) != (run.manifest["run"], newest, variant) or plan.steps > 1 or plan.greedy:
            continue
        rows = branches.rows()
        holders = Counter(row.part for row in rows)
        whole = [row for row in rows if holders[row.part] == run.n]
        visits = sum(row.visits for row in whole)
        if whole and (best is None or visits > best[0]):
            best = visits, branches, whole
    return None if best is None else collected_audit(run, best[1], all_agents, best[2], complete=True)


def collected_audit(run: Run, branches: PowerBranches, holders: tuple[int, ...], rows: Sequence[AuditRow], *, complete: bool) -> Audit:
    """The audit that rows come to.

    Args:
        run: which was audited. branches: the folder of the rows. holders: who was audited. rows: to be taken together.
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
    power = branched_power(visits, low, high, squares)
    return Audit(
        plan=branches.plan,
        folder=str(branches.path),
        holders=holders,
        measured=_measured(run),
        distances=power_facts(run.setup).distances.astype(np.int64),
        complete=complete,
        visits=power.visits,
        low=power.low,
        high=power.high,
        error=power.error,
    )


def _measured(run: Run) -> PowerMatrix | None:
    """What agents measured at last; None where there are no readings."""
    iterations = len(run.iterations)
    return run.power_matrix(last=min(LAST_READINGS, iterations)) if iterations else None
