"""A resume is a resume: however a run ended, going on from its checkpoint leaves the bits of a run that was never disturbed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_run import LINE, WIRELESS, Settings, merged

import netagents
from netagents.cli.main import main
from netagents.errors import ExperimentError, RunDirectoryError
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SIS: Settings = {
    "name": "sis",
    "environment": {"kind": "sis"},
    "topology": {"kind": "ring", "n": 6},
    "kappa": 1,
    "utility": {"kind": "entropy"},
    "learning": {"batch": 8, "horizon": 8},
}
THREE = [LINE, WIRELESS, SIS]
IN_PROCESS: Settings = {"runtime": {"launcher": "in_process"}}
LOCAL: Settings = {"runtime": {"launcher": "local"}}
N = 3


def iterations(count: int) -> Settings:
    return {"learning": {"iterations": count}}


def undisturbed(settings: Settings, path: Path, count: int = 2 * N) -> netagents.Run:
    return netagents.run(merged(settings, iterations(count), IN_PROCESS), directory=path)


@pytest.mark.parametrize("how", [IN_PROCESS, LOCAL], ids=["in_process", "local"])
@pytest.mark.parametrize("settings", THREE, ids=lambda each: str(each["name"]))
def test_twice_as_long_is_half_as_long_and_resumed(settings: Settings, how: Settings, tmp_path: Path) -> None:
    whole = undisturbed(settings, tmp_path / "whole")
    half = netagents.run(merged(settings, iterations(N), how), directory=tmp_path / "half")
    assert same_bits(whole, half) != []
    resumed = netagents.resume(tmp_path / "half", f"learning.iterations={2 * N}")
    assert resumed.state == "finished"
    assert same_bits(whole, resumed) == []
    assert len(resumed.iterations) == 2 * N
    assert [event["event"] for event in resumed.events].count("resumed") == 1


@pytest.mark.parametrize(
    ("settings", "role", "number"),
    [(LINE, "launcher", signal.SIGTERM), (WIRELESS, "environment", signal.SIGKILL), (SIS, "agent_2", signal.SIGKILL)],
    ids=["stopped", "server_killed", "agent_killed"],
)
def test_a_run_that_was_ended_goes_on(settings: Settings, role: str, number: int, start: Starter, tmp_path: Path) -> None:
    long = merged(settings, iterations(100_000), {"checkpoints": {"every": 7}})
    run = start(long)
    run.wait_for_rows(20)
    run.send(role, number)
    run.ended(10.0)
    run.assert_nothing_left()
    newest = max(run.records.checkpoints)
    recorded = len(run.records.iterations)
    assert newest >= 6
    # Cut down to what a short run can reach: the length of a run changes none of its bits.
    count = recorded + 5
    file = run.path / "experiment.json"
    file.write_text(file.read_text().replace("100000", str(count)))
    again = subprocess.run(
        [sys.executable, "-m", "netagents", "resume", str(run.path), "--quiet"], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert str(run.path) in again.stdout
    assert run.records.state == "finished"
    resumed = [event for event in run.records.events if event["event"] == "resumed"]
    assert [event["first_iteration"] for event in resumed] == [newest + 1]
    whole = undisturbed(merged(settings, {"checkpoints": {"every": 1000}}), tmp_path / "whole", count)
    assert same_bits(whole, run.records) == []


def test_a_run_killed_before_its_first_checkpoint_begins_again(start: Starter, tmp_path: Path) -> None:
    run = start(merged(LINE, iterations(400), {"checkpoints": {"every": 1000}}))
    run.wait_for_rows(2)
    run.send("launcher", signal.SIGKILL)
    run.ended(10.0)
    run.assert_nothing_left()
    resumed = netagents.resume(run.path, runtime={"launcher": "in_process"})
    assert same_bits(undisturbed(LINE, tmp_path / "whole", 400), resumed) == []


def test_a_resume_goes_on_under_another_launcher_and_more_than_once(tmp_path: Path) -> None:
    whole = undisturbed(LINE, tmp_path / "whole", 3 * N)
    netagents.run(merged(LINE, iterations(N), IN_PROCESS), directory=tmp_path / "run")
    netagents.resume(tmp_path / "run", f"learning.iterations={2 * N}", "runtime.launcher=local", "runtime.transport=tcp")
    last = netagents.resume(tmp_path / "run", f"learning.iterations={3 * N}", "runtime.launcher=in_process")
    assert same_bits(whole, last) == []


def test_how_often_state_is_kept_changes_no_bit(tmp_path: Path) -> None:
    runs = [undisturbed(merged(SIS, {"checkpoints": {"every": every}}), tmp_path / str(every)) for every in (1, 4, 100)]
    assert same_bits(runs[0], runs[1]) == same_bits(runs[0], runs[2]) == []
    assert [sorted(run.checkpoints) for run in runs] == [[4, 5], [3, 5], [5]]


def test_whatever_would_change_the_bits_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run"
    netagents.run(merged(LINE, iterations(N), IN_PROCESS), directory=path)
    before = (path / "experiment.json").read_bytes()
    for words in (["learning.batch=16"], ["seed=1"], ["kappa=1"], ["environment.coupling=0.5"], ["learning.iterations=2"]):
        with pytest.raises(ExperimentError) as caught:
            netagents.resume(path, *words)
        assert words[0].partition("=")[0] in str(caught.value)
    with pytest.raises(RunDirectoryError, match="has finished its 3 iterations"):
        netagents.resume(path)
    assert (path / "experiment.json").read_bytes() == before
    assert main(["resume", str(path), "seed=1"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_a_damaged_or_incomplete_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    netagents.run(merged(LINE, iterations(N), IN_PROCESS), directory=path)
    (checkpoint,) = (path / "checkpoints").iterdir()
    file = checkpoint / "agent-3.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    with pytest.raises(RunDirectoryError, match="SHA-256"):
        netagents.resume(path, "learning.iterations=6")
    file.unlink()
    with pytest.raises(RunDirectoryError, match="agent-3"):
        netagents.resume(path, "learning.iterations=6")
    shutil.rmtree(checkpoint)
    assert netagents.Run.open(path).state in ("finished", "failed")


def test_a_running_run_is_not_resumed(start: Starter) -> None:
    run = start(merged(LINE, iterations(100_000)))
    run.wait_for_rows(1)
    with pytest.raises(RunDirectoryError, match="still goes on"):
        netagents.resume(run.path)
    run.send("launcher", signal.SIGTERM)
    assert run.ended(10.0).code == 143


def test_every_component_must_be_there_to_be_restored() -> None:
    from netagents.experiment import load_experiment
    from netagents.learning import TabularAgent
    from netagents.learning.prepared_experiment import prepare
    from netagents.learning.protocol.agent_checkpoint import restore_agent

    setup = prepare(load_experiment(merged(SIS, iterations(N))).experiment).setup
    agent = TabularAgent(0, setup)
    state = agent.arrays()
    for name in state:
        with pytest.raises(RunDirectoryError, match=f"component '{name}' of agent 0 is missing"):
            restore_agent(TabularAgent(0, setup), {key: value for key, value in state.items() if key != name}, "here")
    with pytest.raises(RunDirectoryError, match="'more' of agent 0 is unknown"):
        restore_agent(TabularAgent(0, setup), state | {"more": np.zeros(1)}, "here")
    with pytest.raises(RunDirectoryError, match=r"policy\.logits"):
        restore_agent(TabularAgent(0, setup), state | {"policy.logits": np.zeros((1, 1))}, "here")


def test_a_run_that_was_ended_after_its_last_row_only_needs_its_end(tmp_path: Path) -> None:
    whole = undisturbed(LINE, tmp_path / "whole", N)
    run = undisturbed(LINE, tmp_path / "run", N)
    events = run.path / "events.jsonl"
    lines = events.read_text().splitlines()
    events.write_text("".join(f"{line}\n" for line in lines if '"finished"' not in line))
    shutil.rmtree(run.path / "tables")
    assert netagents.Run.open(run.path).state != "finished"
    resumed = netagents.resume(run.path)
    assert resumed.state == "finished"
    assert (run.path / "tables").is_dir()
    assert same_bits(whole, resumed) == []
    with pytest.raises(RunDirectoryError, match="has finished its 3 iterations"):
        netagents.resume(run.path)
