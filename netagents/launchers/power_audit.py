"""Audits of power: the true power of a run's policies by branching, beside what its agents measured.

Parts of 32 visits are played for all holders in turn, so that an audit that ends early knows equally much of each; a finished part is
written down at once, and an audit with the same settings goes on where the last one ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from netagents.errors import UsageError
from netagents.intervals import Interval, standard_half_width
from netagents.launchers.branching import Brancher, action_sequences, check_branchable
from netagents.launchers.policy_evaluation import evaluation_environment, evaluation_seed
from netagents.learning.power_facts import power_facts
from netagents.measures.power import PowerMatrix
from netagents.randomness import ENVIRONMENT_OWNER, seeded_globally
from netagents.records.power_branches import AuditPlan, AuditRow, PowerBranches
from netagents.records.run_reader import Run
from netagents.records.trained_policies import find_checkpoint

FloatArray = NDArray[np.float64]
PART = 32
"""Visits that are branched side by side."""
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
    show: Callable[[str], None] | None = None,
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
        show: told of each part.

    Raises:
        EnvironmentMismatchError: the environment cannot be branched, or there are too many actions.
        RunDirectoryError: there is no such checkpoint, or files are damaged.
        UsageError: a holder does not exist, or replicates are odd.
    """
    run.directory.require_trust()
    setup = run.setup
    check_branchable(setup)
    chosen = tuple(range(setup.n)) if holders is None else tuple(dict.fromkeys(holders))
    if max(chosen) >= setup.n:
        raise UsageError(f"there is no agent {max(chosen)}", where="--holders", fix=f"agents are 0 to {setup.n - 1}")
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
        length=max(steps, int(np.ceil(np.log(tail) / np.log(setup.discount)))),
        seed=seed,
        greedy=greedy,
    )
    kept = PowerBranches.of(run.path, plan, setup.n)
    sequences = {holder: action_sequences(setup, holder, steps, points) for holder in chosen}
    done = {(row.holder, row.part): row for row in kept.rows()}
    parts = -(-visits // PART)
    wanted = [(holder, part) for part in range(parts) for holder in chosen]
    missing = [each for each in wanted if each not in done]
    if missing:
        with seeded_globally(evaluation_seed(seed), ENVIRONMENT_OWNER):
            _play(run, plan, kept, missing, sequences, done, seconds, show)
    rows = [done[each] for each in wanted if each in done]
    return _collected(run, plan, kept, chosen, rows, complete=len(rows) == len(wanted))


def _play(
    run: Run,
    plan: AuditPlan,
    kept: PowerBranches,
    missing: Sequence[tuple[int, int]],
    sequences: dict[int, NDArray[np.generic]],
    done: dict[tuple[int, int], AuditRow],
    seconds: float | None,
    show: Callable[[str], None] | None,
) -> None:
    begun = monotonic()
    writer = kept.writer()
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
            at, found = -1, None
            for number, (holder, part) in enumerate(missing):
                if seconds is not None and number and monotonic() - begun > seconds:
                    return
                if part != at or found is None:
                    at, found = part, brancher.visits(part, PART)
                row = AuditRow(holder=holder, part=part, visits=0, low=[0.0] * run.n, high=[0.0] * run.n, squares=[0.0] * run.n)
                if found.number:
                    power = brancher.power(holder, part, found, sequences[holder])
                    middle = 0.5 * (power.low + power.high)
                    sums = {"low": power.low, "high": power.high, "squares": middle * middle}
                    row = AuditRow(
                        holder=holder, part=part, visits=found.number, **{name: each.sum(axis=0).tolist() for name, each in sums.items()}
                    )
                writer.write(row.model_dump())
                done[holder, part] = row
                if show is not None:
                    show(f"{number + 1} of {len(missing)} parts, {monotonic() - begun:.0f} s")
    finally:
        writer.close()


def _collected(
    run: Run, plan: AuditPlan, kept: PowerBranches, holders: tuple[int, ...], rows: Sequence[AuditRow], *, complete: bool
) -> Audit:
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
    return Audit(plan, str(kept.path), holders, visits, low, high, error, _measured(run), facts.distances.astype(np.int64), complete)


def _measured(run: Run) -> PowerMatrix | None:
    """What agents measured at last; None where there are no readings."""
    iterations = len(run.iterations)
    return run.power_matrix(last=min(LAST_READINGS, iterations)) if iterations else None
