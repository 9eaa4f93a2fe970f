"""A hundred agents on two cores: they start, train, and each of them is small; torch is nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Starter
from live_run import patience

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

START_SECONDS = 10.0
PRIVATE_BYTES = 25 << 19
"""12.5 MiB for the largest of a hundred; about 11.9 are usual, and tables grow with what has been visited until somebody looks."""
HUNDRED = {
    "name": "hundred",
    "environment": {"kind": "sis"},
    "topology": {"kind": "grid", "rows": 10, "columns": 10},
    "kappa": 1,
    "learning": {"iterations": 1_000, "batch": 16, "horizon": 10},
}


def private_bytes(pid: int) -> int:
    """What belongs to this process alone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


def test_a_hundred_agents_start_train_and_are_small(start: Starter) -> None:
    start_time = time.time()
    run = start(HUNDRED)
    run.wait_for_rows(3, seconds=60.0)
    (gathered,) = [event for event in run.records.events if event["event"] == "gathered"]
    assert gathered["nodes"] == 101
    assert gathered["time"] - start_time <= patience(START_SECONDS)
    agents = [run.pid(f"agent_{index}") for index in range(100)]
    assert len(set(agents)) == 100
    largest = max(private_bytes(pid) for pid in agents)
    assert largest <= PRIVATE_BYTES, f"{largest / 2**20:.1f} MiB"
    for pid in [*agents, run.pid("environment"), run.pid("monitor"), run.pid("forkserver"), run.pid("launcher")]:
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()
        assert len(os.listdir(f"/proc/{pid}/task")) <= 8  # noqa: PTH208 - a count of threads
    print(f"100 agents gathered after {gathered['time'] - start_time:.1f} s; largest private memory {largest / 2**20:.1f} MiB")
    run.process.terminate()
    ended = run.ended(10.0)
    assert ended.code == 143, ended.err
    run.assert_nothing_left()
    assert run.records.state == "interrupted"


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["config", "show", "quickstart"]], ids=" ".join)
def test_help_and_settings_import_neither_torch_nor_anything_heavy(words: list[str]) -> None:
    heavy = ["torch", "resvg_py", "scipy", "pyarrow", *(["numpy", "zmq", "netagents.experiment"] if "--help" in words else [])]
    script = f"import sys; from netagents.cli.main import main; main({words!r}); print([m for m in {heavy!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=patience(20.0))
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_tabular_run_never_imports_torch(tmp_path: Path) -> None:
    settings = HUNDRED | {"topology": {"kind": "grid", "rows": 1, "columns": 3}, "learning": {"iterations": 2, "batch": 4, "horizon": 4}}
    for launcher in ("local", "in_process"):
        overrides = {"runtime.launcher": launcher}
        script = (
            "import sys, netagents\n"
            f"run = netagents.run({settings!r}, directory={str(tmp_path / launcher)!r}, **{overrides!r})\n"
            "run.metrics, run.power_matrix(), run.policies()\n"
            "print(run.state, 'torch' in sys.modules)"
        )
        # Whichever process imports it, this one is what it finds.
        (tmp_path / "torch.py").write_text("raise ImportError('a tabular run has imported torch')")
        paths = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
        result = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=patience(30.0), env=paths
        )
        assert result.stdout.split() == ["finished", "False"], result.stderr
