"""The page for Python users runs from top to bottom, as it stands."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(cells) >= 7
    names: dict[str, object] = {}
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        for cell in cells:
            exec(compile(cell, PAGE.name, "exec"), names)  # noqa: S102 - the page is ours, and running it is the test
    assert "of all power" in output.getvalue()
    assert "greedy" in output.getvalue()
