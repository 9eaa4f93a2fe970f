"""``netagents exact`` prints and saves the oracle's tables, and refuses in one line what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netagents.cli.main import main

SMALL = ["launch/line_msg.yaml", "topology.n=3", "kappa=1"]


def test_it_prints_and_saves_the_same_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exact", *SMALL, "--restarts", "1", "--out", str(tmp_path / "tables")]) == 0
    printed = capsys.readouterr().out
    saved = json.loads((tmp_path / "tables" / "exact.json").read_text())
    assert {"values", "truncation", "gradient", "power", "ascent"} <= saved.keys()
    for name in saved:
        assert f"{name}: " in printed
        assert (tmp_path / "tables" / f"{name}.csv").is_file()


def test_a_model_that_does_not_fit_is_refused_with_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exact", "launch/line_msg.yaml", "topology.n=40", "--out", str(tmp_path / "tables")]) == 7
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "GiB" in error or "bytes" in error
    assert not (tmp_path / "tables").exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["exact", *SMALL, "--out", str(tmp_path / "file")]) == 6
    assert capsys.readouterr().err.count("\n") == 1
