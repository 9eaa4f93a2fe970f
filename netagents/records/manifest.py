"""The manifest: which program, packages and machine made a run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import netagents
from netagents.learning import Setup

FORMAT_VERSION = 2
"""Of the run directory."""

_PACKAGES = ("numpy", "pydantic", "networkx", "pyzmq", "msgpack", "safetensors", "pyarrow", "scipy", "torch")


def manifest_of(setup: Setup, name: str, run_id: bytes, launcher: str, now: float) -> dict[str, Any]:
    """The manifest of a run that is created ``now`` (seconds since the epoch)."""
    return {
        "format_version": FORMAT_VERSION,
        "run": run_id.hex(),
        "name": name,
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
        with Path("/proc/cpuinfo").open() as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or sys.platform
