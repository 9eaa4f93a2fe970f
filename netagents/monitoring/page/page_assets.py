"""Assets of pages: templates in which every value is escaped, styles for light and dark, scripts and libraries, read from the package."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}


@cache
def templates() -> Environment:
    """The templates; every value is escaped, and one that is missing is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@cache
def asset(name: str) -> bytes:
    """A file that pages use.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in assets():
        raise KeyError(name)
    return (STATIC / name).read_bytes()


@cache
def assets() -> frozenset[str]:
    """The names of all files that pages use."""
    return frozenset(path.name for path in STATIC.iterdir() if path.suffix in MEDIA_TYPES)


@cache
def version() -> str:
    """A word that changes with any of the files, so that browsers keep none that is old."""
    digest = hashlib.sha256()
    for name in sorted(assets()):
        digest.update(asset(name))
    return digest.hexdigest()[:12]
