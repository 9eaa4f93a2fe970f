"""The callback of a run: it sees every iteration as it is recorded, changes no bit, and may end the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from experiments import line_msg

import netagents
from netagents.errors import ForeignCodeError, UsageError
from netagents.launchers.iteration_callback import RecordedIteration
from netagents.records.same_bits import same_bits

SMALL = {**line_msg(3, name="small", kappa=1, kappa_policy=1, iterations=6, batch=4, horizon=5), "runtime": {"launcher": "in_process"}}


def test_it_sees_every_iteration_and_changes_no_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = netagents.run(SMALL, directory=tmp_path / "plain")
    records: list[RecordedIteration] = []

    def note(iteration: RecordedIteration) -> None:
        print("iteration", iteration.iteration, len(iteration.run.returns))
        np.random.default_rng().random()
        records.append(iteration)

    run = netagents.run(SMALL, directory=tmp_path / "watched", on_iteration=note)
    assert same_bits(plain, run) == []
    assert run.state == "finished"
    assert [each.iteration for each in records] == [0, 1, 2, 3, 4, 5]
    assert {each.total for each in records} == {6}
    np.testing.assert_array_equal([each.team_return for each in records], run.returns)
    np.testing.assert_array_equal([each.team_return_sd for each in records], run.returns_sd)
    np.testing.assert_array_equal([each.discounted_return for each in records], run.discounted_returns)
    for name in run.metric_names:
        np.testing.assert_array_equal([each.column(name) for each in records], run.agent_metric(name))
    with pytest.raises(KeyError, match="no metric is called 'reward'"):
        records[0].column("reward")
    # All records of the iteration are there when it is called, and its output is the caller's.
    assert capsys.readouterr().out.splitlines() == [f"iteration {k} {k + 1}" for k in range(6)]


def test_false_ends_the_run_well_and_it_can_go_on(tmp_path: Path) -> None:
    plain = netagents.run(SMALL, directory=tmp_path / "plain")
    run = netagents.run(
        SMALL, checkpoints={"every": 1}, directory=tmp_path / "run", on_iteration=lambda records: np.bool_(records.iteration < 2)
    )
    assert run.state == "interrupted"
    assert run.ending["line"] == "on_iteration returned False after iteration 2"
    assert run.ending["exit_code"] == 0
    np.testing.assert_array_equal(run.returns, plain.returns[:3])
    assert len(run.power) == 3
    assert [*run.path.rglob("metrics.parquet")]
    assert len(run.policies()) == 3
    records: list[int] = []
    resumed = netagents.resume(run.path, on_iteration=lambda iteration: records.append(iteration.iteration))
    assert records == [3, 4, 5]
    assert resumed.state == "finished"
    np.testing.assert_array_equal(resumed.returns, plain.returns)


def test_false_after_the_last_iteration_leaves_a_finished_run(tmp_path: Path) -> None:
    assert netagents.run(SMALL, directory=tmp_path / "run", on_iteration=lambda records: records.iteration < 5).state == "finished"


def test_an_error_of_the_callback_ends_the_run_with_one_line_that_names_it(tmp_path: Path) -> None:
    def divide(records: RecordedIteration) -> float:
        return 1 / (1 - records.iteration)

    with pytest.raises(
        ForeignCodeError, match=r"^iteration 1: on_iteration '.*divide' failed: ZeroDivisionError: .*test_iteration"
    ) as raised:
        netagents.run(SMALL, directory=tmp_path / "run", on_iteration=divide)
    assert "\n" not in str(raised.value)
    run = netagents.Run.open(tmp_path / "run")
    assert (run.state, len(run.returns)) == ("failed", 2)
    assert run.ending["line"] == str(raised.value)


def test_what_cannot_be_called_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="on_iteration: int cannot be called"):
        netagents.run(SMALL, directory=tmp_path / "run", on_iteration=3)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
