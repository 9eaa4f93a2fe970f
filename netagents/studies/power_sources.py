"""Sources of a power study's numbers: linear algebra, branching where a model cannot be enumerated, or else the runs' own readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NetagentsError
from netagents.exact.power_regularization import Aggregate
from netagents.experiment.intervention_settings import sbpr_of
from netagents.launchers.branching import action_sequences
from netagents.launchers.policy_evaluation import evaluate
from netagents.launchers.power_audit import audit
from netagents.learning.branch_checks import check_branchable
from netagents.learning.prepared_experiment import prepare
from netagents.records.run_reader import Run
from netagents.studies.power_study import aggregate_of
from netagents.studies.study_specification import Study
from netagents.studies.true_power import enumerable, true_power

FloatArray = NDArray[np.float64]

EPISODES = 128
"""That frozen policies play for their return."""
REPLICATES, POINTS = 8, 3
"""Rollouts of each branch, and points of the grid per number of a continuous action, as in ``netagents power``."""


@dataclass(frozen=True)
class PowerSource:
    """Where return and power of a study's runs come from; the same for all runs of a study.

    Attributes:
        name: ``exact``, ``branching`` or ``readings``.
        words: of it, for the page.
        numbers: of one run, columns of a table; without ``power`` and ``return`` where those of training stand.
    """

    name: str
    words: str
    numbers: Callable[[Run], dict[str, float]]


def power_source(study: Study, states: int) -> PowerSource:
    """The best source that the study's environment allows.

    Args:
        study: whose base says what is possible.
        states: per agent that are branched where the model cannot be enumerated; 0: none are.
    """
    aggregate = aggregate_of(study)
    prepared = prepare(study.base)
    try:
        model = enumerable(prepared)
    except NetagentsError as error:
        reason = error.what
    else:

        def exact(run: Run) -> dict[str, float]:
            numbers = true_power(model, run.setup, run.policies(), aggregate).numbers()
            return {**numbers, "return": numbers["true_return"], "power": numbers["true_power"]}

        return PowerSource("exact", "exact", exact)
    if states:
        try:
            check_branchable(prepared.setup)
            for agent in range(prepared.setup.n):
                action_sequences(prepared.setup, agent, 1, POINTS)
        except NetagentsError as error:
            reason = f"{reason}, and {error.what}"
        else:
            means = "; the largest of the co-players' means over states" if aggregate == "max" else ""
            words = f"by branching {states} states per agent ({reason}){means}"
            return PowerSource("branching", words, lambda run: branched_power(run, states, aggregate))
    sampled = any(sbpr_of(setting.experiment.interventions) is not None for setting in study.settings)
    # Returns while training with SBPR hold its deviations.
    return PowerSource("readings", f"measured by the runs themselves: {reason}", frozen_return if sampled else lambda _: {})


def branched_power(run: Run, states: int, aggregate: Aggregate) -> dict[str, float]:
    """Realized power of a run's newest policies, mean over agents, at the states of the same episodes for all runs.

    Args:
        run: whose audit is written down beside it, and read again by the next call.
        states: per agent, rounded up to whole parts of the audit.
        aggregate: how the power of several co-players over one agent becomes a number; ``max`` is taken of means over states, so it is at
            most the mean of the largest.

    Returns:
        ``power`` between ``power_from_below`` and ``power_from_above`` (worst actions chosen and valued by different rollouts, or by the
        same ones), and ``return`` as :func:`frozen_return` has it.
    """
    audited = audit(run, variant="realized", visits=states, replicates=REPLICATES, points=POINTS)
    matrices = {"power": audited.power, "power_from_below": audited.low, "power_from_above": audited.high}
    return {**frozen_return(run), **{name: aggregated(matrix, aggregate) for name, matrix in matrices.items()}}


def aggregated(matrix: FloatArray, aggregate: Aggregate) -> float:
    """Mean over agents i of the mean, sum or largest of column i of an (n, n) matrix without its diagonal; NaN if an entry is unknown."""
    n = len(matrix)
    columns = matrix.T[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    if columns.size == 0 or not np.isfinite(columns).all():
        return float("nan")
    per_agent = columns.max(axis=1) if aggregate == "max" else columns.sum(axis=1) if aggregate == "sum" else columns.mean(axis=1)
    return float(per_agent.mean())


def frozen_return(run: Run) -> dict[str, float]:
    """``return`` per agent of a run's newest policies, undiscounted, in the same episodes for all runs; nobody deviates."""
    return {"return": float(evaluate(run, EPISODES).returns.mean())}
