"""A run that cannot be is refused in one line before anything is written, and what takes long says what it is at."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

import pytest

import netagents
from netagents.errors import CapacityError, RunDirectoryError
from netagents.launchers import capacity, signs_of_life

SETTINGS = {
    "name": "refused",
    "environment": {"kind": "sis", "horizon": 4},
    "topology": {"kind": "line", "n": 3},
    "learning": {"iterations": 1, "batch": 2},
}


def refused(tmp_path: Path, error: type[Exception], match: str, **changes: object) -> None:
    with pytest.raises(error, match=match):
        netagents.run({**SETTINGS, "runtime": {"directory": str(tmp_path / "runs")}}, **changes)
    assert list(tmp_path.rglob("*")) == []


@pytest.fixture
def tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_too_many_processes_for_the_limit_of_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, 200))
    monkeypatch.setattr("netagents.learning.prepared_experiment.build_environment", lambda *_: looked_at.append("environment"))
    refused(tmp_path, CapacityError, "processes need .* open files, 200 are allowed", topology={"n": 200})
    # Nothing that takes long with many agents came before.
    assert looked_at == []


def test_too_many_processes_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {resource.RLIMIT_NPROC: (6, 6)}
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits.get(which, (100_000, 100_000)))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    refused(tmp_path, CapacityError, "5 processes are needed, and 6 are allowed to this user")


def test_messages_that_could_not_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "LIMITS", capacity.LIMITS.__class__(message_bytes=4000))
    refused(tmp_path, CapacityError, r"learning.batch: one \w+ message would have [\d,]+ bytes, and at most 4,000", learning={"batch": 500})
    one = netagents.run(SETTINGS, learning={"batch": 500}, runtime={"launcher": "in_process", "directory": str(tmp_path / "runs")})
    assert one.state == "finished"


def test_the_size_of_the_largest_message_is_that_of_the_ledger(tmp_path: Path) -> None:
    run = netagents.run(SETTINGS, runtime={"launcher": "in_process", "directory": str(tmp_path / "runs")}, learning={"iterations": 2})
    ledger = run.ledger.links
    one = {int(kind): bytes_ / messages for _, kind, _, _, messages, bytes_ in ledger.tolist() if messages}
    predicted: dict[int, int] = {}
    for size, kind in capacity._largest_messages(run.setup):
        predicted[kind] = max(size, predicted.get(kind, 0))
    common = predicted.keys() & one.keys()
    assert common
    for kind in common:
        assert one[kind] <= predicted[kind] * 1.5 + 64


@pytest.mark.parametrize("name", ["inv\udcff", "a\udc80/b"])
def test_a_path_that_is_not_utf8(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunDirectoryError, match=r"^[ -~]*: the path is not UTF-8 text, or not text in this locale; name another"):
        netagents.run(SETTINGS, directory=tmp_path / name)
    assert list(tmp_path.rglob("*")) == []


def test_a_directory_that_exists_is_refused_before_the_experiment_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netagents.launchers.launch.prepare", lambda *_, **__: pytest.fail("looked at"))
    with pytest.raises(RunDirectoryError, match="exists already"):
        netagents.run(SETTINGS, directory=tmp_path)


def test_long_work_says_what_it_is_at_and_short_work_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs_of_life, "QUIET_SECONDS", 0.01)
    messages: list[str] = []
    second = threading.Event()

    def report(line: str) -> None:
        messages.append(line)
        if line.startswith("plan: counting, "):
            second.set()
            raise BrokenPipeError

    with signs_of_life.signs_of_life("plan", "reading", report) as stage:
        while not messages:
            pass
        stage("counting")
        assert second.wait(30.0)
    count = len(messages)
    assert messages[0].startswith("plan: reading, ")
    monkeypatch.setattr(signs_of_life, "QUIET_SECONDS", 3600.0)
    with signs_of_life.signs_of_life("plan", "reading", report):
        pass
    assert len(messages) == count
