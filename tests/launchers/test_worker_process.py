"""A worker process that does one job after another: each job by itself, and none outlives what ends it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netagents.experiment import load_experiment, resolved
from netagents.launchers.launch import launch
from netagents.launchers.worker_process import WorkerProcess
from netagents.records.run_reader import Run

TINY: dict[str, Any] = {
    "name": "tiny",
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 3},
    "kappa": 1,
    "learning": {"iterations": 2, "batch": 4, "horizon": 5},
    "runtime": {"launcher": "in_process"},
}
LONG: dict[str, Any] = TINY | {"learning": {"iterations": 100_000, "batch": 64, "horizon": 50}}


def job(path: Path, settings: dict[str, Any] = TINY, seed: int = 0) -> dict[str, Any]:
    return {"experiment": resolved(load_experiment(settings, [f"seed={seed}"]).experiment), "path": str(path), "copies": 0}


def wait(worker: WorkerProcess) -> int:
    limit = time.monotonic() + 60
    while (code := worker.poll()) is None:
        assert time.monotonic() < limit, "the job did not end"
        time.sleep(0.01)
    return code


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerProcess]:
    process = WorkerProcess("netagents.studies.study_worker", job(tmp_path / "first"))
    yield process
    process.kill()
    process.close()


def test_later_jobs_of_a_worker_are_the_runs_that_they_would_be_by_themselves(tmp_path: Path, worker: WorkerProcess) -> None:
    assert wait(worker) == 0
    # A job that fails takes nothing with it.
    (tmp_path / "file").write_text("")
    worker.give(job(tmp_path / "file" / "run"))
    assert wait(worker) == 6
    assert str(tmp_path / "file") in worker.reason()
    worker.give(job(tmp_path / "second", seed=1))
    assert wait(worker) == 0
    alone = launch(load_experiment(TINY, ["seed=1"]), path=tmp_path / "alone")
    second, first = Run.open(tmp_path / "second"), Run.open(tmp_path / "first")
    assert second.returns.tolist() == alone.returns.tolist() != first.returns.tolist()


def test_the_end_of_a_worker_ends_its_job(tmp_path: Path, worker: WorkerProcess) -> None:
    assert wait(worker) == 0
    worker.give(job(tmp_path / "long", LONG))
    metrics = tmp_path / "long" / "metrics.jsonl"
    limit = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size):
        assert worker.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert Run.open(tmp_path / "long").state == "running"
    children = [int(word) for file in Path("/proc/self/task").glob("*/children") for word in file.read_text().split()]
    (process,) = [pid for pid in children if b"netagents.studies.study_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(process, signal.SIGKILL)
    assert wait(worker) == -signal.SIGKILL
    limit = time.monotonic() + 10
    while Run.open(tmp_path / "long").state == "running":
        assert time.monotonic() < limit, "the job goes on without its worker"
        time.sleep(0.01)
