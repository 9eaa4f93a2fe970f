"""Make the trivial roles importable here and in the processes that are started."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _roles_are_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for directory in (TESTS / "launchers", TESTS / "support"):
        monkeypatch.syspath_prepend(str(directory))
    yield
    assert "trivial_roles" not in sys.modules or sys.modules["trivial_roles"].__file__ == str(TESTS / "launchers" / "trivial_roles.py")
