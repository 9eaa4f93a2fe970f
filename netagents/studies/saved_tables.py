"""A study's tables on disk: Parquet for tools, one JSON file of facts; what the report is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from netagents.records.atomic_files import replacing_folder
from netagents.records.column_table import ColumnTable
from netagents.records.parquet import write_parquet
from netagents.studies.study_directory import TABLES, StudyDirectory

FACTS = "facts.json"


def save_tables(directory: StudyDirectory, tables: Mapping[str, ColumnTable], facts: Mapping[str, Any]) -> None:
    """Replace ``tables/`` whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    with replacing_folder(directory.path / TABLES, "the tables") as folder:
        write_parquet(folder, tables)
        (folder / FACTS).write_text(json.dumps(_plain(facts), indent=1, allow_nan=False) + "\n", encoding="utf-8")


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
