"""Rollouts of some sources of an influence measurement in a process of its own.

Started as ``python -m netagents.launchers.influence_worker``; see :mod:`netagents.launchers.worker_process`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from netagents.launchers.worker_process import run_job


def main() -> int:
    """Carry out the job on standard input."""
    return run_job(work)


def work(job: dict[str, Any]) -> None:
    """Play every source, or set of sources, and keep its returns.

    Args:
        job: ``run`` and ``bank`` (paths), ``plan``, ``sources`` (lists of agents), ``trust`` (names of code that may run).

    Raises:
        NetagentsError: the rollouts failed.
    """
    from netagents.launchers.influence_rollouts import InfluenceRollouts
    from netagents.launchers.policy_evaluation import evaluation_environment
    from netagents.records.influence_returns import InfluenceReturns
    from netagents.records.policy_bank import Bank
    from netagents.records.record_models import InfluencePlan
    from netagents.records.run_reader import Run

    run = Run.open(Path(job["run"]), set(job["trust"]))
    plan = InfluencePlan.model_validate(job["plan"])
    stored_returns = InfluenceReturns.of(run.path, plan, run.n)
    with evaluation_environment(run) as environment:
        rollouts = InfluenceRollouts(run, Bank.open(Path(job["bank"])), plan, environment)
        for sources in map(tuple, job["sources"]):
            if stored_returns.read(sources) is None:
                stored_returns.write(sources, rollouts.source(sources[0]) if len(sources) == 1 else rollouts.group(sources))


if __name__ == "__main__":
    sys.exit(main())
