"""Make the trivial roles and the leak fixture importable, here and in launchers that tests start as programs of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
for _directory in (_HERE, _HERE.parent / "support"):
    if str(_directory) not in sys.path:
        sys.path.insert(0, str(_directory))

from leaks import leaks  # noqa: E402

__all__ = ["leaks"]


@pytest.fixture(autouse=True)
def _programs_find_the_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(_HERE), *filter(None, [os.environ.get("PYTHONPATH")])]))
