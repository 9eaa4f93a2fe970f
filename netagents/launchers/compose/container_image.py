"""Image of a container run: it must exist, and hold the same source as the launcher."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import netagents
from netagents.errors import EngineError
from netagents.launchers.compose.container_engine import Engine, explain
from netagents.launchers.node_commands import default_image

BUILD_SECONDS = 1800.0
"""Timeout in seconds for building the image, which downloads torch."""


def source_digest(package: Path | None = None) -> str:
    """SHA-256 over names and contents of all Python files of netagents."""
    package = Path(netagents.__file__).parent if package is None else package
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix()):
        name = path.relative_to(package).as_posix()
        if name.startswith("_data/"):
            continue
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def checkout() -> Path | None:
    """The top of the repository that netagents is imported from; None if it was installed."""
    top = Path(netagents.__file__).parent.parent
    return top if (top / "launch" / "Dockerfile").is_file() and (top / "pyproject.toml").is_file() else None


def ensure_image(engine: Engine, image: str | None, note: Callable[[str], None]) -> str:
    """The image to run; built from the checkout if it is missing.

    Args:
        engine: the engine.
        image: the user's own; None: that of this version.
        note: called with a line before something that takes long.

    Raises:
        EngineError: it is missing and cannot be built here, or holds another source.
    """
    name = image or default_image()
    if not engine.image_exists(name):
        top = checkout()
        if image is not None or top is None:
            fix = "build it or pull it" if image else "build it in a checkout of this version: docker compose build"
            raise EngineError("there is no such image", where=name, fix=fix)
        note(f"building the image {name}; this takes minutes the first time")
        build(engine, top, name)
    command = ("run", "--rm", "--network", "none", "--entrypoint", "python", name, "-m", "netagents.launchers.compose.container_image")
    try:
        output = engine.run(*command).split()
    except EngineError as error:
        raise EngineError(f"is not an image of netagents: {error.what}", where=name, fix="build it anew: docker compose build") from error
    if output[-1:] != [source_digest()]:
        version = output[-2] if len(output) > 1 else "unknown"
        raise EngineError(
            f"the image holds another netagents ({version}) than the one that starts the run ({netagents.__version__}, other files)",
            where=name,
            fix="build it anew: docker compose build",
        )
    return name


def build(engine: Engine, top: Path, name: str) -> None:
    """Build the image.

    Raises:
        EngineError: with the last line of the build.
    """
    command = [*engine.docker, "build", "--tag", name, "--file", str(top / "launch" / "Dockerfile"), str(top)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise EngineError(f"the image was not built within {BUILD_SECONDS:g} s", where=name) from None
    if result.returncode != 0:
        raise explain(result.stderr or result.stdout, command)


if __name__ == "__main__":
    sys.stdout.write(f"{netagents.__version__} {source_digest()}\n")
