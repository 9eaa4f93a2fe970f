"""Jobs of an influence measurement: the rollouts that are missing, timed beforehand and shared by several processes."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from netagents.errors import CapacityError, ExperimentError, InterruptedRunError, NodeFailedError
from netagents.experiment.named_code import names_of
from netagents.launchers.influence_rollouts import InfluenceRollouts
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.worker_process import WorkerProcess
from netagents.records.influence_returns import InfluenceReturns
from netagents.records.policy_bank import Bank
from netagents.records.run_reader import Run

Sources = tuple[int, ...]
LARGEST_RETURNS = 1 << 30
"""Bytes of the returns of one source or set of sources."""

_WHERE = "influence"


@dataclass(frozen=True)
class Forecast:
    """What the rollouts that are missing take.

    Attributes:
        rollouts: rollouts of all repetitions that are needed altogether. missing: those not played yet.
        seconds: of one of them here. jobs: processes that share them.
    """

    rollouts: int
    missing: int
    seconds: float
    jobs: int

    @property
    def remaining_seconds(self) -> float:
        """Estimated wall time of what is missing."""
        return self.missing * self.seconds / self.jobs


def source_sets(sources: Sequence[int], groups: Sequence[Sources], n: int) -> list[Sources]:
    """Everything that has to be played, single sources first.

    Raises:
        ExperimentError: an agent does not exist or is named twice, or a set has fewer than two agents.
    """
    for agents in (tuple(sources), *groups):
        strange = [agent for agent in agents if not 0 <= agent < n]
        if strange or len(set(agents)) < len(agents):
            what = f"there is no agent {strange[0]}" if strange else f"an agent is named twice in {','.join(map(str, agents))}"
            raise ExperimentError(what, where=_WHERE, fix=f"agents are 0 to {n - 1}")
    if any(len(group) < 2 for group in groups):
        raise ExperimentError("a set of sources has one agent", where=_WHERE, fix="name at least two, such as --group 2,3")
    return [(agent,) for agent in sources] + [tuple(group) for group in groups]


def forecast(rollouts: InfluenceRollouts, returns: InfluenceReturns, everything: Sequence[Sources], jobs: int) -> Forecast:
    """Time one rollout, and count what is missing.

    Raises:
        CapacityError: the returns of a set of sources would not fit.
    """
    K = len(returns.plan.members)
    for sources in everything:
        if 8 * prod(returns.shape(sources)) > LARGEST_RETURNS:
            raise CapacityError(
                f"all combinations of {K} policies of {len(sources)} sources are {K ** len(sources):,} rollouts whose returns need "
                f"{8 * prod(returns.shape(sources)) / 2**30:.3g} GiB",
                where=_WHERE,
                fix="use fewer sources in a set, fewer repetitions or a smaller bank",
            )
    started = time.perf_counter()
    rollouts.play({})
    seconds = time.perf_counter() - started
    missing = [sources for sources in everything if not returns.file(sources).exists()]
    return Forecast(sum(K ** len(each) for each in everything), sum(K ** len(each) for each in missing), seconds, jobs)


def play_missing(
    run: Run,
    bank: Bank,
    returns: InfluenceReturns,
    everything: Sequence[Sources],
    *,
    jobs: int = 1,
    show: Callable[[int, int], None] | None = None,
) -> None:
    """Play every source that has no returns yet; with several jobs in as many processes.

    Args:
        run: whose policies are the reference. bank: of policies.
        returns: where returns are kept.
        everything: of :func:`source_sets`.
        jobs: processes.
        show: called as ``show(sources played, sources in all)``.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; what is played stays, and the same command goes on.
        NodeFailedError: a process failed.
    """
    missing = [sources for sources in everything if returns.read(sources) is None]
    report = show if show is not None else _nothing
    report(len(everything) - len(missing), len(everything))
    if not missing:
        return
    if jobs <= 1 or len(missing) == 1:
        with evaluation_environment(run) as environment:
            rollouts = InfluenceRollouts(run, bank, returns.plan, environment)
            for number, sources in enumerate(missing, start=len(everything) - len(missing) + 1):
                returns.write(sources, rollouts.source(sources[0]) if len(sources) == 1 else rollouts.group(sources))
                report(number, len(everything))
        return
    _in_processes(
        run, bank, returns, missing, jobs, lambda: report(sum(returns.file(each).exists() for each in everything), len(everything))
    )


def _in_processes(
    run: Run, bank: Bank, returns: InfluenceReturns, missing: Sequence[Sources], jobs: int, update: Callable[[], None]
) -> None:
    workers: list[WorkerProcess] = []
    interruptions = Interruptions()
    trust = sorted(names_of(run.experiment)) if run.directory.trust else []
    facts = {"run": str(run.path), "bank": str(bank.path), "plan": returns.plan.model_dump(), "trust": trust}
    try:
        parts = [missing[job::jobs] for job in range(min(jobs, len(missing)))]
        workers.extend(WorkerProcess("netagents.launchers.influence_worker", {**facts, "sources": part}) for part in parts)
        while True:
            codes = [worker.poll() for worker in workers]
            update()
            for code, worker in zip(codes, workers, strict=True):
                if code:
                    raise NodeFailedError(
                        f"a process of the measurement failed: {worker.reason() or f'exit code {code}'}",
                        where=str(returns.path),
                        fix="what is played stays; the same command goes on",
                    )
            if all(code == 0 for code in codes):
                return
            select.select([interruptions.descriptor], [], [], 0.2)
            if interruptions.first is not None:
                raise InterruptedRunError(
                    "the measurement is not complete",
                    signal_number=interruptions.first,
                    where=str(returns.path),
                    fix="the same command goes on from there",
                )
    finally:
        for worker in workers:
            worker.kill()
            worker.close()
        interruptions.close()


def _nothing(_: int, __: int) -> None:
    """Nobody wants to know how far it is."""
