"""The manifest: which program, packages and machine made a run."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic_core import from_json

import netagents
from netagents.errors import RunDirectoryError, printable
from netagents.learning import Setup
from netagents.records.record_files import RECORDS, checked
from netagents.records.regular_files import read_regular

MANIFEST = "manifest.json"

FORMAT_VERSION = 2
"""Of the run directory."""

_PACKAGES = ("numpy", "pydantic", "networkx", "pyzmq", "msgpack", "safetensors", "pyarrow", "scipy", "torch")


def manifest_of(setup: Setup, name: str, run_id: bytes, launcher: str, now: float) -> dict[str, Any]:
    """The manifest of a run that is created ``now`` (seconds since the epoch)."""
    return {
        "format_version": FORMAT_VERSION,
        "run": run_id.hex(),
        "name": name,
        "created_time": now,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(now)),
        "seed": setup.experiment.seed,
        "n": setup.n,
        "graph_digest": setup.topology.digest,
        "launcher": launcher,
        "versions": {"netagents": netagents.__version__, "python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a run directory, checked.

    Raises:
        RunDirectoryError: there is no such directory, it is no run, another format version wrote it, or the file is damaged.
    """
    file = path / MANIFEST
    if not path.is_dir():
        raise RunDirectoryError("no such run directory", where=str(path), fix="`netagents runs` lists the runs there are")
    if not os.path.lexists(file):
        raise RunDirectoryError(f"is no run: it has no {MANIFEST}", where=str(path), fix="name a directory made by a run")
    kind = RECORDS[MANIFEST]
    data = read_regular(file, kind.bytes(1))
    try:
        facts = from_json(data, allow_inf_nan=False)
        version = facts["format_version"]
        if type(version) is not int or type(facts["run"]) is not str:
            raise ValueError("not the values of a manifest")
    except (ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError("is not the manifest of a run", where=str(file), fix="the file was damaged") from error
    if version != FORMAT_VERSION:
        wrote = facts.get("versions")
        writer = str(wrote.get("netagents", "unknown")) if isinstance(wrote, dict) else "unknown"
        raise RunDirectoryError(
            f"written by {'an older' if version < FORMAT_VERSION else 'a newer'} netagents ({printable(writer)[:40]}) in format "
            f"{printable(str(version))[:40]}; this one ({netagents.__version__}) reads format {FORMAT_VERSION}",
            where=str(path),
            fix="read it with the version that wrote it",
        )
    checked(data, kind.model, None, str(file))
    manifest: dict[str, Any] = facts
    return manifest


def created_time(manifest: Mapping[str, Any]) -> float:
    """When a run was created, in seconds since the epoch: the instant, whatever clock and zone it was written down in; 0 if unknown."""
    moment = manifest.get("created_time")
    if isinstance(moment, int | float) and not isinstance(moment, bool) and math.isfinite(moment):
        return float(moment)
    try:
        # Runs of earlier versions have whole seconds and the offset of their zone.
        return datetime.fromisoformat(str(manifest.get("created", ""))).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or sys.platform
