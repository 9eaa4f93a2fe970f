"""Container engine, used through its command line, which works for any version and socket."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netagents.errors import EngineError

ANSWER_SECONDS = 30.0
"""Timeout in seconds for commands of the engine."""

DOWN_SECONDS = 120.0
"""Timeout in seconds for removing all containers and networks of a run."""

_EXPLAINED = (
    (
        "permission denied",
        "this user may not use the container engine",
        "add the user to the group of the engine (docker)",
    ),
    ("cannot connect to the docker daemon", "no container engine runs", "start it, or set DOCKER_HOST"),
    ("no such host", "no container engine is at DOCKER_HOST", "fix or unset DOCKER_HOST"),
    ("port is already allocated", "a port is taken", "stop what listens there"),
    ("address already in use", "a port is taken", "stop what listens there"),
    ("non-overlapping", "the engine has no addresses left for another network", "remove unused networks (docker network prune)"),
    ("pool overlaps", "a network of these addresses is there already", "remove unused networks (docker network prune)"),
    ("network with name", "a network of this name is there already", "remove it (docker network rm), or use another project name"),
    ("is already in use by container", "a container of this name is there already", "remove it (docker rm)"),
    ("no such image", "the image is not there", "build it: docker compose build"),
)


@dataclass(frozen=True)
class Engine:
    """A working container engine.

    Attributes:
        docker: the command.
        compose: the command of Compose, version 2 or 1.29.
        rootless: it runs as the user, who is root in its containers.
    """

    docker: tuple[str, ...]
    compose: tuple[str, ...]
    rootless: bool

    def run(self, *arguments: str, seconds: float = ANSWER_SECONDS) -> str:
        """The output of a command of the engine.

        Raises:
            EngineError: it failed; one line.
        """
        return _output_of([*self.docker, *arguments], seconds)

    def project(self, name: str, file: Path, *arguments: str) -> list[str]:
        """A Compose command for one project."""
        return [*self.compose, "--project-name", name, "--file", str(file), *arguments]

    def containers(self, project: str) -> dict[str, Container]:
        """The containers of a project by service."""
        label = f"label=com.docker.compose.project={project}"
        numbers = self.run("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()
        if not numbers:
            return {}
        containers = [Container.read(facts) for facts in json.loads(self.run("inspect", *numbers))]
        return {container.service: container for container in containers}

    def signal(self, number: str, containers: Iterable[str]) -> None:
        """Send a signal to containers, best effort: ended ones are ignored."""
        ids = list(containers)
        if ids:
            subprocess.run([*self.docker, "kill", "--signal", number, *ids], capture_output=True, timeout=ANSWER_SECONDS, check=False)

    def image_exists(self, image: str) -> bool:
        """Whether an image exists."""
        return _run([*self.docker, "image", "inspect", image], ANSWER_SECONDS).returncode == 0


@dataclass(frozen=True)
class Container:
    """One container: id, service, process of its init on this host (0: not running), and whether it ran out of memory."""

    id: str
    service: str
    pid: int
    out_of_memory: bool

    @classmethod
    def read(cls, facts: dict[str, Any]) -> Container:
        """From the output of ``docker inspect``."""
        state = facts["State"]
        return cls(facts["Id"], facts["Config"]["Labels"]["com.docker.compose.service"], int(state["Pid"]), bool(state.get("OOMKilled")))


def find_engine(which: Callable[[str], str | None] = shutil.which) -> Engine:
    """The engine of this host.

    Args:
        which: finds commands.

    Raises:
        EngineError: there is none, it is not running, this user may not use it, or Compose is missing.
    """
    docker = which("docker")
    if docker is None:
        raise EngineError("no command 'docker' is installed", where="container engine", fix="install Docker, and Compose")
    options = _output_of([docker, "info", "--format", "{{json .SecurityOptions}}"], ANSWER_SECONDS)
    compose: tuple[str, ...] | None = None
    if _run([docker, "compose", "version"], ANSWER_SECONDS).returncode == 0:
        compose = (docker, "compose")
    elif (old := which("docker-compose")) is not None:
        compose = (old,)
    if compose is None:
        raise EngineError("Compose is not installed", where="container engine", fix="install docker-compose-plugin, or docker-compose 1.29")
    return Engine((docker,), compose, "name=rootless" in options)


def explain(output: str, command: Sequence[str] = ()) -> EngineError:
    """The error in an engine's output, in one line."""
    lower = output.lower()
    for pattern, what, fix in _EXPLAINED:
        if pattern in lower:
            return EngineError(what, where="container engine", fix=fix)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    what = lines[-1][:300] if lines else "it failed without output"
    return EngineError(what, where="container engine" + (f" ({' '.join(command[1:3])})" if command else ""))


def _output_of(command: Sequence[str], seconds: float) -> str:
    result = _run(command, seconds)
    if result.returncode != 0:
        raise explain(result.stderr or result.stdout, command)
    return result.stdout


def _run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, start_new_session=True)
    except subprocess.TimeoutExpired:
        raise EngineError(f"no answer within {seconds:g} s to {' '.join(command[1:3])}", where="container engine") from None
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be run: {error.strerror}", where="container engine") from error
