"""Opens the run directory of a run that ended, so that it goes on from its newest checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.environments.specification_json import check_same_environment
from netagents.errors import ExperimentError, RunDirectoryError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.load import resolved
from netagents.experiment.named_code import named_code, refuse_named_code
from netagents.experiment.origins import leaves
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.records.audited_rows import AUDITS
from netagents.records.checkpoint import checkpoints
from netagents.records.jsonl import recorded_iterations
from netagents.records.record_files import RECORDS
from netagents.records.recorder import Recorder
from netagents.records.regular_files import check_real_folder, check_regular
from netagents.records.run_creation import (
    CHECKPOINTS,
    ENVIRONMENT_FACTS,
    EVENTS,
    EXPERIMENT,
    LEDGER,
    LOGS,
    METRICS,
    POWER,
    REPLAY,
    TABLES,
    TOPOLOGY,
)
from netagents.records.run_directory import RunDirectory
from netagents.topology import build_topology

_INBOX = "inbox"

CHANGEABLE = ("learning.iterations", "runtime", "timeouts", "checkpoints", "power.audit")
"""Settings that a resume may change, because no bit of what is learned depends on them."""


def reopen(directory: RunDirectory, overrides: Sequence[str] = (), settings: Mapping[str, Any] | None = None) -> tuple[Prepared, int]:
    """Check that a run can go on, and write down that it does, and with which settings.

    Args:
        directory: of the run.
        overrides: words such as ``learning.iterations=200``; only settings that leave the bits as they are.
        settings: the same as a mapping.

    Returns:
        What its settings describe, and the iteration to go on with: the one after the newest checkpoint, 0 if there is none.  Where it
        is the number of all iterations, only the end is missing: see :func:`complete`.  The directory's lock is held from here on.

    Raises:
        RunDirectoryError: it still goes on, has nothing left to do, its settings give another graph, or something else than a file
            stands where the run would write.
        SecurityError: its settings name code, or folders to write to, and nobody said that they may.
        ExperimentError: a change would make it another run.
    """
    directory.lock.take()
    try:
        return _reopen(directory, overrides, settings)
    except BaseException:
        directory.lock.release()
        raise


def _reopen(directory: RunDirectory, overrides: Sequence[str], settings: Mapping[str, Any] | None) -> tuple[Prepared, int]:
    recorded = directory.experiment()
    loaded = [load_experiment(recorded, list(overrides))]
    if settings:
        loaded.append(load_experiment(loaded[0].experiment, settings))
    changed = loaded[-1].experiment
    if directory.has_writer():
        raise RunDirectoryError("this run still goes on", where=str(directory.path), fix="wait for it, or stop it first")
    # What an override names was named by the person who wrote it, be it the same.
    written = {path for each in loaded for path, origin in each.origins.items() if origin.source == "override"}
    recorded_names = set(named_code(recorded, running=True))
    named = [each for each in named_code(changed, running=True) if each in recorded_names and tuple(each.key.split(".")) not in written]
    refuse_named_code(named, directory.trust, str(directory.path))
    check_regular(_written(directory))
    first = begin_with(directory, recorded, changed)
    if build_topology(changed.topology, None, changed.seed).digest != directory.manifest["graph_digest"]:
        raise RunDirectoryError("its settings give another graph than it was made with", where=str(directory.path))
    prepared = prepare(changed)
    if prepared.topology.digest != directory.manifest["graph_digest"]:
        raise RunDirectoryError("its settings give another graph than it was made with", where=str(directory.path))
    check_same_environment(directory.setup().spec, prepared.setup.spec, str(directory.path))
    if changed != recorded:
        directory.rewrite_experiment(prepared.setup)
    directory.append_event("resumed", first_iteration=first, changes=[name for name, _ in changes(recorded, changed)])
    return prepared, first


def _written(directory: RunDirectory) -> Iterator[Path]:
    """Every file that a run writes to.

    Raises:
        RunDirectoryError: one of its folders is none.
    """
    audits = (AUDITS,) if os.path.lexists(directory.path / AUDITS) else ()
    for name in (EXPERIMENT, TOPOLOGY, ENVIRONMENT_FACTS, EVENTS, METRICS, POWER, LEDGER, *audits):
        yield directory.path / name
    for name in (CHECKPOINTS, LOGS, TABLES, REPLAY, _INBOX):
        folder = directory.path / name
        check_real_folder(folder)
        if name == LOGS and folder.is_dir():
            yield from folder.iterdir()


def begin_with(directory: RunDirectory, recorded: Experiment, changed: Experiment) -> int:
    """The iteration to go on with: the one after the newest checkpoint, 0 if there is none.

    Raises:
        ExperimentError: a setting was changed that bits depend on, or the run would become shorter than it is.
        RunDirectoryError: nothing is left to do, or the records are damaged.
    """
    for name, text in changes(recorded, changed):
        if not any(name == allowed or name.startswith(f"{allowed}.") for allowed in CHANGEABLE):
            raise ExperimentError(
                f"{text}: a resumed run may not change what is learned",
                where=str(directory.path),
                fix=f"make a new run, or change only {', '.join(CHANGEABLE)}",
            )
    first = next_iteration(directory)
    rows = min(_recorded(directory, name, first) for name in (LEDGER, POWER, METRICS))
    total = changed.learning.iterations
    if total < max(rows, first):
        raise ExperimentError(
            f"learning.iterations {total} is less than the {max(rows, first)} that are recorded",
            where=str(directory.path),
            fix="a run can be lengthened, not shortened",
        )
    if first >= total and directory.ending()[0] == "finished":
        raise RunDirectoryError(
            f"has finished its {total} iterations", where=str(directory.path), fix=f"lengthen it with learning.iterations={2 * total}"
        )
    return first


def complete(directory: RunDirectory, prepared: Prepared) -> None:
    """End the records of a run that holds all its iterations, and that something ended before it could write that it had finished."""
    with Recorder(directory, prepared.setup, resume_from=prepared.experiment.learning.iterations) as recorder:
        recorder.close("finished")


def next_iteration(directory: RunDirectory) -> int:
    """The iteration after the newest checkpoint; 0 if there is none."""
    return max(checkpoints(directory.path / CHECKPOINTS), default=-1) + 1


def _recorded(directory: RunDirectory, name: str, first: int) -> int:
    """How many iterations a file of rows holds: all from 0 on, and all that the newest checkpoint has behind it."""
    path = directory.path / name
    iterations = recorded_iterations(path, RECORDS[name].bytes(directory.manifest["n"]))
    for expected, iteration in enumerate(iterations):
        if iteration != expected:
            raise RunDirectoryError(
                f"this row is of iteration {iteration}, not {expected}: rows were lost",
                where=f"{path}:{expected + 1}",
                fix="restore the file",
            )
    if len(iterations) < first:
        raise RunDirectoryError(
            f"holds {len(iterations)} iterations, but the newest checkpoint is that after iteration {first - 1}: rows were lost",
            where=str(path),
            fix="restore the file, or remove the newer checkpoints to go on from an older one",
        )
    return len(iterations)


def changes(old: Experiment, new: Experiment) -> list[tuple[str, str]]:
    """The settings that differ: dotted name, and both values in words."""
    before, after = ({".".join(map(str, path)): value for path, value in leaves(resolved(each))} for each in (old, new))
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return [(name, f"{name} is {json.dumps(before.get(name))}, not {json.dumps(after.get(name))}") for name in names]
