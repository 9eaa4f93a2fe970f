"""``resume`` of a run whose rows were lost or changed: one line that names the file, and nothing is written."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents.cli.main import main

SMALL: dict[str, Any] = line_msg(3, kappa=1, iterations=4, batch=2, horizon=2, checkpoints={"every": 2}, launcher="in_process")

ROWS = ["metrics.jsonl", "ledger.jsonl", "power.jsonl"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import netagents

    return netagents.run(SMALL, directory=tmp_path_factory.mktemp("runs") / "small").path


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def _edit(file: Path) -> None:
        file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))

    return _edit


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, ": holds 0 iterations, but the newest checkpoint is that after iteration 3: rows were lost; restore the file, or"),
        (_lines(lambda rows: rows[:2]), ": holds 2 iterations, but the newest checkpoint is that after iteration 3: rows were lost"),
        (_lines(lambda rows: [rows[0], *rows[2:]]), ":2: this row is of iteration 2, not 1: rows were lost; restore the file"),
        (_lines(lambda rows: [rows[0], b"\xff\xfe{\n", *rows[2:]]), ":2: this line is not a row of an iteration; the file was damaged"),
        (_lines(lambda rows: [b"[]\n", *rows[1:]]), ":1: this line is not a row of an iteration; the file was damaged"),
    ],
    ids=["gone", "short", "hole", "junk", "list"],
)
def test_lost_and_damaged_rows_are_one_line(
    name: str, damage: Callable[[Path], None], message: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    damage(copy / name)
    before = _digests(copy)
    assert main(["resume", str(copy), "learning.iterations=6", "-q"]) == 6
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"netagents: error: {copy / name}{message}")
    assert output.err.count("\n") == 1
    assert _digests(copy) == before


def test_a_row_torn_by_a_kill_is_no_damage(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from netagents.records.run_reader import Run

    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    for name in ROWS:
        with (copy / name).open("ab") as file:
            file.write(b'{"iteration":4,"te')
    assert main(["resume", str(copy), "learning.iterations=6", "-q"]) == 0
    assert len(Run.open(copy).returns) == 6
    capsys.readouterr()


def _digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
