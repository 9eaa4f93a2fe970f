"""Cells of a failure matrix: the rows of ``cells.jsonl``, each of which was played once and is used again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from netagents.errors import RunDirectoryError
from netagents.records.attack_models import Finite, Measured
from netagents.records.jsonl import JsonLinesReader
from netagents.records.record_files import checked
from netagents.records.record_models import Count, Record, Text, Word

LARGEST_FILE = 1 << 28
UNTRAINED = "untrained"
_PLAYED = ("clean", "failed", "loss", "fifth", "fifth_clean", "horizon")


class FailureCell(Record):
    """A row: what was played, or the ``reason`` why nothing can be, or the ``returns`` of untrained policies, one per agent."""

    run: Annotated[int, Field(ge=0, lt=1 << 31)]
    agent: Annotated[int, Field(ge=-1, lt=1 << 31)]
    kind: Word
    returns: Annotated[list[Finite], Field(fail_fast=True, max_length=1 << 20)] | None = None
    reason: Text | None = None
    clean: Measured | None = None
    failed: Measured | None = None
    loss: Measured | None = None
    fifth: Finite | None = None
    fifth_clean: Finite | None = None
    recovery: Count | None = None
    horizon: Count | None = None

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        played = [getattr(self, name) is not None for name in _PLAYED]
        whole = all(played) if any(played) else (self.returns is None) != (self.reason is None)
        if not whole or (self.kind == UNTRAINED) != (self.returns is not None):
            raise ValueError("no cell")
        return self


def read_cells(path: Path, kinds: Collection[str], sizes: Sequence[int]) -> dict[tuple[int, int, str], dict[str, Any]]:
    """Cells that were played before, by run, agent and kind; none where there is no file.

    Args:
        path: of the file.
        kinds: of failures that may stand there.
        sizes: number of agents of each run.

    Raises:
        RunDirectoryError: the file is damaged; names the line.
    """

    def parse(line: bytes, where: str, _number: int) -> dict[str, Any]:
        cell = checked(line, FailureCell, None, where)
        known = cell.run < len(sizes) and cell.agent < sizes[cell.run] and (cell.kind in kinds or cell.kind == UNTRAINED)
        if not known or (cell.agent < 0) != (cell.kind == UNTRAINED) or len(cell.returns or []) not in (0, sizes[cell.run]):
            raise RunDirectoryError("is no cell of these runs", where=where, fix="remove the file; its cells are played again")
        return {name: value for name, value in cell.model_dump().items() if value is not None or name in cell.model_fields_set}

    rows = JsonLinesReader(path, parse, longest=1 << 20, most=LARGEST_FILE).new_rows()
    return {(row["run"], row["agent"], row["kind"]): row for row in rows}
