"""One agent of a run, replayed alone from what it was told: the same state after every iteration, whatever became of the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, SLOW, WIRELESS, Settings, merged

import netagents
from netagents.errors import ExperimentError, ReplayError, RunDirectoryError
from netagents.launchers.agent_replay import replay
from netagents.learning import NetworkedAgent
from netagents.nodes.agent.inbox_recording import inbox_folder, segment_files
from netagents.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

RECORD: Settings = {"runtime": {"record_inbox": [3]}, "checkpoints": {"every": 4, "keep": 3}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> netagents.Run:
    settings = merged(LINE, {"learning": {"iterations": 14}, "runtime": {"record_inbox": [2, 3]}, "checkpoints": {"every": 4, "keep": 3}})
    return netagents.run(settings, directory=tmp_path_factory.mktemp("finished") / "run")


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "netagents", "replay", *map(str, words)],
        capture_output=True,
        text=True,
        input="p iteration\nc\n",
        timeout=60,
    )


def test_a_replay_ends_with_the_state_of_the_run(finished: netagents.Run) -> None:
    whole = replay(finished, 3)
    assert (whole.first, whole.iterations, whole.ends_in) == (0, list(range(14)), None)
    assert whole.checkpoints == [7, 11, 13]
    # Every row of metrics, the last one included, which only the farewell tells.
    assert whole.rows == 14
    late = replay(finished, 3, start=10)
    assert (late.first, late.source) == (8, "checkpoints/iteration-00000007")
    assert (late.iterations, late.digest) == (list(range(8, 14)), whole.digest)
    assert replay(finished, 3, start=10, last=10).iterations == [8, 9, 10]
    assert replay(finished, 2).digest != whole.digest


def test_the_command_prints_what_was_compared_and_stops_in_the_debugger(finished: netagents.Run) -> None:
    output = command(finished.path, "--agent", 3, "--from", 10)
    assert output.returncode == 0, output.stderr
    digest = replay(finished, 3).digest
    assert output.stdout.splitlines() == [
        f"agent 3 of {finished.path.name}: the state before iteration 8 from checkpoints/iteration-00000007",
        "iterations 8 to 13 replayed: the same state after each as in the run",
        f"  state after iteration 13: SHA-256 {digest}",
        "  checkpoints with the same state: 11, 13",
        "  rows of metrics with the same numbers: 6",
    ]
    stopped = command(finished.path, "--agent", 3, "--from", 10, "--debug")
    assert stopped.returncode == 0, stopped.stderr
    assert "agent 3 is about to begin iteration 10" in stopped.stdout
    assert "(Pdb) 10\n" in stopped.stdout
    states: list[tuple[int, int]] = []

    def before(agent: NetworkedAgent, iteration: int) -> None:
        states.append((agent.index, iteration))

    replay(finished, 3, start=10, before=before)
    assert states == [(3, 10)]


def test_mistakes_get_one_line(finished: netagents.Run, tmp_path: Path) -> None:
    for words, code, line in (
        (("--agent", 1), 6, "the inbox of agent 1 was not recorded; run or resume with runtime.record_inbox=[1], or record_inbox=all"),
        (("--agent", 6), 2, "--agent: there is no agent 6; the agents of this run are 0 to 5"),
        (("--agent", 3, "--from", 14), 6, "iteration 14 cannot be replayed; the recording of agent 3 goes from 0 to 13"),
        (("--agent", 3, "--from", 9, "--to", 5), 2, "--to: 5 lies before 9, the iteration of --from"),
    ):
        output = command(finished.path, *words)
        assert (output.returncode, output.stderr.count("\n")) == (code, 1), output.stderr
        assert line in output.stderr
    for runtime, what in (
        ({"record_inbox": [6]}, "there is no agent 6"),
        ({"record_inbox": "all", "launcher": "in_process"}, "needs runtime.launcher local"),
    ):
        with pytest.raises(ExperimentError, match=what):
            netagents.run(merged(LINE, {"runtime": runtime}), directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def copied(run: netagents.Run, path: Path) -> netagents.Run:
    import shutil

    shutil.copytree(run.path, path)
    return netagents.Run.open(path)


def test_damage_is_named_with_its_place(finished: netagents.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "damaged")
    (segment,) = segment_files(inbox_folder(run.path, 3))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(RunDirectoryError, match=r"inbox/agent-3/000000.inbox: is damaged at byte \d+: a checksum that does not fit"):
        replay(run, 3)
    # A file that ends in the middle of a record is no damage: there, a process was killed.
    segment.write_bytes(finished.path.joinpath("inbox/agent-3/000000.inbox").read_bytes()[: len(data) // 2])
    cut = replay(run, 3)
    assert cut.ends_in is not None
    assert 3 <= len(cut.iterations) < 14
    # Somebody else's recording.
    segment.write_bytes(finished.path.joinpath("inbox/agent-2/000000.inbox").read_bytes())
    with pytest.raises(RunDirectoryError, match="is of agent 2 of run"):
        replay(run, 3)


def test_another_agent_than_the_run_had_is_noticed(finished: netagents.Run, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "other")
    directory = RunDirectory.open(run.path)
    setup = directory.setup()
    learning = setup.experiment.learning
    changed = setup.experiment.model_copy(update={"seed": setup.experiment.seed + 1, "learning": learning})
    (run.path / "experiment.json").write_text(changed.model_dump_json())
    with pytest.raises(ReplayError, match=r"agent 3 came to something else than in the run: after iteration 0 "):
        replay(netagents.Run.open(run.path), 3)


@pytest.mark.parametrize("settings", [LINE, WIRELESS], ids=["line_msg", "wireless"])
@pytest.mark.parametrize("how", ["agent killed", "launcher killed", "interrupted"])
def test_runs_that_did_not_finish_can_be_replayed_to_where_they_ended(settings: Settings, how: str, start: Starter) -> None:
    run = start(merged(settings, SLOW, RECORD))
    run.wait_for_rows(9)
    role, number = {
        "agent killed": ("agent_3", signal.SIGKILL),
        "launcher killed": ("launcher", signal.SIGKILL),
        "interrupted": ("launcher", signal.SIGINT),
    }[how]
    run.send(role, number)
    run.ended(15.0)
    run.assert_nothing_left()
    replayed = replay(run.records, 3, start=9)
    assert replayed.iterations[-1] >= 8
    assert replayed.ends_in is not None
    assert replayed.rows >= 1
    assert replayed.source.startswith("checkpoints/")


def test_a_restarted_and_resumed_run_is_one_recording(start: Starter) -> None:
    policy = {"failures": {"agent": "restart", "restarts": 2, "delay": 0.05}, "learning": {"iterations": 40}}
    run = start(merged(LINE, RECORD, policy))
    run.wait_for_rows(10)
    run.send("agent_3", signal.SIGKILL)
    run.wait_for_rows(20)
    os.kill(run.process.pid, signal.SIGTERM)
    run.ended(15.0)
    run.assert_nothing_left()
    subprocess.run([sys.executable, "-m", "netagents", "resume", str(run.path), "--quiet"], check=True, capture_output=True, timeout=60)
    whole = replay(run.records, 3)
    assert whole.iterations == list(range(40))
    assert whole.rows == 40
    # The first process, the one after the kill, and the resumed one.
    assert len(segment_files(inbox_folder(run.path, 3))) >= 3


def test_a_recording_keeps_to_its_bound_and_stays_replayable(tmp_path: Path) -> None:
    bound = 1 << 18
    settings = merged(LINE, {"learning": {"iterations": 120}, "runtime": {"record_inbox": [3], "record_inbox_bytes": bound}})
    run = netagents.run(settings, directory=tmp_path / "run")
    segments = segment_files(inbox_folder(run.path, 3))
    assert int(segments[0].stem) > 0, "nothing had to go"
    assert sum(segment.stat().st_size for segment in segments) <= 1.1 * bound
    replayed = replay(run, 3)
    assert replayed.first > 0
    assert replayed.source.startswith("inbox/agent-3/")
    assert replayed.iterations[-1] == 119
    with pytest.raises(RunDirectoryError, match=r"iteration 0 cannot be replayed; the recording of agent 3 goes from \d+ to 119"):
        replay(run, 3, start=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"clock": {"kind": "bounded_staleness", "steps": 2}},
        {"clock": {"kind": "free_running", "period": 0.01}},
        {"routing": "relay"},
        {"faults": [{"kind": "random_actions", "agent": 3, "start": 5, "until": 9}]},
    ],
    ids=["bounded_staleness", "free_running", "relay", "random_actions"],
)
def test_whatever_stands_between_an_agent_and_its_messages(changes: Settings, tmp_path: Path) -> None:
    run = netagents.run(merged(LINE, RECORD, changes, {"learning": {"iterations": 14}}), directory=tmp_path / "run")
    whole = replay(run, 3)
    assert whole.iterations == whole.compared == list(range(14))
    assert whole.ends_in is None


def test_an_agent_that_went_on_without_another_is_replayed_with_what_stood_in_for_it(start: Starter) -> None:
    policy = {"failures": {"agent": "continue_without"}, "timeouts": {"answer": 1.0}, "learning": {"iterations": 60}}
    run = start(merged(LINE, RECORD, policy))
    run.wait_for_rows(8)
    run.send("agent_2", signal.SIGKILL)
    ended = run.ended(90.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    whole = replay(run.records, 3)
    assert whole.iterations == whole.compared == list(range(60))
