"""One run of a study in a process of its own: train, then play the frozen policies with and without a crashed agent.

Started as ``python -m netagents.studies.study_worker``, and takes one run after another; see :mod:`netagents.launchers.worker_process`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from netagents.launchers.worker_process import run_jobs


def main() -> int:
    """Carry out the jobs on standard input."""
    return run_jobs(work)


def work(job: dict[str, Any]) -> None:
    """Train unless the run is finished already, evaluate, and write the result last: its file says that the run is whole.

    Args:
        job: ``experiment`` (resolved), ``path`` of the run directory, ``copies`` to evaluate with.

    Raises:
        NetagentsError: the run failed.
    """
    from netagents.experiment import load_experiment
    from netagents.experiment.named_code import names_of
    from netagents.launchers.launch import launch
    from netagents.learning.prepared_experiment import prepare
    from netagents.records.atomic_files import write_atomically
    from netagents.records.run_reader import Run
    from netagents.studies.crash_returns import FAILURES, play_frozen
    from netagents.studies.study_directory import RESULT

    path = Path(job["path"])
    loaded = load_experiment(job["experiment"])
    if loaded.experiment.uses_networks:
        # Else the first training of a worker would seem to take longer than those after it, which the worker spares the import.
        import torch.optim.adam  # noqa: F401
    started, cpu = time.perf_counter(), _cpu_seconds()
    run = Run.open(path, names_of(loaded.experiment)) if path.exists() else launch(loaded, path=path)
    trained, trained_cpu = time.perf_counter() - started, _cpu_seconds() - cpu
    result: dict[str, Any] = {
        "wall_seconds": trained,
        "cpu_seconds": trained_cpu,
        "largest_memory_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "launcher": loaded.experiment.runtime.launcher,
    }
    if job["copies"]:
        run.directory.require_trust()
        prepared = prepare(run.experiment)
        policies = run.policies()
        copies = int(job["copies"])
        whole = play_frozen(prepared.setup, prepared.environment, policies, copies)
        result |= {"return": whole.plain.tolist(), "discounted_return": whole.discounted.tolist(), "error": whole.error}
        for failure in FAILURES:
            played = [play_frozen(prepared.setup, prepared.environment, policies, copies, agent, failure) for agent in range(run.n)]
            result[f"crash_{failure}"] = [float(each.plain.mean()) for each in played]
            result[f"crash_{failure}_others"] = [
                float((each.plain.sum() - each.plain[agent]) / max(1, run.n - 1)) for agent, each in enumerate(played)
            ]
            result[f"crash_{failure}_discounted"] = [float(each.discounted.mean()) for each in played]
        prepared.environment.close()
    write_atomically(path / RESULT, json.dumps(result).encode())


def _cpu_seconds() -> float:
    return time.process_time()


if __name__ == "__main__":
    sys.exit(main())
