"""A run directory is made whole or not at all, says what became of the run, and every mistake is one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netagents.errors import RunDirectoryError
from netagents.records import Recorder, Run, RunDirectory, is_run, run_directories, runs
from netagents.records.manifest import FORMAT_VERSION

KILLED_WRITER = """
import sys, time
from dataclasses import replace
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from conftest import tiny_network
from netagents.records import Recorder, RunDirectory
setup, network = tiny_network()
directory = RunDirectory.create(Path(sys.argv[1]), "tiny", setup)
recorder = Recorder(directory, setup)
for count, record in enumerate(network.run(0, 1_000_000)):
    recorder.iteration(record)
    if count == 2:
        (directory.path / "checkpoints" / ".tmp-iteration-00000002-1").mkdir()
        print(directory.path, flush=True)
"""


def test_a_new_directory_holds_all_that_repeats_the_run(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    made = RunDirectory.create(tmp_path / "deep" / "runs", "tiny", setup, run_id=bytes(range(8)))
    assert made.path.name.startswith("tiny-20")
    assert made.path.name.endswith("-0001")
    opened = RunDirectory.open(made.path)
    assert opened.run_id == bytes(range(8))
    assert opened.manifest == made.manifest
    assert opened.experiment() == setup.experiment
    assert opened.topology() == setup.topology
    again = opened.setup()
    assert again.spec == setup.spec
    assert (again.horizon, again.discount) == (setup.horizon, setup.discount)
    assert opened.manifest["versions"].keys() >= {"netagents", "python", "numpy"}
    assert opened.state == "created"
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name]


def test_a_graph_from_a_file_is_stored_edge_by_edge(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    named = setup.experiment.model_validate(
        setup.experiment.model_dump() | {"topology": {"kind": "file", "path": str(tmp_path / "gone.txt")}}
    )
    made = RunDirectory.create(tmp_path, "tiny", replace(setup, experiment=named))
    stored = made.experiment().topology
    assert stored.kind == "edges"
    assert stored.edges == ((0, 1), (1, 2), (2, 3))


def test_an_existing_directory_is_refused_and_left_alone(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunDirectoryError, match="mine: exists already; name another directory"):
        RunDirectory.create(tmp_path, "tiny", setup, path=tmp_path / "mine")
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot be made"):
        RunDirectory.create(tmp_path / "file", "tiny", setup)


def test_a_failure_while_making_leaves_nothing_behind(tmp_path: Path, make_network: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    setup, _ = make_network()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("netagents.records.run_creation.manifest_of", full)
    with pytest.raises(RunDirectoryError, match="No space left on device"):
        RunDirectory.create(tmp_path / "runs", "tiny", setup)
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_a_killed_creator_left_is_swept_by_a_later_one(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    old, fresh = tmp_path / ".tmp-run-dead", tmp_path / ".tmp-run-alive"
    old.mkdir()
    fresh.mkdir()
    os.utime(old, (0, 0))
    RunDirectory.create(tmp_path, "tiny", setup)
    assert not old.exists()
    assert fresh.exists()


SHORT_ID = json.dumps({"format_version": FORMAT_VERSION, "run": "00"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "manifest.json").unlink(), "is no run: it has no manifest"),
        (lambda path: (path / "manifest.json").write_text("{"), "is not the manifest of a run"),
        (
            lambda path: (path / "manifest.json").write_text(SHORT_ID),
            "manifest.json: run: String should match pattern",
        ),
        (lambda path: _edit(path / "manifest.json", format_version=0), "written by an older netagents"),
        (lambda path: _edit(path / "manifest.json", format_version=99), "written by a newer netagents"),
        (lambda path: _edit(path / "manifest.json", graph_digest="0" * 64), "is not the one that the run was made with"),
        (lambda path: (path / "topology.json").write_text('{"n": "many"}'), "is not a graph"),
        (lambda path: (path / "environment.json").write_text("{}"), "environment.json: name: Field required"),
        (lambda path: _edit(path / "experiment.json", kappa=-1), "kappa: Input should be greater than or equal to 0"),
        (lambda path: (path / "experiment.json").unlink(), "experiment.json: cannot be read"),
    ],
)
def test_what_is_no_run_any_more_is_one_clear_line(tmp_path: Path, make_network: Callable, damage: Callable, message: str) -> None:
    setup, _ = make_network()
    path = RunDirectory.create(tmp_path, "tiny", setup).path
    damage(path)
    with pytest.raises(RunDirectoryError, match=message) as caught:
        RunDirectory.open(path).setup()
    assert "\n" not in str(caught.value)


def _edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_no_directory_at_all_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no such run directory"):
        Run.open(tmp_path / "nowhere")
    assert not is_run(tmp_path)


def test_the_state_follows_the_life_of_the_run(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    directory = RunDirectory.create(tmp_path, "tiny", setup)
    recorder = Recorder(directory, setup)
    assert directory.state == "running"
    recorder.close("interrupted", line="Ctrl-C", code=130)
    assert directory.state == "interrupted"
    directory.append_event("failed", role="agent_3", exit_code=-9, line="killed by signal 9")
    state, event = directory.ending()
    assert state == "failed"
    assert (event["role"], event["exit_code"], event["line"]) == ("agent_3", -9, "killed by signal 9")
    assert [event["event"] for event in directory.events()] == ["created", "started", "interrupted", "failed"]


def test_two_writers_never_share_a_run(tmp_path: Path, make_network: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netagents.records.recorder._LOCK_SECONDS", 0.05)
    setup, _ = make_network()
    directory = RunDirectory.create(tmp_path, "tiny", setup)
    with Recorder(directory, setup) as recorder:
        with pytest.raises(RunDirectoryError, match="still going on in another process"):
            Recorder(directory, setup)
        recorder.close("finished")


def test_an_exception_on_the_way_is_recorded_as_a_failure(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    directory = RunDirectory.create(tmp_path, "tiny", setup)
    with pytest.raises(RuntimeError), Recorder(directory, setup):
        raise RuntimeError("the reason")
    assert directory.ending()[0] == "failed"
    assert directory.ending()[1]["line"] == "the reason"


def test_kill_9_of_the_writer_leaves_readable_records_and_no_temporary_file(tmp_path: Path) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", KILLED_WRITER, str(tmp_path), str(here), str(here.parent / "support")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        run = Run.open(path)
        assert run.state == "running"
        assert len(run.returns) >= 3
        assert run.directory.sweep_temporaries() == []
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with (path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"iteration":99999,"team_ret')
    run = Run.open(path)
    assert run.state == "killed"
    count = len(run.returns)
    assert run.iterations.tolist() == list(range(count))
    assert len(run.power_readings()) == count
    assert run.ledger.over_time()[:, 0].min() > 0
    assert run.power_matrix().values.shape == (4, 4)
    assert [swept.name for swept in run.directory.sweep_temporaries()] == [".tmp-iteration-00000002-1"]
    assert not list(path.rglob(".tmp-*"))


def test_the_runs_of_a_folder_are_listed_oldest_first_and_other_things_passed_over(tmp_path: Path, make_network: Callable) -> None:
    setup, _ = make_network()
    (tmp_path / "notes").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("?")
    paths = [RunDirectory.create(tmp_path, name, setup).path for name in ("a", "b")]
    assert sorted(directory.path for directory in run_directories(tmp_path)) == sorted(paths)
    assert len(runs(tmp_path)) == 2
    assert run_directories(tmp_path / "nowhere") == []
