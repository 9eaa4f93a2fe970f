"""Folder of a plan in a run directory: what is measured of a run is kept under the digest of the plan that says how."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from netagents.errors import RunDirectoryError
from netagents.records.atomic_files import write_atomically
from netagents.records.record_files import Model, checked
from netagents.records.record_models import Record
from netagents.records.regular_files import check_real_folder, read_regular

PLAN = "plan.json"
LARGEST_PLAN = 1 << 16
"""Bytes."""


def plan_folder(run: Path, measure: str, plan: Record) -> Path:
    """The folder of a plan, with its file :data:`PLAN`, made where there is none; the same plan has the same folder.

    Args:
        run: the run directory.
        measure: name of the folder in it that holds all plans of this measure.
        plan: complete; another value anywhere is another folder.

    Raises:
        RunDirectoryError: it cannot be made, or something else stands there.
    """
    text = json.dumps(plan.model_dump(), sort_keys=True)
    path = run / measure / hashlib.sha256(text.encode()).hexdigest()[:12]
    for folder in (path.parent, path):
        check_real_folder(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(f"cannot be made: {error.strerror}", where=str(path), fix="the run directory must be writable") from error
    write_atomically(path / PLAN, (text + "\n").encode())
    return path


def plans_of(run: Path, measure: str, model: type[Model]) -> list[tuple[Path, Model]]:
    """The folders of all plans of a measure, in the order of their names, each with its plan.

    Args:
        run: the run directory.
        measure: see :func:`plan_folder`.
        model: of its plans.

    Raises:
        RunDirectoryError: a plan is damaged or no regular file.
    """
    folders = sorted(path.parent for path in (run / measure).glob(f"*/{PLAN}"))
    return [(folder, checked(read_regular(folder / PLAN, LARGEST_PLAN), model, None, str(folder / PLAN))) for folder in folders]
