"""A recorded run to look at, and a copy of it to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from watched_runs import SETTINGS

import netagents
from netagents.records import Run


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of four agents and 24 iterations."""
    return netagents.run(SETTINGS, directory=tmp_path_factory.mktemp("seen") / "run")


@pytest.fixture
def copied(recorded: Run, tmp_path: Path) -> Path:
    """A copy of its directory, to be changed."""
    return Path(shutil.copytree(recorded.path, tmp_path / "copy"))
