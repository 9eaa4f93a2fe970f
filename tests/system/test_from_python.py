"""``netagents.run``: the same from Python, in scripts without a guard, in threads, and more than once."""

from __future__ import annotations

import ctypes
import resource
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from live_run import LINE, merged, patience

import netagents
from netagents.errors import ExperimentError, ForeignCodeError, NodeFailedError, RunDirectoryError
from netagents.launchers.iteration_callback import RecordedIteration
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

ROOT = Path(__file__).parents[2]
SMALL = merged(LINE, {"topology": {"n": 4}, "learning": {"iterations": 2}})


def test_a_run_from_python_gives_metrics_power_ledger_and_policies(tmp_path: Path) -> None:
    file = ROOT / "launch" / "line_msg.yaml"
    words = "learning.iterations=3", "topology.n=5"
    run = netagents.run(file, *words, kappa=2, learning={"horizon": 12, "batch": 16}, directory=tmp_path / "run")
    assert run.state == "finished"
    assert run.path == tmp_path / "run"
    assert (run.n, run.experiment.kappa, run.experiment.kappa_policy) == (5, 2, 1)
    learning = run.experiment.learning
    assert (learning.iterations, learning.horizon, learning.batch) == (3, 12, 16)
    assert learning.credit == "shared_q"
    assert len(run.metrics["return"]) == 3 * 5
    assert np.isfinite(run.returns).all()
    assert run.power_matrix().values.shape == (5, 5)
    assert run.ledger.total.messages > 0
    policies = run.policies()
    assert len(policies) == 5
    for policy in policies:
        np.testing.assert_allclose(policy.probabilities.sum(axis=-1), 1.0, rtol=1e-12)
    # A run is repeated from its own records.
    again = netagents.run(run.path / "experiment.json", directory=tmp_path / "again")
    assert same_bits(run, again) == []


def test_a_script_needs_no_main_guard_and_is_run_once(tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    script.write_text(
        "import netagents\n"
        "print('begin')\n"
        f"for kappa in (1, 2):\n"
        f"    run = netagents.run({SMALL!r}, kappa=kappa, directory=f'{tmp_path}/{{kappa}}')\n"
        "    print(run.state, run.experiment.kappa)\n"
        "print('end')\n"
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=patience(40.0))
    assert result.stdout.splitlines() == ["begin", "finished 1", "finished 2", "end"], result.stderr
    assert result.stderr == ""


def test_runs_side_by_side_in_threads_do_not_meet(tmp_path: Path) -> None:
    mapping: dict[int, netagents.Run] = {}
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    threads = [
        threading.Thread(target=lambda seed=seed: mapping.update({seed: netagents.run(SMALL, seed=seed, directory=tmp_path / str(seed))}))
        for seed in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience(40.0))
    # What runs change of the whole process is as before, although they overlapped.
    adopts = ctypes.c_int(-1)
    assert ctypes.CDLL(None).prctl(37, ctypes.byref(adopts), 0, 0, 0) == 0
    assert adopts.value == 0
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    for seed in (0, 1):
        alone = netagents.run(SMALL, seed=seed, runtime={"launcher": "in_process"}, directory=tmp_path / f"alone-{seed}")
        assert same_bits(alone, mapping[seed]) == []


def test_mistakes_are_exceptions_of_one_line_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExperimentError, match="kapa: unknown key; did you mean 'kappa'"):
        netagents.run(SMALL, kapa=1)
    with pytest.raises(ExperimentError, match=r"learning\.batch: must be at least 1, not 0"):
        netagents.run(SMALL, "learning.batch=0")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    with pytest.raises(RunDirectoryError, match="there: exists already"):
        netagents.run(SMALL, directory="there")


def test_a_failure_is_an_exception_with_its_story(tmp_path: Path) -> None:
    drop = {"kind": "drop", "message": "trace", "sender": 0, "receiver": 1, "iteration": 1}
    with pytest.raises(NodeFailedError) as caught:
        netagents.run(SMALL, faults=[drop], timeouts={"exchange": 1.0}, directory=tmp_path / "run")
    assert "trace of iteration 1, step 0 from agent 0" in str(caught.value)
    assert "last lines of the log of" in caught.value.details
    # The next run is not the worse for it.
    assert netagents.run(SMALL, directory=tmp_path / "next").state == "finished"


def test_a_callback_sees_every_iteration_of_processes_and_ends_the_run(tmp_path: Path) -> None:
    returns: list[float] = []
    plain = netagents.run(SMALL, directory=tmp_path / "plain")
    # Without the monitor, too: rows come from the records.
    run = netagents.run(
        SMALL, directory=tmp_path / "watched", runtime={"monitor": False}, on_iteration=lambda each: returns.append(each.team_return)
    )
    assert same_bits(plain, run) == []
    np.testing.assert_array_equal(returns, run.returns)

    calls: list[int] = []

    def enough(each: RecordedIteration) -> bool:
        calls.append(each.iteration)
        return each.iteration < 3

    ended = netagents.run(SMALL, learning={"iterations": 100_000}, directory=tmp_path / "ended", on_iteration=enough)
    assert calls == [0, 1, 2, 3]
    assert ended.state == "interrupted"
    assert ended.ending["line"] == "on_iteration returned False after iteration 3"
    assert 4 <= len(ended.returns) < 100_000
    np.testing.assert_array_equal(ended.returns[:2], plain.returns)
    assert len(ended.power) == len(ended.returns)

    with pytest.raises(ForeignCodeError, match=r"^iteration 0: on_iteration '.*' failed: IndexError"):
        netagents.run(SMALL, learning={"iterations": 100_000}, directory=tmp_path / "failed", on_iteration=lambda each: [][each.total])
    assert netagents.Run.open(tmp_path / "failed").state == "failed"
