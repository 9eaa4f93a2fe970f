"""Commands under odd output streams, locales, clocks and links: what went well is no failure, and what did not has one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from experiments import line_msg

import netagents
from netagents.records.manifest import created_time
from netagents.records.run_directory import run_directories

SETTINGS = line_msg(3, name="small", iterations=2, batch=2, horizon=3, launcher="in_process")
NARROW = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LC_ALL": "C"}
CLOSED = "closed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(json.dumps(SETTINGS))
    return tmp_path


def command(
    folder: Path,
    *words: str | bytes,
    out: IO[Any] | str | int = subprocess.PIPE,
    err: IO[Any] | str | int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    closed = [number for number, stream in ((1, out), (2, err)) if stream == CLOSED]

    def close() -> None:
        for number in closed:
            os.close(number)

    return subprocess.run(
        [sys.executable, "-m", "netagents", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=None if out == CLOSED else out,
        stderr=None if err == CLOSED else err,
        env={**os.environ, **(environment or {})},
        preexec_fn=close,
        timeout=120,
    )


@pytest.mark.parametrize(("out", "err"), [(CLOSED, subprocess.PIPE), (subprocess.PIPE, CLOSED), (CLOSED, CLOSED)])
def test_closed_streams_fail_nothing_and_reach_no_file(folder: Path, out: Any, err: Any) -> None:
    ended = command(folder, "run", "small.yaml", "--out", "run", out=out, err=err)
    assert ended.returncode == 0, ended.stderr
    assert netagents.Run.open(folder / "run").state == "finished"
    # An error has its code, and does not go to the other stream.
    ended = command(folder, "run", "none.yaml", out=out, err=err)
    assert ended.returncode == 3
    if out == subprocess.PIPE:
        assert ended.stdout == b""


def test_a_full_output_is_said_in_one_line(folder: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ended = command(folder, "run", "small.yaml", "--quiet", "--out", "run", out=full)
        assert ended.returncode == 0
        assert ended.stderr == (
            b"netagents: warning: standard output: cannot be written: No space left on device; the records are complete\n"
        )
        for words in (["runs", "."], ["runs", ".", "--json"], ["--version"], ["config", "show", "small.yaml"], ["--help"]):
            ended = command(folder, *words, out=full)
            assert (ended.returncode, ended.stderr.count(b"\n")) == (17, 1), (words, ended.stderr)
            assert ended.stderr.startswith(b"netagents: error: standard output: cannot be written: No space left on device; ")
        ended = command(folder, "run", "none.yaml", out=full, err=full)
        assert ended.returncode == 3
        assert command(folder, "run", "small.yaml", "--out", "again", err=full).returncode == 0


def test_a_reader_that_went_away_ends_a_command_as_it_ends_others(folder: Path) -> None:
    for words in (["runs", ".", "--json"], ["run", "small.yaml", "--quiet", "--out", "run"]):
        receiver, sender = os.pipe()
        os.close(receiver)
        ended = command(folder, *words, out=sender)
        os.close(sender)
        assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_names_and_labels_are_utf8_in_every_locale(folder: Path, locale: str) -> None:
    names = ["Zürich", "😀a", "𠮷野"]
    graph = {"nodes": names, "edges": [[names[0], names[1]], [names[1], names[2]]]}
    (folder / "graph.json").write_text(json.dumps(graph, ensure_ascii=False), encoding="utf-8")
    experiment = {**SETTINGS, "environment": {"kind": "sis", "horizon": 3}, "topology": {"kind": "file", "path": "graph.json"}}
    (folder / "named.yaml").write_text(json.dumps(experiment, ensure_ascii=False), encoding="utf-8")
    narrow = {**NARROW, "LC_ALL": locale}
    for launcher in ("in_process", "local"):
        out = f"run-{launcher}"
        ended = command(folder, "run", "named.yaml", "--launcher", launcher, "--out", out, environment=narrow)
        assert ended.returncode == 0, ended.stderr
        assert netagents.Run.open(folder / out).topology.labels == tuple(names)
    # What was written under another locale is read, too.
    assert command(folder, "run", "named.yaml", "--quiet", "--out", "other", environment={"PYTHONUTF8": "1"}).returncode == 0
    for words in (
        ["report", "other"],
        ["runs", "."],
        ["evaluate", "other", "-n", "10"],
        ["logs", "run-local"],
        ["topology", "show", "graph.json"],
        ["compare", "other", "run-local"],
        ["topology", "draw", "other"],
        ["config", "show", "named.yaml"],
        ["resume", "other", "learning.iterations=3"],
    ):
        ended = command(folder, *words, environment=narrow)
        assert ended.returncode == 0, (words, ended.stderr)


def test_a_graph_file_whose_name_the_locale_cannot_say_is_found(folder: Path) -> None:
    (folder / "größe.edges").write_text("0 1\n1 2\n", encoding="utf-8")
    (folder / "named.yaml").write_text(
        json.dumps({**SETTINGS, "topology": {"kind": "file", "path": "größe.edges"}}, ensure_ascii=False), encoding="utf-8"
    )
    for locale in ("C", "C.UTF-8", "en_US.ISO-8859-1"):
        ended = command(folder, "run", "named.yaml", "--quiet", "--out", f"run-{locale}", environment={**NARROW, "LC_ALL": locale})
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.ISO-8859-1"])
def test_an_out_that_is_not_utf8_is_refused_or_complete(folder: Path, locale: str) -> None:
    ended = command(folder, "run", "small.yaml", "--quiet", "--out", b"inv\xff", environment={**NARROW, "LC_ALL": locale})
    if ended.returncode == 0:
        # Latin-1 can say it.
        assert (Path(os.fsdecode(os.fsencode(folder) + b"/inv\xff")) / "tables").is_dir()
    else:
        assert ended.returncode == 6, ended.stderr
        assert b"the path is not UTF-8 text" in ended.stderr
        assert not list(folder.glob("inv*"))


def test_a_run_that_was_renamed_to_bytes_is_still_read(folder: Path) -> None:
    assert command(folder, "run", "small.yaml", "--quiet", "--out", "run").returncode == 0
    os.rename(os.fsencode(folder) + b"/run", os.fsencode(folder) + b"/r\xff")  # noqa: PTH104 - bytes
    for words in (
        ["runs", "."],
        ["report", b"r\xff"],
        ["evaluate", b"r\xff", "-n", "10", "--json"],
        ["compare", b"r\xff", b"r\xff"],
        ["logs", b"r\xff"],
    ):
        ended = command(folder, *words)
        assert ended.returncode == 0 or b"fault of netagents" not in ended.stderr, (words, ended.stderr)


def test_the_newest_run_is_the_latest_instant_in_any_zone(folder: Path) -> None:
    for name, zone in (("first", "Pacific/Kiritimati"), ("second", "Pacific/Pago_Pago")):
        ended = command(folder, "run", "small.yaml", "--quiet", f"name={name}", environment={"TZ": zone})
        assert ended.returncode == 0, ended.stderr
    newest = json.loads(command(folder, "evaluate", "-n", "10", "--json").stdout)["run"]
    assert newest.startswith("runs/second-")
    assert [row["name"].partition("-")[0] for row in json.loads(command(folder, "runs", "--json").stdout)] == ["first", "second"]


def test_instants_of_earlier_manifests_are_compared_through_the_hour_that_comes_twice() -> None:
    # The clocks of Central Europe go back from 03:00 to 02:00 on this day.
    before, after = {"created": "2026-10-25T02:50:00+0200"}, {"created": "2026-10-25T02:10:00+0100"}
    assert created_time(after) - created_time(before) == 20 * 60
    assert created_time({"created": "2026-10-25T02:50:00+0200", "created_time": 5.25}) == 5.25
    for damaged in ({}, {"created": 7}, {"created": "yesterday"}, {"created_time": True}, {"created_time": float("nan")}):
        assert created_time(damaged) == 0.0


def test_links_to_runs_are_runs_for_every_command_and_only_links_for_clean(folder: Path) -> None:
    assert command(folder, "run", "small.yaml", "--quiet", "--out", "scratch/run").returncode == 0
    (folder / "runs").mkdir()
    (folder / "runs" / "link").symlink_to("../scratch/run")
    (folder / "runs" / "broken").symlink_to("../scratch/none")
    assert len(run_directories(folder / "runs")) == 1
    for words in (
        ["runs"],
        ["evaluate", "-n", "10"],
        ["report", "runs/link"],
        ["logs", "runs/link"],
        ["topology", "show", "runs/link"],
        ["topology", "draw", "runs/link"],
        ["resume", "runs/link", "learning.iterations=3"],
    ):
        ended = command(folder, *words)
        assert ended.returncode == 0, (words, ended.stderr)
    killed = folder / "runs" / "zz"
    assert command(folder, "run", "small.yaml", "--quiet", "--out", "runs/zz").returncode == 0
    events = killed / "events.jsonl"
    events.write_text("".join(f"{line}\n" for line in events.read_text().splitlines() if '"finished"' not in line))
    ended = command(folder, "clean", "--all")
    assert ended.returncode == 0, ended.stderr
    assert b"runs/link  (link to ../scratch/run, which stays)" in ended.stdout
    assert b"runs/zz  (killed)" in ended.stdout
    assert [path.name for path in (folder / "runs").iterdir()] == ["broken"]
    assert netagents.Run.open(folder / "scratch/run").state == "finished"


def test_what_clean_cannot_remove_keeps_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    from netagents.cli.main import main

    for name in ("a", "b", "c"):
        assert command(folder, "run", "small.yaml", "--quiet", "--out", f"runs/{name}").returncode == 0
    monkeypatch.chdir(folder)
    really = shutil.rmtree

    def refuse(path: Path, **words: Any) -> None:
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        really(path, **words)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert main(["clean", "--all"]) == 6
    assert [path.name for path in (folder / "runs").iterdir()] == ["b"]
    assert "runs/b: cannot be removed: Permission denied" in capsys.readouterr().err


def test_no_file_is_opened_in_the_encoding_of_the_locale(folder: Path) -> None:
    words = ["-X", "warn_default_encoding", "-W", "error::EncodingWarning:netagents", "-m", "netagents"]
    for command_words in (
        ["run", "small.yaml", "--quiet", "--out", "run"],
        ["report", "run"],
        ["evaluate", "run", "-n", "10"],
        ["runs", "."],
    ):
        ended = subprocess.run([sys.executable, *words, *command_words], cwd=folder, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
        warnings = [line for line in ended.stderr.splitlines() if "EncodingWarning" in line and "/netagents/" in line]
        assert warnings == []
