"""Every test in this folder uses a real container engine, and fails when it leaves a container, a network or a volume behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

_SYSTEM = str(Path(__file__).parent.parent / "system")
if _SYSTEM not in sys.path:
    sys.path.insert(0, _SYSTEM)

from live_run import LINE, Settings, merged, patience, wait_until  # noqa: E402

from netagents.errors import EngineError  # noqa: E402
from netagents.launchers.compose.container_engine import Container, Engine, find_engine  # noqa: E402
from netagents.launchers.compose.container_image import ensure_image  # noqa: E402
from netagents.records.process_log import read_log  # noqa: E402

REQUIRE = "NETAGENTS_REQUIRE_ENGINE"

SMALL: Settings = merged(LINE, {"topology": {"n": 4}, "learning": {"iterations": 6}})
"""Four agents in a row, over in a moment."""

LONG: Settings = merged(LINE, {"topology": {"n": 4}, "learning": {"iterations": 400}, "checkpoints": {"every": 20}})
"""The same, long enough to be disturbed."""


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine, with the image of this very source."""
    try:
        engine = find_engine()
        ensure_image(engine, None, lambda line: print(line, file=sys.stderr))
    except EngineError as error:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, and there is no usable engine: {error}")
        pytest.skip(f"no usable container engine: {error}")
    return engine


@pytest.fixture(autouse=True)
def leaves_nothing(engine: Engine) -> Iterator[None]:
    """What the engine holds after a test is what it held before; it takes a moment to remove containers that have ended."""
    before = held(engine)
    yield
    deadline = time.monotonic() + patience(5.0)
    while (left := _more(held(engine), before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, f"the test left behind: {left}"


def held(engine: Engine) -> dict[str, set[str]]:
    """All containers, networks and volumes."""
    return {
        "containers": set(engine.run("ps", "--all", "--quiet").split()),
        "networks": set(engine.run("network", "ls", "--quiet").split()),
        "volumes": set(engine.run("volume", "ls", "--quiet").split()),
    }


def _more(now: dict[str, set[str]], before: dict[str, set[str]]) -> dict[str, set[str]]:
    return {kind: count - before[kind] for kind, count in now.items() if count - before[kind]}


class ContainerRun:
    """``netagents run --launcher compose`` in a process of its own."""

    def __init__(self, engine: Engine, path: Path, settings: Settings, words: Sequence[str] = ()) -> None:
        self.engine, self.path = engine, path
        file = path.with_suffix(".yaml")
        file.write_text(json.dumps(dict(settings)))
        self._begin("run", str(file), "--launcher", "compose", "--out", str(path), *words)

    def _begin(self, *words: str) -> None:
        command = [sys.executable, "-m", "netagents", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def resume(self, *words: str) -> None:
        """Go on with the run, again in containers."""
        self._begin("resume", str(self.path), *words)

    @property
    def project(self) -> str:
        """The Compose project."""
        return f"netagents-{json.loads((self.path / 'manifest.json').read_text())['run']}"

    def container(self, role: str) -> Container:
        """The container of a role."""
        return self.engine.containers(self.project)[role.replace("_", "-")]

    def wait_for_rows(self, rows: int, seconds: float = 60.0) -> None:
        """Wait until so many iterations are recorded."""
        file = self.path / "metrics.jsonl"

        def enough() -> bool:
            assert self.process.poll() is None, self.process.communicate()[1]
            return file.exists() and file.read_bytes().count(b"\n") >= rows

        wait_until(enough, f"{rows} rows in {file}", seconds)

    def rows(self) -> int:
        """Iterations recorded so far."""
        return (self.path / "metrics.jsonl").read_bytes().count(b"\n")

    def log_lines(self, role: str) -> list[str]:
        """The messages in the log of a role."""
        return [str(entry.get("message", "")) for entry in read_log(self.path / "logs" / f"{role}.jsonl")]

    def events(self, name: str) -> list[dict[str, object]]:
        """The run's events of one name."""
        lines = (self.path / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def ended(self, seconds: float = 90.0) -> tuple[int, str]:
        """Exit code and standard error, once it has ended."""
        _, err = self.process.communicate(timeout=patience(seconds))
        return self.process.returncode, err

    def kill(self) -> None:
        """End it for good; the engine is left as it was before."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.communicate(timeout=patience(60.0))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
        if (self.path / "manifest.json").exists() and (left := self.engine.containers(self.project)):
            self.engine.run("rm", "--force", *(container.id for container in left.values()))


Start = Callable[..., ContainerRun]


@pytest.fixture
def start(engine: Engine, tmp_path: Path) -> Iterator[Start]:
    """Starts runs; what still runs at the end of the test is ended."""
    started: list[ContainerRun] = []

    def begin(settings: Settings, *words: str) -> ContainerRun:
        started.append(ContainerRun(engine, tmp_path / f"run-{len(started)}", settings, words))
        return started[-1]

    yield begin
    for run in started:
        run.kill()


def wait_seconds(seconds: float) -> None:
    """Let a disturbance last."""
    time.sleep(seconds)
