"""``kappa: auto``: radii from a calibration, as settings like any others; the same bits under every launcher and after a resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from netagents.cli.main import main
from netagents.errors import CapacityError, ExperimentError
from netagents.experiment import load_experiment
from netagents.launchers.launch import run
from netagents.launchers.radius_worker import calibrate
from netagents.launchers.resumed_run import resume
from netagents.records.radii_models import RADII, RadiiFacts
from netagents.records.record_files import read_record
from netagents.records.run_reader import Run
from netagents.records.same_bits import same_bits

# On this chain an agent earns for what its right neighbour hands on: influence runs to the left only.
CHAIN: dict[str, Any] = {
    "name": "chain",
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 4},
    "kappa": "auto",
    "kappa_policy": 0,
    "calibration": {"iterations": 2, "repetitions": 48, "byte_budget": 0.5},
    "learning": {"iterations": 4, "batch": 8, "horizon": 10},
    "checkpoints": {"every": 2, "keep": 4},
    "runtime": {"launcher": "in_process"},
}


@pytest.fixture(scope="module")
def calibrated_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(CHAIN, directory=tmp_path_factory.mktemp("auto") / "run")


def test_the_calibration_finds_who_matters_and_pays_for_nobody_else(calibrated_run: Run) -> None:
    facts = read_record(calibrated_run.path / RADII, RADII, 4)
    pairs = np.array(facts["pairs"])
    assert pairs[[1, 2, 3], [0, 1, 2]].min() > 3 * np.triu(pairs, 1).max(), "influence runs to the left"
    assert facts["policy"] == [0, 0, 0, 0], "that radius was set"
    assert min(facts["critic"][0], facts["gradient"][3]) >= 1
    assert (facts["critic"][3], facts["gradient"][0]) == (0, 0), "nobody is to the right of the last, and to the left of the first"


def test_the_run_sends_what_was_foreseen_and_no_more_than_the_budget(calibrated_run: Run) -> None:
    facts = read_record(calibrated_run.path / RADII, RADII, 4)
    sent = sum(traffic.bytes for hop, traffic in calibrated_run.ledger.by_hop().items() if hop > 0) / 4
    assert sent == facts["bytes_chosen"] <= 0.5 * facts["bytes_largest"]
    whole = run(CHAIN, "kappa=3", "learning.iterations=1", directory=calibrated_run.path.parent / "whole")
    assert sum(traffic.bytes for hop, traffic in whole.ledger.by_hop().items() if hop > 0) == facts["bytes_largest"]


def test_the_settings_of_the_run_name_its_radii_and_repeat_it_without_a_calibration(calibrated_run: Run) -> None:
    experiment = calibrated_run.experiment
    assert experiment.kappa == "auto"
    assert not experiment.chooses_radii
    facts = read_record(calibrated_run.path / RADII, RADII, 4)
    radii = {f"kappa_{name}": facts[name] for name in ("critic", "gradient")}
    assert {name: list(getattr(experiment, name)) for name in radii} == radii
    again = run({**CHAIN, "kappa": 1, **radii}, directory=calibrated_run.path.parent / "again")
    assert np.array_equal(again.returns, calibrated_run.returns)
    assert all(np.array_equal(a.logits, b.logits) for a, b in zip(again.tables(), calibrated_run.tables(), strict=True))
    assert not (again.path / RADII).exists()


def test_a_run_that_stopped_goes_on_to_the_same_bits(calibrated_run: Run) -> None:
    path = calibrated_run.path.parent / "stopped"
    run(CHAIN, directory=path, on_iteration=lambda each: each.iteration < 1)
    resumed = resume(path)
    assert not same_bits(calibrated_run, resumed)
    with pytest.raises(ExperimentError, match="may not change what is learned"):
        resume(path, "calibration.byte_budget=0.9", "learning.iterations=9")


@pytest.mark.system
def test_processes_choose_and_learn_the_same_bits(calibrated_run: Run) -> None:
    processes = run(CHAIN, "runtime.launcher=local", directory=calibrated_run.path.parent / "processes")
    assert read_record(processes.path / RADII, RADII, 4) == read_record(calibrated_run.path / RADII, RADII, 4)
    assert not same_bits(calibrated_run, processes)


def calibrated(folder: Path, **changes: Any) -> RadiiFacts:
    """The calibration of the chain in this process."""
    experiment = load_experiment(CHAIN, changes).experiment
    return calibrate(experiment, folder, 4, experiment.calibration.largest or 3, folder)


@pytest.mark.parametrize("rule", ["power", "random", "uniform"])
def test_controls_know_nothing_of_influence_and_keep_the_budget(rule: str, tmp_path: Path) -> None:
    # Power is known where actions were tried often enough.
    facts = calibrated(tmp_path, **{"calibration.by": rule, "learning.batch": 128, "calibration.largest": 1})
    assert 0.0 < facts.bytes_chosen <= 0.5 * facts.bytes_largest
    if rule == "uniform":
        assert len(set(facts.critic)) == len(set(facts.gradient)) == 1
        assert facts.pairs == []


def test_a_group_keeps_its_radius_and_shared_rewards_keep_gradients_within_critics(tmp_path: Path) -> None:
    group = [{"agents": [3], "kappa_critic": 2}]
    facts = calibrated(tmp_path, agents=group, **{"learning.credit": "shared_reward", "calibration.byte_budget": 0.9})
    assert facts.critic[3] == 2
    assert all(g <= c for g, c in zip(facts.gradient, facts.critic, strict=True))
    assert max(facts.gradient) > 0


def test_the_command_writes_an_experiment_with_the_same_radii(
    tmp_path: Path, calibrated_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    file, new = tmp_path / "chain.yaml", tmp_path / "chosen.yaml"
    file.write_text(yaml.safe_dump(CHAIN), encoding="utf-8")
    assert main(["radii", str(file), "--out", str(new)]) == 0
    assert "% of the payload" in capsys.readouterr().err
    result = run(str(new), "runtime.launcher=in_process", directory=tmp_path / "run")
    assert np.array_equal(result.returns, calibrated_run.returns)
    assert main(["radii", str(file), "--out", str(new)]) == 6, "nothing is overwritten"


def test_commands_that_cannot_choose_say_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chain.yaml"
    file.write_text(yaml.safe_dump(CHAIN), encoding="utf-8")
    for command in (["plan", str(file)], ["compose", str(file)], ["script", "slurm", str(file)]):
        assert main(command) == 3, command
        assert "netagents radii FILE --out NEW.yaml" in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "kind", "line"),
    [
        (["calibration.byte_budget=0"], ExperimentError, "byte_budget"),
        (["calibration.byte_budget=1.5"], ExperimentError, "byte_budget"),
        (["calibration.by=luck"], ExperimentError, "calibration.by"),
        (["kappa=automatic"], ExperimentError, "kappa"),
        (["kappa_critic=3", "calibration.byte_budget=0.01"], ExperimentError, "kappa: auto, calibration.byte_budget: the radii .* need"),
        (["learning.critic.full_table_limit=1", "learning.critic.visited_limit=1"], CapacityError, "kappa: auto, learning.critic"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words: list[str], kind: type[Exception], line: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=line):
        run(CHAIN, *words, directory=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_seats_of_a_population_are_refused() -> None:
    with pytest.raises(ExperimentError, match="seats of a population need the same"):
        load_experiment("matrix_grid_sp", ["kappa=auto"])


@pytest.mark.system
def test_an_interrupted_calibration_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "chain.yaml"
    file.write_text(yaml.safe_dump({**CHAIN, "calibration": {"iterations": 100_000}}), encoding="utf-8")
    place = tmp_path / "tmp"
    place.mkdir()
    command = [sys.executable, "-m", "netagents", "run", str(file), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(place)}, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(place.glob("netagents-radii-*/run")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"nothing has been written" in errors.splitlines()[-1]
    assert not list(place.iterdir())
    assert not (tmp_path / "run").exists()
