"""Files that appear whole or not at all, and what is left of those that did not."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netagents.errors import RunDirectoryError
from netagents.records.checkpoint import TEMPORARY


def write_atomically(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    temporary = path.parent / f"{TEMPORARY}{path.name}-{os.getpid()}"
    try:
        # Made anew, so that a link which somebody left under this name leads nowhere.
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
        temporary.rename(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunDirectoryError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return path


def check_file(path: Path) -> None:
    """Refuse, before the work begins, a file for its results that could not be written at the end.

    Raises:
        RunDirectoryError: a folder stands there, or the folder around it is missing or read-only.
    """
    around = path.parent
    reason = (
        "is a folder, not a file" if path.is_dir()
        else f"cannot be written: there is no folder {around}" if not around.is_dir()
        else f"cannot be written: {around} is read-only" if not os.access(around, os.W_OK)
        else None
    )  # fmt: skip
    if reason is not None:
        raise RunDirectoryError(reason, where=str(path), fix="name another file with --out")


@contextmanager
def replacing_folder(folder: Path, what: str) -> Iterator[Path]:
    """A temporary folder to write into; at the end of the block it stands in the place of ``folder``, or nothing has changed.

    Args:
        folder: the one to replace; there may be none.
        what: begins the error, such as ``the tables``.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    temporary = folder.parent / f"{TEMPORARY}{folder.name}-{os.getpid()}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunDirectoryError(f"{what} cannot be written: {error.strerror}", where=str(folder)) from error


def check_folder(path: Path, fix: str = "name a folder for the tables") -> None:
    """Refuse, before the work begins, a folder for its results that cannot be one.

    Raises:
        RunDirectoryError: something else stands there.
    """
    if path.exists() and not path.is_dir():
        raise RunDirectoryError("is not a folder", where=str(path), fix=fix)


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """What the system says against a file in it becomes one line.

    Raises:
        RunDirectoryError: the folder cannot be made, or a file in it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise RunDirectoryError(f"cannot be written: {error.strerror}", where=str(folder), fix="name another folder") from error


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file into a directory that nobody sees yet."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def sweep(folder: Path, prefix: str, older_than: float = 0.0) -> list[Path]:
    """Remove files and folders that begin with ``prefix`` and were not touched for ``older_than`` seconds; those that were removed."""
    removed = []
    for path in folder.glob(f"{prefix}*"):
        try:
            if older_than and time.time() - path.stat().st_mtime < older_than:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            continue
        removed.append(path)
    return removed
