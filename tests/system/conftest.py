"""Every test in this folder starts real processes, and fails when one of them leaves anything behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
for _directory in (_HERE, _HERE.parent / "support"):
    if str(_directory) not in sys.path:
        sys.path.insert(0, str(_directory))

from leaks import LeakWatch, leaks  # noqa: E402
from live_run import LiveRun, Settings  # noqa: E402
from node_windows import ByHand  # noqa: E402

__all__ = ["leaks"]


class Starter:
    """Starts ``netagents run`` as users do, in a folder of the test."""

    def __init__(self, folder: Path, leaks: LeakWatch) -> None:
        self.folder, self.leaks = folder, leaks
        self.started: list[LiveRun] = []

    def __call__(self, settings: Settings, *overrides: str) -> LiveRun:
        run = LiveRun(self.folder / f"run-{len(self.started)}", settings, overrides, self.leaks)
        self.started.append(run)
        return run


@pytest.fixture
def start(tmp_path: Path, leaks: LeakWatch) -> Iterator[Starter]:
    """Starts runs; what still runs at the end of the test is killed."""
    starter = Starter(tmp_path, leaks)
    yield starter
    for run in starter.started:
        run.kill()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[ByHand]:
    """Starts single nodes; what still runs at the end of the test is killed."""
    shell = ByHand(tmp_path)
    yield shell
    shell.close()
