"""Checkpoints: one safetensors file per agent and a manifest that lists every component; nothing is ever unpickled.

A checkpoint appears whole or not at all: it is built in a hidden directory and renamed.  Loading checks every listed
component (name, dtype, shape, SHA-256) and that there is none besides; sizes are bounded by what is listed
before anything is read into memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from netagents.errors import RunDirectoryError
from netagents.messages import ENVIRONMENT
from netagents.records.record_files import RECORDS, first_error
from netagents.records.regular_files import open_regular, read_regular

Arrays = Mapping[str, NDArray[Any]]

MANIFEST = "manifest.json"
TEMPORARY = ".tmp-"
"""Prefix of everything that is being written; what is left of it after a kill may be removed."""

_NAME = re.compile(r"iteration-(\d{8,12})", re.ASCII)
_MOST_BYTES = 1 << 36
_HEADER_BYTES = 1 << 21


def owner_name(owner: int) -> str:
    """File stem of an owner of arrays: ``agent-3``, or ``environment``."""
    return "environment" if owner == ENVIRONMENT else f"agent-{owner}"


def write_checkpoint(folder: Path, iteration: int, arrays: Mapping[int, Arrays], facts: Mapping[str, Any]) -> Path:
    """Write the state of the run after ``iteration``.

    Args:
        folder: the checkpoints folder of the run.
        iteration: the last iteration that the state includes.
        arrays: per owner (agent index, or ENVIRONMENT) every named array.
        facts: plain JSON values that a resume must find unchanged (graph digest, format version, ...).

    Returns:
        The checkpoint's directory.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    from safetensors.numpy import save

    final = folder / f"iteration-{iteration:08d}"
    temporary = folder / f"{TEMPORARY}{final.name}-{os.getpid()}"
    try:
        folder.mkdir(exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        listed: dict[str, Any] = {}
        for owner, named in sorted(arrays.items()):
            whole = {name: np.asarray(array, order="C") for name, array in named.items()}
            (temporary / f"{owner_name(owner)}.safetensors").write_bytes(save(whole))
            listed[owner_name(owner)] = {
                "owner": owner,
                "components": {
                    name: {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": _digest(array)}
                    for name, array in sorted(whole.items())
                },
            }
        manifest = {"iteration": iteration, "facts": dict(facts), "owners": listed}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        if final.exists():
            # The same iteration again, after a resume: the old one steps aside first, because a rename cannot replace a full directory.
            aside = folder / f"{TEMPORARY}old-{final.name}-{os.getpid()}"
            final.rename(aside)
            temporary.rename(final)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            temporary.rename(final)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunDirectoryError(f"the checkpoint cannot be written: {error.strerror}", where=str(final)) from error
    return final


def checkpoints(folder: Path) -> dict[int, Path]:
    """The complete checkpoints of a folder by iteration, ascending."""
    if not folder.is_dir():
        return {}
    saved = {
        int(match[1]): path
        for path in folder.iterdir()
        if (match := _NAME.fullmatch(path.name)) and not path.is_symlink() and os.path.lexists(path / MANIFEST)
    }
    return dict(sorted(saved.items()))


def checkpoint_facts(path: Path) -> dict[str, Any]:
    """The facts that the checkpoint was written with."""
    facts: dict[str, Any] = _manifest(path)["facts"]
    return facts


def load_checkpoint(path: Path, owners: set[int] | None = None) -> dict[int, dict[str, NDArray[Any]]]:
    """Every array of a checkpoint, by owner and name, all verified.

    Args:
        path: the checkpoint's directory.
        owners: only these (default: all).

    Raises:
        RunDirectoryError: a file or a component is missing, unknown, or not what the manifest says.
    """
    manifest = _manifest(path)
    loaded: dict[int, dict[str, NDArray[Any]]] = {}
    for entry in manifest["owners"].values():
        owner = int(entry["owner"])
        if owners is None or owner in owners:
            loaded[owner] = _load_owner(path / f"{owner_name(owner)}.safetensors", entry["components"])
    missing = sorted((owners or set()) - set(loaded))
    if missing:
        raise RunDirectoryError(f"holds nothing of {owner_name(missing[0])}", where=str(path))
    return loaded


def _load_owner(file: Path, components: Mapping[str, Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        with open_regular(file) as opened:
            size = os.fstat(opened.fileno()).st_size
            _check_size(file, size, int.from_bytes(opened.read(8), "little"), components)
            opened.seek(0)
            value = load(opened.read(size))
    except OSError as error:
        raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunDirectoryError(
            f"is no safetensors file: {error}", where=str(file), fix="remove this checkpoint to go on from the one before"
        ) from error
    arrays: dict[str, NDArray[Any]] = {}
    for name, listed in components.items():
        array = value.pop(name, None)
        if array is None:
            raise RunDirectoryError(
                f"component '{name}' is missing", where=str(file), fix="remove this checkpoint to go on from the one before"
            )
        for what, expected, actual in (
            ("dtype", listed["dtype"], str(array.dtype)),
            ("shape", list(listed["shape"]), list(array.shape)),
            ("SHA-256", listed["sha256"], _digest(array)),
        ):
            if expected != actual:
                raise RunDirectoryError(
                    f"component '{name}' has {what} {actual}, but the manifest says {expected}",
                    where=str(file),
                    fix="remove this checkpoint to go on from the one before",
                )
        arrays[name] = array
    if value:
        raise RunDirectoryError(
            f"component '{min(value)}' is not in the manifest", where=str(file), fix="remove this checkpoint to go on from the one before"
        )
    return arrays


def _manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    kind = RECORDS["checkpoints/*/manifest.json"]
    data = read_regular(file, kind.bytes(1))
    try:
        manifest: dict[str, Any] = kind.model.model_validate_json(data, strict=True).model_dump(mode="python")
        for name, entry in manifest["owners"].items():
            # The owner names its file.
            if name != owner_name(entry["owner"]):
                raise ValueError("an owner that is none")
            if _array_bytes(entry["components"]) > _MOST_BYTES:
                raise ValueError("too large")
    except ValueError as error:
        reason = first_error(error) if isinstance(error, ValidationError) else str(error)
        raise RunDirectoryError(
            f"is not the manifest of a checkpoint ({reason})", where=str(file), fix="remove this checkpoint to go on from the one before"
        ) from error
    return manifest


def _array_bytes(components: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(math.prod(listed["shape"]) * np.dtype(listed["dtype"]).itemsize for listed in components.values())


def _check_size(file: Path, size: int, header: int, components: Mapping[str, Mapping[str, Any]]) -> None:
    """Nothing much larger than what is listed is read; the finer differences are found one by one."""
    arrays = _array_bytes(components)
    if header > _HEADER_BYTES or size > 2 * arrays + _HEADER_BYTES:
        raise RunDirectoryError(
            f"is no safetensors file of these components: has {size} bytes, {header} of them header, for {arrays} bytes of arrays",
            where=str(file),
            fix="remove this checkpoint to go on from the one before",
        )


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.asarray(array, order="C").tobytes()).hexdigest()
