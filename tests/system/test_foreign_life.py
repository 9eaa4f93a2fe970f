"""Other people's environments in whole runs: the same bits everywhere, nothing left behind, and one line with one exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_run import Settings, merged

pytest.importorskip("pettingzoo", reason="needs the extra: pip install 'netagents[environments]'")

import netagents
from netagents.errors import EnvironmentMismatchError, NetagentsError, NodeFailedError
from netagents.launchers.policy_evaluation import evaluate
from netagents.records.run_reader import Run
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

PLAIN: Settings = {
    "name": "plain",
    "environment": {"kind": "pettingzoo", "make": "lasting_envs:Plain", "horizon": 6},
    "topology": {"kind": "line", "n": 2},
    "kappa": 1,
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {
        "iterations": 4,
        "batch": 3,
        "algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [8], "steps": 2}},
    },
    "timeouts": {"scale": 5},
}


def environment(name: str, **arguments: Any) -> Settings:
    return {"environment": {"make": f"lasting_envs:{name}", "arguments": arguments}}


def made_and_closed(folder: Path) -> tuple[int, int]:
    words = [line.split()[0] for line in (folder / "notes").read_text().splitlines()]
    return words.count("made"), words.count("closed")


def test_numbers_without_bounds_are_scaled_with_the_same_bits_everywhere(tmp_path: Path) -> None:
    one = netagents.run(merged(PLAIN, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    netagents.run(merged(PLAIN, {"learning": {"iterations": 2}, "runtime": {"launcher": "local"}}), directory=tmp_path / "many")
    many = netagents.resume(tmp_path / "many", "learning.iterations=4", trust=True)
    assert same_bits(one, many) == []
    count, mean, squares = one.parameters(0)["policy.observed"]
    # Every decision of every iteration counts, of the agent and of its neighbour.
    assert count.tolist() == [4 * 7 * 3] * 2
    assert (np.sqrt(squares / count) > 1e3).all()
    assert np.isfinite(mean).all()


@pytest.mark.parametrize("launcher", ["in_process", "local"])
def test_every_copy_is_closed_and_nothing_is_left(launcher: str, tmp_path: Path) -> None:
    settings = merged(
        PLAIN, environment("Simulated", folder=str(tmp_path)), {"runtime": {"launcher": launcher}, "learning": {"iterations": 1}}
    )
    run = netagents.run(settings, directory=tmp_path / "run")
    assert run.state == "finished"
    made, closed = made_and_closed(tmp_path)
    assert made == closed == 3 + (launcher == "local")


def command(tmp_path: Path, settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "experiment.json.yaml"
    file.write_text(json.dumps(settings))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    line = [sys.executable, "-m", "netagents", "run", str(file), "--quiet", "--out", str(tmp_path / "run"), *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=110, env=environment, cwd=tmp_path)


@pytest.mark.parametrize("launcher", ["in_process", "local"])
def test_an_environment_that_gives_nothing_back_does_not_outlive_the_command(launcher: str, tmp_path: Path) -> None:
    settings = merged(PLAIN, environment("Simulated", folder=str(tmp_path), closes=False), {"learning": {"iterations": 1}})
    ended = command(tmp_path, settings, "--launcher", launcher)
    assert ended.returncode == 0, ended.stderr
    assert Run.open(tmp_path / "run").state == "finished"
    words = [line.split()[0] for line in (tmp_path / "notes").read_text().splitlines()]
    simulators = [int(word.partition("-")[2]) for word in words if word.startswith("simulator-")]
    assert len(simulators) == 3 + (launcher == "local")
    assert [pid for pid in simulators if _runs(pid)] == []


def _runs(pid: int) -> bool:
    try:
        return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("exit", 10, r"environment 'lasting_envs:Ending', copy 0: its step asked the process to end with SystemExit\(0\); see .*in maybe"),
        ("at once", 10, r"asked the process to end with os\._exit\(0\)"),
        ("from C", 10, r"environment: exit code 0 .*: it left before the last iteration"),
        ("raise", 5, r"its step failed: LookupError: no road to there; see .*lasting_envs.py:\d+ in maybe"),
    ],
)
def test_an_early_end_of_the_server_is_a_failure_whatever_its_code(how: str, code: int, line: str, tmp_path: Path) -> None:
    settings = merged(PLAIN, environment("Ending", how=how), {"runtime": {"launcher": "local"}})
    with pytest.raises(NodeFailedError, match=line) as caught:
        netagents.run(settings, directory=tmp_path / "run")
    assert caught.value.exit_code == code
    run = Run.open(tmp_path / "run")
    assert (run.state, run.ending["exit_code"]) == ("failed", code)


def test_one_process_ends_with_the_same_line(tmp_path: Path) -> None:
    settings = merged(PLAIN, environment("Ending", how="exit"), {"runtime": {"launcher": "in_process"}})
    with pytest.raises(NetagentsError, match="its step asked the process to end") as caught:
        netagents.run(settings, directory=tmp_path / "run")
    assert caught.value.exit_code == 5
    run = Run.open(tmp_path / "run")
    assert (run.state, run.ending["exit_code"]) == ("failed", 5)


@pytest.mark.parametrize("launcher", ["in_process", "local"])
def test_an_environment_that_wanders_and_chatters_moves_and_spoils_nothing(
    launcher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    monkeypatch.chdir(home)
    settings = merged(PLAIN, environment("Wanderer", folder=str(away)), {"runtime": {"launcher": launcher}, "learning": {"iterations": 1}})
    run = netagents.run(settings, directory="runs/here")
    assert Path.cwd() == home
    assert run.path == Path("runs/here")
    assert run.state == "finished"
    assert sorted(path.name for path in away.iterdir()) == ["notes"]
    evaluate(run, 2)
    assert "chatter" not in capfd.readouterr().out


def test_evaluation_makes_as_many_copies_as_it_plays_and_no_other_episodes(tmp_path: Path) -> None:
    settings = merged(
        PLAIN, environment("Plain", folder=str(tmp_path)), {"runtime": {"launcher": "in_process"}, "learning": {"iterations": 1}}
    )
    run = netagents.run(settings, directory=tmp_path / "run")
    (tmp_path / "notes").unlink()
    one = evaluate(run, 1)
    assert made_and_closed(tmp_path) == (1, 1)
    assert evaluate(run, 5).returns[:1].tolist() == one.returns.tolist()
    assert made_and_closed(tmp_path) == (6, 6)


def test_another_environment_than_the_runs_is_refused(tmp_path: Path) -> None:
    run = netagents.run(merged(PLAIN, {"runtime": {"launcher": "in_process"}, "learning": {"iterations": 1}}), directory=tmp_path / "run")
    facts = json.loads((run.path / "environment.json").read_text())
    facts["action_spaces"][1]["size"] = 3
    (run.path / "environment.json").write_text(json.dumps(facts))
    with pytest.raises(EnvironmentMismatchError, match=r"not the one that the run was made with: action_spaces of agent 1 is .*2"):
        netagents.resume(run.path, "learning.iterations=2", trust=True)
