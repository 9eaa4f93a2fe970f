"""A study's tables on disk: Parquet for tools, one JSON file of facts; what the report is made from."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from typing import Any

from netagents.errors import RunDirectoryError
from netagents.records.checkpoint import TEMPORARY
from netagents.records.column_table import ColumnTable
from netagents.studies.study_directory import TABLES, StudyDirectory

FACTS = "facts.json"


def save_tables(directory: StudyDirectory, tables: Mapping[str, ColumnTable], facts: Mapping[str, Any]) -> None:
    """Replace ``tables/`` whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    from pyarrow import parquet

    final = directory.path / TABLES
    temporary = directory.path / f"{TEMPORARY}{TABLES}-{os.getpid()}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for name, table in tables.items():
            parquet.write_table(table.to_arrow(), temporary / f"{name}.parquet", compression="zstd")
        (temporary / FACTS).write_text(json.dumps(_plain(facts), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunDirectoryError(f"the tables cannot be written: {error.strerror}", where=str(final)) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(below) for below in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
