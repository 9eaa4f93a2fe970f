"""Every tutorial runs from top to bottom in a folder of its own, as it stands on the site, and prints what it printed there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TIMES = re.compile(r"\d+(\.\d+)? (s|seconds|minutes)\b|\d{8}-\d{6}-[0-9a-f]{4}|[0-9a-f]{16}|/\S+|\d+ of \d+ parts.*")
"""What is different each time: durations, names of run directories, paths."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.timeout(600)
def test_a_tutorial_runs_and_prints_what_the_site_shows(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    words = [sys.executable, str(Path(__file__).with_name("notebook_process.py")), str(path), str(tmp_path)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=550)
    assert result.returncode == 0, result.stderr[-4000:]
    executed, output = nbformat.read(tmp_path / "executed.ipynb", 4), nbformat.read(path, 4)
    for number, (cell, before) in enumerate(zip(executed.cells, output.cells, strict=True)):
        assert _printed(cell) == _printed(before), f"cell {number} of {path.name}"


def test_tutorials_name_their_pages_and_hold_no_path_of_a_machine() -> None:
    assert len(NOTEBOOKS) >= 10
    for path in NOTEBOOKS:
        book = nbformat.read(path, 4)
        text = path.read_text(encoding="utf-8")
        assert book.cells[0].source.startswith("# "), path.name
        assert "**Next:**" in book.cells[-1].source, path.name
        assert not re.search(r"/(work|home|root|tmp)/", text), path.name
        for target in re.findall(r"\]\(([^)#]+)[)#]", "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")):
            assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name} leads to {target}"


def _printed(cell: nbformat.NotebookNode) -> str:
    """What a cell printed, without what differs each time."""
    return "".join(
        TIMES.sub("*", output.text) for output in cell.get("outputs", ()) if output.output_type == "stream" and output.name == "stdout"
    )
