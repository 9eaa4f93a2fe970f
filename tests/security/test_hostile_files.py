"""Checkpoints and locks that somebody tampered with: one line, before anything of the size that they claim is built."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.errors import RunDirectoryError
from netagents.records.checkpoint import MANIFEST, checkpoint_facts, load_checkpoint, write_checkpoint
from netagents.records.plan_folder import plan_folder
from netagents.records.power_branches import AuditPlan
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study, run_name, sweep_study
from netagents.studies.timed_settings import time_settings

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path, 3, {0: {"policy.logits": np.arange(6.0).reshape(2, 3)}}, {"format": 1})


def tampered(path: Path, change: Change) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    change(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))


def component(manifest: dict[str, Any]) -> dict[str, Any]:
    mapping: dict[str, Any] = manifest["owners"]["agent-0"]["components"]["policy.logits"]
    return mapping


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["owners"]["agent-0"].update(owner="../../etc/passwd"),
        lambda m: m["owners"]["agent-0"].update(owner=0.0),
        lambda m: m["owners"]["agent-0"].update(owner=1),
        lambda m: m["owners"].update({"../x": m["owners"].pop("agent-0")}),
        lambda m: m["owners"]["agent-0"]["components"].update({"../x": component(m)}),
        lambda m: m["owners"]["agent-0"]["components"].update({"x" * 1000: component(m)}),
        lambda m: component(m).update(dtype="object"),
        lambda m: component(m).update(dtype="O"),
        lambda m: component(m).update(shape=[1 << 62]),
        lambda m: component(m).update(shape=[1 << 30, 1 << 30]),
        lambda m: component(m).update(shape=[-1]),
        lambda m: component(m).update(shape=[1] * 100),
        lambda m: component(m).update(shape="23"),
        lambda m: component(m).update(sha256="0"),
        lambda m: m.update(owners=[]),
        lambda m: m.update(facts=[]),
        lambda m: m.update(iteration="3"),
        lambda m: m["owners"]["agent-0"].update(components={f"c{i}": component(m) for i in range(5000)}),
    ],
)
def test_a_manifest_that_claims_what_no_run_writes_is_refused(change: Change, written: Path) -> None:
    tampered(written, change)
    with pytest.raises(RunDirectoryError, match="is not the manifest of a checkpoint") as caught:
        load_checkpoint(written)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "", "null", '{"a":' * 50_000])
def test_a_manifest_nested_without_end_is_refused(text: str, written: Path) -> None:
    (written / MANIFEST).write_text(text)
    for read in (load_checkpoint, checkpoint_facts):
        with pytest.raises(RunDirectoryError, match="is not the manifest of a checkpoint"):
            read(written)


def test_a_link_to_another_file_is_not_followed(written: Path, tmp_path: Path) -> None:
    file = written / "agent-0.safetensors"
    (tmp_path / "elsewhere").write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match="is a link to somewhere else"):
        load_checkpoint(written)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        (1 << 62).to_bytes(8, "little") + b"{}",
        (1 << 20).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (48).to_bytes(8, "little") + b'{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,1e9]}}'[:48],
        b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94",  # how a pickle begins
    ],
)
def test_arrays_that_are_not_there_are_refused(content: bytes, written: Path) -> None:
    (written / "agent-0.safetensors").write_bytes(content)
    with pytest.raises(RunDirectoryError, match=r"agent-0\.safetensors") as caught:
        load_checkpoint(written)
    assert "\n" not in str(caught.value)


def test_a_file_much_larger_than_listed_is_not_read(written: Path) -> None:
    file = written / "agent-0.safetensors"
    with file.open("r+b") as opened:
        opened.truncate(1 << 31)  # sparse: two gigabytes that take no room
    tracemalloc.start()
    try:
        with pytest.raises(RunDirectoryError, match="has 2147483648 bytes"):
            load_checkpoint(written)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_the_lock_of_a_study_is_a_regular_file(kind: str, tmp_path: Path) -> None:
    """A link would make a file elsewhere."""
    lock, elsewhere = tmp_path / ".lock", tmp_path / "elsewhere"
    {"pipe": lambda: os.mkfifo(lock), "folder": lock.mkdir, "link": lambda: lock.symlink_to(elsewhere)}[kind]()
    with pytest.raises(RunDirectoryError), StudyDirectory(tmp_path).locked():
        pass
    assert not elsewhere.exists()


def elsewhere(link: Path, target: Path) -> None:
    target.mkdir()
    link.symlink_to(target)


@pytest.mark.parametrize("name", ["runs", "tables", "timed"])
def test_a_study_is_not_led_out_of_its_directory(name: str, tmp_path: Path) -> None:
    study = sweep_study(line_msg(2), {"learning.batch": [1, 2]}, seeds=[0])
    (tmp_path / "study").mkdir()
    elsewhere(tmp_path / "study" / name, tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match=f"{name}: is a link to somewhere else, not a folder"):
        StudyDirectory.open_for(tmp_path / "study", study)
    assert os.listdir(tmp_path / "study") == [name]  # noqa: PTH208


def test_a_link_in_place_of_a_run_of_a_study_is_not_followed(tmp_path: Path) -> None:
    study = sweep_study(line_msg(2), {"learning.batch": [1, 2]}, seeds=[0])
    directory = StudyDirectory.open_for(tmp_path / "study", study)
    elsewhere(directory.run_path("other"), tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match="other: is a link to somewhere else, not a folder"):
        directory.sweep("other")
    directory.run_path("file").touch()
    with pytest.raises(RunDirectoryError, match="file: is a file, not a folder"):
        directory.sweep("file")


@pytest.mark.parametrize("depth", [1, 2])
def test_what_is_measured_of_a_run_stays_in_its_directory(depth: int, tmp_path: Path) -> None:
    plan = AuditPlan(run="0" * 16, checkpoint=3, variant="realized", steps=1, points=2, replicates=2, length=8, seed=0)
    run = tmp_path / "run"
    run.mkdir()
    plan_path = plan_folder(run, "audit", plan)
    shutil.rmtree(run / "audit")
    if depth == 2:
        (run / "audit").mkdir()
    elsewhere([run / "audit", plan_path][depth - 1], tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match="is a link to somewhere else, not a folder"):
        plan_folder(run, "audit", plan)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def study_with_times(tmp_path: Path) -> tuple[Study, StudyDirectory, Path]:
    """A study, its directory, and the file in it that is to hold the times of its first run and is not there yet."""
    study = sweep_study(line_msg(2), {"learning.batch": [1, 2]}, seeds=[0])
    directory = StudyDirectory.open_for(tmp_path / "study", study)
    file = directory.path / "timed" / f"{run_name(study.settings[0], 0)}-3.json"
    file.parent.mkdir()
    return study, directory, file


@pytest.mark.parametrize("content", [b"{}", b"[1]", b"[" * 100_000, b'{"predicted_ms": []}', b"x" * 100_000, b"\xff"])
def test_times_that_are_none_are_told_in_one_line(content: bytes, tmp_path: Path) -> None:
    study, directory, file = study_with_times(tmp_path)
    file.write_bytes(content)
    with pytest.raises(RunDirectoryError, match="timed/"):
        time_settings(study, directory, 3)


def test_a_pipe_in_place_of_times_holds_nobody_up(tmp_path: Path) -> None:
    study, directory, file = study_with_times(tmp_path)
    os.mkfifo(file)
    with pytest.raises(RunDirectoryError, match="is a named pipe, not a file"):
        time_settings(study, directory, 3)
