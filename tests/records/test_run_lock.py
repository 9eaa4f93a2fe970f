"""One run is carried out by one process, from before the first byte is written: two resumes at once, and clean against a start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sample_run import SETTINGS

import netagents
from netagents.cli.main import main
from netagents.errors import RunDirectoryError
from netagents.experiment import load_experiment
from netagents.launchers.launch import launch
from netagents.records import Run, RunDirectory


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return netagents.run(SETTINGS, directory=tmp_path / "runs" / "one").path


def test_a_resume_that_is_just_starting_keeps_others_out(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    starting = RunDirectory.open(finished)
    starting.lock.take()
    before = (finished / "events.jsonl").read_bytes()
    with pytest.raises(RunDirectoryError, match="still goes on in another process; wait for it, or stop it first"):
        netagents.resume(finished, "learning.iterations=6")
    assert main(["clean", str(finished)]) == 0
    assert "kept" in capsys.readouterr().out
    assert (finished / "events.jsonl").read_bytes() == before
    starting.lock.release()
    assert len(netagents.resume(finished, "learning.iterations=6").returns) == 6
    assert main(["clean", str(finished)]) == 0
    assert not finished.exists()


def test_a_new_run_is_locked_from_its_first_moment_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[str] = []

    def look(path: Path) -> None:
        assert main(["clean", str(path.parent)]) == 0
        states.append(path.name)

    create = RunDirectory.create.__func__  # type: ignore[attr-defined]

    def create_and_look(*arguments: object, **named: object) -> RunDirectory:
        made: RunDirectory = create(RunDirectory, *arguments, **named)
        look(made.path)
        return made

    monkeypatch.setattr(RunDirectory, "create", create_and_look)
    run = launch(load_experiment(SETTINGS), path=tmp_path / "runs" / "new")
    assert states == ["new"]
    assert run.state == "finished"
    assert not run.directory.lock.is_held_elsewhere()
    assert not RunDirectory.open(run.path).lock.is_held_elsewhere()


def test_whoever_waited_for_a_directory_that_was_removed_is_told(finished: Path) -> None:
    removing, waiting = RunDirectory.open(finished), RunDirectory.open(finished)
    removing.lock.take()

    def remove() -> None:
        shutil.rmtree(finished)
        removing.lock.release()

    later = threading.Timer(0.2, remove)
    later.start()
    with pytest.raises(RunDirectoryError, match="was removed meanwhile"):
        waiting.lock.take()
    later.join()
    assert not finished.exists()


def test_a_refused_resume_gives_the_lock_back(finished: Path) -> None:
    with pytest.raises(RunDirectoryError, match="has finished its 4 iterations"):
        netagents.resume(finished)
    assert not RunDirectory.open(finished).lock.is_held_elsewhere()


@pytest.mark.system
def test_of_six_resumes_at_once_one_goes_on_and_the_record_knows_of_no_other(finished: Path) -> None:
    words = [sys.executable, "-m", "netagents", "resume", str(finished), "learning.iterations=400", "-q"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment) for _ in range(6)]
    outputs = [process.communicate(timeout=100)[1] for process in started]
    codes = [process.returncode for process in started]
    # Whoever comes when the first has finished finds nothing left to do.
    assert codes.count(0) == 1, outputs
    assert codes.count(6) == 5, outputs
    events = [event["event"] for event in Run.open(finished).events]
    assert events.count("resumed") == 1
    assert events.count("failed") == 0
    assert len(Run.open(finished).returns) == 400
