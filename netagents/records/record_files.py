"""The table of record files and their models, and the one way in which a record is read: bounded, typed, one line where it is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from netagents.errors import RunDirectoryError, printable
from netagents.records.attack_models import AttackFacts, RobustnessFacts
from netagents.records.event_models import EVENTS, Event
from netagents.records.influence_study_models import AllocationFacts, BudgetFacts
from netagents.records.radii_models import RADII, RadiiFacts
from netagents.records.record_models import (
    AuditedRow,
    BankManifest,
    CheckpointManifest,
    EnvironmentFacts,
    InfluencePlan,
    LedgerRow,
    LogEntry,
    Manifest,
    MetricsRow,
    PowerRow,
    Record,
    RecordFile,
    RowRecord,
    StudyFacts,
    StudyResult,
    per_pair,
)
from netagents.records.regular_files import read_regular

Model = TypeVar("Model", bound=BaseModel)
Row = TypeVar("Row", bound=RowRecord)

DAMAGED = "the file was damaged after it was written"
EVENTS_BYTES = 1 << 26
"""Larger ``events.jsonl`` are not read: a million events."""

LOG_LINE_BYTES = 1 << 20
"""Longer lines of a log are cut."""

EXPERIMENT_BYTES = 1 << 27
"""Largest ``experiment.json``, which holds the graph edge by edge; its model is :class:`netagents.experiment.Experiment`."""

TOPOLOGY_BYTES = 1 << 27
"""Largest ``topology.json``; its model is that of :mod:`netagents.topology.topology_json`."""

RECORDS: dict[str, RecordFile] = {
    "manifest.json": RecordFile(Manifest, False, lambda _: 1 << 20),
    "environment.json": RecordFile(EnvironmentFacts, False, per_pair),
    "events.jsonl": RecordFile(Event, True, lambda n: per_pair(n) // 8 + (1 << 20)),
    "metrics.jsonl": RecordFile(MetricsRow, True, per_pair),
    "power.jsonl": RecordFile(PowerRow, True, per_pair),
    "audits.jsonl": RecordFile(AuditedRow, True, per_pair),
    "ledger.jsonl": RecordFile(LedgerRow, True, per_pair),
    "checkpoints/*/manifest.json": RecordFile(CheckpointManifest, False, lambda _: 1 << 26),
    "logs/*.jsonl": RecordFile(LogEntry, True, lambda _: LOG_LINE_BYTES),
    "influence/*/plan.json": RecordFile(InfluencePlan, False, lambda _: 1 << 22),
    RADII: RecordFile(RadiiFacts, False, per_pair),
    "bank.json": RecordFile(BankManifest, False, lambda _: 1 << 24),
    "study.json": RecordFile(StudyFacts, False, lambda _: 1 << 28),
    "study_result.json": RecordFile(StudyResult, False, lambda _: 1 << 28),
    "attack.json": RecordFile(AttackFacts, False, lambda _: 1 << 28),
    "robustness.json": RecordFile(RobustnessFacts, False, lambda _: 1 << 28),
    "budget.json": RecordFile(BudgetFacts, False, lambda _: 1 << 26),
    "allocation.json": RecordFile(AllocationFacts, False, lambda _: 1 << 28),
}
"""File of a run directory, of a study's or of a bank -> its model.

``experiment.json`` and ``topology.json`` have models of their own rooms.
"""


def read_record(path: Path, name: str, n: int = 1) -> dict[str, Any]:
    """A whole file of one record, as plain JSON values.

    Args:
        path: of the file.
        name: its key in :data:`RECORDS`.
        n: number of agents of the run.

    Raises:
        RunDirectoryError: it is missing, too large, no regular file, or not such a record; one line with file and key.
    """
    kind = RECORDS[name]
    data = read_regular(path, kind.bytes(n))
    checked(data, kind.model, n, str(path))
    values: dict[str, Any] = from_json(data, allow_inf_nan=False)
    return values


def checked(data: bytes, model: type[Model], n: int | None, where: str) -> Model:
    """A record as its model.

    Args:
        data: JSON.
        model: of it.
        n: number of agents, where it is known.
        where: file, or file and row, for the error.

    Raises:
        RunDirectoryError: it is not such a record.
    """
    try:
        return model.model_validate_json(data, strict=True, context=None if n is None else {"n": n})
    except ValidationError as error:
        raise RunDirectoryError(first_error(error), where=where, fix=DAMAGED) from None


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong with a record, as one printable line without what it holds."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # Besides keys, pydantic's place names the alternative of a union that it tried.
    place = printable(
        ".".join(str(part)[:60] for part in first["loc"] if not str(part).startswith(("constrained-", "literal[", "tuple[")))
    )[:200]
    what = "is not JSON" if first["type"] == "json_invalid" else printable(first["msg"].removeprefix("Value error, "))[:200]
    return f"{place}: {what}" if place else what


def row_parser(name: str, n: int) -> Callable[[bytes, str, int], dict[str, Any]]:
    """What turns lines of a file of iterations into rows; row k, from 0, must be that of iteration k.

    Args:
        name: key in :data:`RECORDS`.
        n: number of agents.

    Returns:
        A function of line, place for errors, and number of the row from 0.
    """
    model = RECORDS[name].model

    def parse(line: bytes, where: str, number: int) -> dict[str, Any]:
        row = checked(line, model, n, where)
        if isinstance(row, RowRecord) and row.iteration != number:
            raise RunDirectoryError(
                f"this row is of iteration {row.iteration}, not {number}: rows were lost", where=where, fix="restore the file"
            )
        # Arrays instead of lists take a tenth of the memory.
        return {field: getattr(row, field) for field in row.model_fields_set}

    return parse


def parse_event(line: bytes, where: str, n: int) -> dict[str, Any]:
    """An event as plain JSON values.

    Raises:
        RunDirectoryError: it is none.
    """
    kind = checked(line, Event, n, where)
    if kind.event in EVENTS:
        checked(line, EVENTS[kind.event], n, where)
    values: dict[str, Any] = from_json(line, allow_inf_nan=False)
    return values


def plain_object(line: bytes, where: str) -> dict[str, Any]:
    """Any JSON object, of bounded depth.

    Raises:
        RunDirectoryError: it is none.
    """
    try:
        return dict(Record.model_validate_json(line).model_extra or {})
    except ValidationError:
        raise RunDirectoryError("this line is not a JSON object", where=where, fix=DAMAGED) from None
