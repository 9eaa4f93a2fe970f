"""The batch script under a real Slurm: the job ends as its server does, with the records of a run without Slurm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import netagents

WORDS = ("topology.n=3", "learning.iterations=2", "learning.batch=8", "runtime.monitor=false")


def why_not() -> str | None:
    """Why no job can be submitted here; None if one can."""
    if shutil.which("sbatch") is None:
        return "Slurm is not installed: no command sbatch"
    if "SLURM_CONF" not in os.environ:
        return "SLURM_CONF names no Slurm that tests may use"
    result = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, timeout=30)
    return None if result.returncode == 0 else f"no Slurm answers: {result.stderr.strip()[:200]}"


@pytest.mark.system
def test_a_job_writes_the_records_of_the_same_run_in_process(tmp_path: Path) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    command = str(Path(sys.executable).with_name("netagents"))
    shared = tmp_path / "shared"
    made = subprocess.run(
        [command, "script", "slurm", "launch/line_msg.yaml", *WORDS, "--out", str(shared)], capture_output=True, text=True, timeout=60
    )
    assert made.returncode == 0, made.stderr
    submit = ["sbatch", "--wait", "--parsable", str(shared / "job.sbatch")]
    result = subprocess.run(submit, capture_output=True, text=True, timeout=110, env={**os.environ, "NETAGENTS": command})
    output = "".join(path.read_text() for path in shared.glob("slurm-*.out"))
    assert result.returncode == 0, result.stderr + output
    folder = shared / f"line_msg-{result.stdout.strip()}"
    assert sorted(path.name for path in folder.iterdir()) == ["logs", "run"]
    assert {path.stem for path in (folder / "logs").iterdir()} == {"environment", "agent-0", "agent-1", "agent-2"}
    alone = netagents.run("launch/line_msg.yaml", *WORDS, "runtime.launcher=in_process", directory=tmp_path / "alone")

    def rows(run: Path) -> list[dict[str, object]]:
        timed = ("seconds", "timing")
        return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in (run / "metrics.jsonl").read_text().splitlines()]

    assert len(rows(folder / "run")) == len(alone.iterations) == 2
    assert rows(folder / "run") == rows(tmp_path / "alone")
