"""Creation of run directories: the names of their files, and a new directory that appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netagents.environments.specification_json import spec_to_json
from netagents.errors import RunDirectoryError
from netagents.experiment import Experiment
from netagents.learning import Setup
from netagents.records.atomic_files import sweep, write_json
from netagents.records.checkpoint import TEMPORARY
from netagents.records.jsonl import encode_row
from netagents.records.manifest import MANIFEST, manifest_of
from netagents.records.run_lock import RunLock
from netagents.topology import stored_settings
from netagents.topology.topology_json import topology_to_json

EXPERIMENT = "experiment.json"
TOPOLOGY = "topology.json"
ENVIRONMENT_FACTS = "environment.json"
EVENTS = "events.jsonl"
METRICS = "metrics.jsonl"
POWER = "power.jsonl"
LEDGER = "ledger.jsonl"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
TABLES = "tables"
REPLAY = "replay"
"""Folder of replay buffers, one folder per agent."""
COMPARISON = "comparison"
"""Folder of the runs that a run is compared with, each a run directory of its own."""

_STALE_SECONDS = 60.0
_CREATING = f"{TEMPORARY}run-"


def make_run_directory(
    parent: Path, name: str, setup: Setup, run_id: bytes | None, launcher: str | None, path: Path | None
) -> tuple[Path, Mapping[str, Any], RunLock]:
    """Create the directory of a new run, with its lock taken.

    Args:
        parent, name, setup, run_id, launcher, path: as for :meth:`netagents.records.run_directory.RunDirectory.create`.

    Returns:
        Its path, manifest and lock.

    Raises:
        RunDirectoryError: it exists already, or cannot be created.
    """
    run_id = secrets.token_bytes(8) if run_id is None else run_id
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    final = parent / f"{name}-{stamp}-{run_id.hex()[:4]}" if path is None else path
    check_free(final)
    check_path(final)
    temporary = final.parent / f"{_CREATING}{secrets.token_hex(6)}"
    lock = RunLock(temporary)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        sweep(final.parent, _CREATING, older_than=_STALE_SECONDS)
        temporary.mkdir()
        try:
            lock.take()
            for folder in (CHECKPOINTS, LOGS):
                (temporary / folder).mkdir()
            write_json(temporary / EXPERIMENT, self_contained(setup).model_dump(mode="json"))
            (temporary / TOPOLOGY).write_text(topology_to_json(setup.topology), encoding="utf-8")
            write_json(temporary / ENVIRONMENT_FACTS, spec_to_json(setup.spec))
            for file in (EVENTS, METRICS, POWER, LEDGER):
                (temporary / file).touch()
            (temporary / EVENTS).write_bytes(encode_row(make_event("created", {"time": now})))
            manifest = manifest_of(setup, name, run_id, launcher or setup.experiment.runtime.launcher, now)
            write_json(temporary / MANIFEST, manifest)
            temporary.rename(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise RunDirectoryError(
            f"cannot be made: {error.strerror}", where=str(final), fix="name a directory that can be written"
        ) from error
    lock.folder = final
    return final, manifest, lock


def check_free(path: Path) -> None:
    """Refuse a path that exists.

    Raises:
        RunDirectoryError: it exists.
    """
    if os.path.lexists(path):
        raise RunDirectoryError("exists already", where=str(path), fix="name another directory, or remove this one")


def check_path(path: Path) -> None:
    """Refuse a run directory whose path is not text, because tables, pages and other files could not name it.

    Raises:
        RunDirectoryError: the path has bytes that are not UTF-8, or that this locale cannot express.
    """
    try:
        whole = os.path.abspath(path)  # noqa: PTH100 - absolute() leaves dots in
        whole.encode("utf-8")
    except UnicodeEncodeError:
        raise RunDirectoryError(
            "the path is not UTF-8 text, or not text in this locale",
            where=ascii(str(path))[1:-1],
            fix="name another directory with --out, or set LC_ALL=C.UTF-8",
        ) from None


def self_contained(setup: Setup) -> Experiment:
    """The settings with graphs from files and random graphs edge by edge, so that the run can be repeated without file or generator."""
    experiment = setup.experiment
    return experiment.model_copy(update={"topology": stored_settings(experiment.topology, setup.topology)})


def make_event(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``events.jsonl``, stamped with the time now unless ``facts`` has one."""
    return {"time": time.time(), "event": event, **facts}
