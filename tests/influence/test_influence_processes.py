"""Influence with the agents as processes: the same returns, to the bit, as in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.cli.main import main
from netagents.errors import ExperimentError
from netagents.experiment import load_experiment
from netagents.launchers import influence_processes
from netagents.launchers.influence_jobs import play_missing, source_sets
from netagents.launchers.influence_processes import play_as_processes, rollout_settings
from netagents.launchers.influence_rollouts import make_plan
from netagents.launchers.launch import run
from netagents.records.bank_creation import make_bank
from netagents.records.influence_returns import InfluenceReturns
from netagents.records.policy_bank import Bank
from netagents.records.run_reader import Run

CHAIN: dict[str, Any] = {
    "name": "chain",
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 3},
    "kappa": 1,
    "learning": {"iterations": 2, "batch": 8, "horizon": 10, "learning_rate": 20},
    "runtime": {"launcher": "in_process"},
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Bank]:
    folder = tmp_path_factory.mktemp("processes")
    finished_run = run(CHAIN, directory=folder / "run")
    return finished_run, make_bank(folder / "bank", [finished_run.directory], untrained=True, faulty=[1])


def both(learned: tuple[Run, Bank], folder: Path, everything: list[tuple[int, ...]], **plan: Any) -> list[list[np.ndarray]]:
    finished_run, bank = learned
    plan_of_rollouts = make_plan(finished_run, bank, **plan)
    results = []
    for name, play in (("one", play_missing), ("apart", play_as_processes)):
        path = folder / name
        path.mkdir()
        remaining = InfluenceReturns(path, plan_of_rollouts, finished_run.n)
        play(finished_run, bank, remaining, everything)
        results.append([returns for sources in everything if (returns := remaining.read(sources)) is not None])
    return results


@pytest.mark.parametrize(
    ("changes", "plan"), [({}, {"repetitions": 20}), ({}, {"repetitions": 300, "windows": 4, "seed": 3}), ({"information": "aged"}, {})]
)
def test_frozen_agents_of_a_run_play_the_same_episodes(
    changes: dict[str, Any], plan: dict[str, Any], learned: tuple[Run, Bank], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(*words: Any) -> dict[str, Any]:
        return {**rollout_settings(*words), "runtime": {"launcher": "in_process"}}

    monkeypatch.setattr(influence_processes, "rollout_settings", here)
    if changes:
        finished_run = run({**CHAIN, **changes}, directory=tmp_path / "run")
        learned = finished_run, make_bank(tmp_path / "bank", [finished_run.directory], untrained=True)
    one, apart = both(learned, tmp_path, source_sets([0, 2], [(0, 1)], 3), **{"repetitions": 9, **plan})
    assert len(one) == 3
    for left, right in zip(one, apart, strict=True):
        assert left.shape == right.shape
        assert np.array_equal(left, right)
        assert np.ptp(left) > 0.0


@pytest.mark.system
def test_processes_leave_the_returns_of_one_process(learned: tuple[Run, Bank], tmp_path: Path) -> None:
    one, apart = both(learned, tmp_path, [(2,)], repetitions=12)
    assert np.array_equal(one[0], apart[0])


def test_bad_input_is_one_line(learned: tuple[Run, Bank], capsys: pytest.CaptureFixture[str]) -> None:
    finished_run, bank = learned
    words = ["influence", str(finished_run.path), "--bank", str(bank.path)]
    assert main([*words, "--launcher", "compose"]) == 2
    assert "choose in_process or local" in capsys.readouterr().err
    assert main([*words, "--launcher", "local", "--pulse", "2"]) == 2
    assert "a pulse is played in one process only" in capsys.readouterr().err
    with pytest.raises(ExperimentError, match="all frozen"):
        load_experiment({**CHAIN, "episodes": {"seed": 1}})
