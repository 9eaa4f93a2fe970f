"""Audits of power: the true power of a run's policies by branching, beside what its agents measured.

Parts of 32 visits are played for all holders in turn, so that an audit that ends early knows equally much of each; a finished part is
written down at once, and an audit with the same settings goes on where the last one ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from netagents.errors import UsageError
from netagents.launchers.audit_result import Audit, collected_audit
from netagents.launchers.branching import Brancher, action_sequences
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.learning.branch_checks import check_branchable
from netagents.learning.protocol.branch_plan import rollout_length
from netagents.randomness import ENVIRONMENT_OWNER, evaluation_seed, seeded_globally
from netagents.records.power_branches import AuditPlan, AuditRow, PowerBranches
from netagents.records.run_reader import Run
from netagents.records.trained_policies import find_checkpoint

FloatArray = NDArray[np.float64]
PART = 32
"""Visits that are branched side by side."""


def audit(
    run: Run,
    *,
    holders: Sequence[int] | None = None,
    variant: str | None = None,
    steps: int = 1,
    visits: int = 256,
    replicates: int = 8,
    points: int = 3,
    tail: float = 0.05,
    seed: int = 0,
    checkpoint: int | None = None,
    greedy: bool = False,
    seconds: float | None = None,
    show: Callable[[int, int, float], None] | None = None,
) -> Audit:
    """Measure the true power of a run's policies.

    Args:
        run: with a checkpoint.
        holders: whose power (default: everybody's).
        variant: ``realized`` or ``ex_ante`` (default: what the run's agents measure).
        steps: k, for how many steps a holder plays its worst actions.
        visits: per holder, rounded up to whole parts of 32.
        replicates: rollouts of each branch, an even number.
        points: per number of a box, of the grid on which its worst action is sought.
        tail: what may be left of the discount where a rollout is cut.
        seed: names the random numbers.
        checkpoint: the iteration after which the policies were saved (default: the newest).
        greedy: policies play their most probable actions.
        seconds: after which no further part is begun.
        show: called after each part with the parts that are done, all parts, and the seconds that passed.

    Raises:
        EnvironmentMismatchError: the environment cannot be branched, or there are too many actions.
        RunDirectoryError: there is no such checkpoint, or files are damaged.
        UsageError: a holder does not exist, or replicates are odd.
    """
    run.directory.require_trust()
    setup = run.setup
    check_branchable(setup)
    audited_agents = tuple(range(setup.n)) if holders is None else tuple(dict.fromkeys(holders))
    if max(audited_agents) >= setup.n:
        raise UsageError(f"there is no agent {max(audited_agents)}", where="--holders", fix=f"agents are 0 to {setup.n - 1}")
    if replicates % 2:
        raise UsageError(f"{replicates} replicates", where="--replicates", fix="use an even number: one half chooses, the other values")
    path = find_checkpoint(run.directory, checkpoint)
    plan = AuditPlan(
        run=run.manifest["run"],
        checkpoint=next(number for number, each in run.checkpoints.items() if each == path),
        variant="ex_ante" if (variant or setup.experiment.power.variant) == "ex_ante" else "realized",
        steps=steps,
        points=points,
        replicates=replicates,
        length=max(steps, rollout_length(tail, setup.discount)),
        seed=seed,
        greedy=greedy,
    )
    branches = PowerBranches.of(run.path, plan, setup.n)
    sequences = {holder: action_sequences(setup, holder, steps, points) for holder in audited_agents}
    rows_by_part = {(row.holder, row.part): row for row in branches.rows()}
    parts = -(-visits // PART)
    pairs = [(holder, part) for part in range(parts) for holder in audited_agents]
    missing = [each for each in pairs if each not in rows_by_part]
    if missing:
        with seeded_globally(evaluation_seed(seed), ENVIRONMENT_OWNER):
            _play(run, plan, branches, missing, sequences, rows_by_part, seconds, show)
    rows = [rows_by_part[each] for each in pairs if each in rows_by_part]
    return collected_audit(run, branches, audited_agents, rows, complete=len(rows) == len(pairs))


def _play(
    run: Run,
    plan: AuditPlan,
    branches: PowerBranches,
    missing: Sequence[tuple[int, int]],
    sequences: dict[int, NDArray[np.generic]],
    rows_by_part: dict[tuple[int, int], AuditRow],
    seconds: float | None,
    show: Callable[[int, int, float], None] | None,
) -> None:
    start = monotonic()
    writer = branches.writer()
    try:
        with evaluation_environment(run) as environment:
            environment.open(PART * plan.replicates, None)
            brancher = Brancher(
                run.setup,
                environment,
                run.policies(plan.checkpoint),
                seed=evaluation_seed(plan.seed),
                replicates=plan.replicates,
                length=plan.length,
                ex_ante=plan.variant == "ex_ante",
                greedy=plan.greedy,
            )
            at, result = -1, None
            for number, (holder, part) in enumerate(missing):
                if seconds is not None and number and monotonic() - start > seconds:
                    return
                if part != at or result is None:
                    at, result = part, brancher.visits(part, PART)
                row = AuditRow(holder=holder, part=part, visits=0, low=[0.0] * run.n, high=[0.0] * run.n, squares=[0.0] * run.n)
                if result.number:
                    power = brancher.power(holder, part, result, sequences[holder])
                    middle = 0.5 * (power.low + power.high)
                    sums = {"low": power.low, "high": power.high, "squares": middle * middle}
                    row = AuditRow(
                        holder=holder, part=part, visits=result.number, **{name: each.sum(axis=0).tolist() for name, each in sums.items()}
                    )
                writer.write(row.model_dump())
                rows_by_part[holder, part] = row
                if show is not None:
                    show(number + 1, len(missing), monotonic() - start)
    finally:
        writer.close()
