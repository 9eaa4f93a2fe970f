"""A fixture that fails when a test leaves anything behind: processes, zombies, descriptors, socket directories, temporary files.

It gives each test a private folder for temporary files, so that what it finds belongs to this test even when others run on the same
machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from netagents.nodes.process.stray_processes import RUN_MARKER

SECONDS = 2.0


@dataclass
class LeakWatch:
    """What a test may have left behind.

    Attributes:
        root: the test's folder for temporary files and socket directories.
    """

    root: Path
    descriptors: dict[str, str] = field(default_factory=dict)
    zombies: set[int] = field(default_factory=set)

    def processes(self) -> dict[int, str]:
        """All running processes of runs started by this test: number to command line."""
        result: dict[int, str] = {}
        marker = f"{RUN_MARKER}={self.root}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if any(variable.startswith(marker) for variable in (entry / "environ").read_bytes().split(b"\0")):
                    result[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
        return result

    def files(self) -> list[str]:
        """Everything below the test's folder for temporary files."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def leftovers(self) -> dict[str, object]:
        """Everything that is there now and was not before; empty when the test left nothing."""
        result: dict[str, object] = {
            "processes": self.processes(),
            "zombies": _zombies() - self.zombies,
            "files": self.files(),
            "descriptors": {number: target for number, target in _descriptors().items() if self.descriptors.get(number) != target},
        }
        return {name: value for name, value in result.items() if value}

    def accept_descriptors(self) -> None:
        """Take the descriptors that are open now for those that were open before."""
        self.descriptors = _descriptors()

    def wait_until_clean(self, seconds: float = SECONDS) -> dict[str, object]:
        """What is still left after at most ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


def _descriptors() -> dict[str, str]:
    result: dict[str, str] = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target not in (f"/proc/{os.getpid()}/fd", "/proc/self/fd"):
            result[entry.name] = target
    return result


def _zombies() -> set[int]:
    result: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == os.getpid():
                result.add(int(entry.name))
    return result


@pytest.fixture
def leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LeakWatch]:
    """Fails the test if, two seconds after its end, anything of it is left."""
    assert tmp_path.is_dir()  # made before the folder for temporary files changes, so that it is not part of it
    root = Path(tempfile.mkdtemp(prefix="leak-", dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(root))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)
    resource_tracker.ensure_running()
    watch = LeakWatch(root, _descriptors(), _zombies())
    yield watch
    left = watch.wait_until_clean()
    shutil.rmtree(root, ignore_errors=True)
    assert not left, f"the test left behind: {left}"
