"""Power at the end of a run: true power where its last policies were audited by branching, else what the agents measured."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.launchers.audit_result import newest_audit
from netagents.measures.power import Concentration, PowerMatrix, concentration
from netagents.measures.power.branched_power import BranchedPower
from netagents.records import Run
from netagents.topology import agent_radii

BoolArray = NDArray[np.bool_]

DEFAULT_LAST = 10
"""Iterations that are averaged unless told otherwise."""


class FinalPower(NamedTuple):
    """Power of the policies that a run ended with.

    Attributes:
        matrix: who holds how much power over whom. concentration: of that matrix.
        span: what it was taken from, as a caption says it.
        display_mask: (n, n) bool, pairs whose power was looked for.
        audited: by branching; else by the critics of the agents.
    """

    matrix: PowerMatrix
    concentration: Concentration
    span: str
    display_mask: BoolArray
    audited: bool


def final_power(run: Run, last: int | None = None) -> FinalPower:
    """Power at the end of a run with at least one recorded iteration.

    Args:
        run: to read.
        last: iterations over which the agents' readings are averaged; naming a number asks for the readings even where there is an audit.

    Raises:
        RunDirectoryError: a record is damaged.
    """
    audit = newest_audit(run) if last is None else None
    if audit is not None:
        matrix = audit.matrix(run.power_facts.impossible)
        visits = int(audit.visits.max(initial=0))
        span = f"true power, by branching {visits} visits per holder after iteration {audit.plan.checkpoint}"
        return FinalPower(matrix, concentration(matrix), span, ~np.eye(run.n, dtype=np.bool_), audited=True)
    recorded = len(run.iterations)
    during = _late_audit(run) if last is None else None
    if during is not None:
        iteration, power = during
        matrix = power.matrix(run.power_facts.impossible)
        span = f"true power, by branching {int(power.visits.max())} visits per holder in iteration {iteration}, numbered from 0"
        return FinalPower(matrix, concentration(matrix), span, ~np.eye(run.n, dtype=np.bool_), audited=True)
    count = min(DEFAULT_LAST if last is None else last, recorded)
    matrix = run.power_matrix(-1, count)
    final = int(run.iterations[-1])
    span = f"iteration {final}" if count == 1 else f"mean of iterations {int(run.iterations[recorded - count])}-{final}, numbered from 0"
    return FinalPower(matrix, concentration(matrix), span, measured_pairs(run), audited=False)


def _late_audit(run: Run) -> tuple[int, BranchedPower] | None:
    """The newest audit during the run, of everybody's power, where it is as young as the readings that would be averaged instead."""
    audits = run.audited_power
    newest = max(audits, default=-1)
    if newest < max(0, len(run.iterations) - DEFAULT_LAST) or not audits[newest].visits.all():
        return None
    return newest, audits[newest]


def measured_pairs(run: Run) -> BoolArray:
    """(n, n) bool: the critic of i (column) is indexed by j (row), so that its power could be read at all."""
    radius = np.array(agent_radii(run.experiment, run.n, "critic"))
    measured: BoolArray = run.distances <= radius[None, :]
    np.fill_diagonal(measured, False)
    return measured
