"""Files of scenarios and their influence: CSV that people write or a study has written."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import NamedTuple

from netagents.errors import ExperimentError, RunDirectoryError
from netagents.records.regular_files import read_regular

_MOST_BYTES = 1 << 22
_COLUMNS = ("scenario", "influence")


class ScenarioInfluence(NamedTuple):
    """One scenario: its influence, and its 95 % interval where it is known."""

    name: str
    influence: float
    low: float | None
    high: float | None


def read_scenarios(path: Path) -> list[ScenarioInfluence]:
    """The scenarios of a CSV file with the columns scenario and influence, and possibly low and high.

    Raises:
        RunDirectoryError: the file cannot be read.
        ExperimentError: a column is missing, a value is no number, or a scenario comes twice; names the line.
    """
    try:
        if path.is_dir():
            raise RunDirectoryError("is a folder", where=str(path), fix="name the CSV file in it")
        # A person's own file, which may be a link.
        text = read_regular(Path(os.path.realpath(path)), _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RunDirectoryError("is not UTF-8 text", where=str(path)) from error
    try:
        return _scenarios(csv.DictReader(text.splitlines()), path)
    except csv.Error as error:
        raise ExperimentError(f"is not CSV: {error}", where=str(path), fix="write a line for each scenario") from error


def _scenarios(rows: csv.DictReader[str], path: Path) -> list[ScenarioInfluence]:
    missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise ExperimentError(f"has no column {missing[0]}", where=f"{path}:1", fix="write a header: scenario,influence,low,high")
    scenarios: dict[str, ScenarioInfluence] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}:{number}"
        name = (row["scenario"] or "").strip()
        if not name or name in scenarios:
            raise ExperimentError(
                f"scenario '{name[:200]}' comes twice" if name else "a scenario without a name", where=where, fix="name each once"
            )
        influence = _number(row["influence"], "influence", where)
        low, high = (_number(row[key], key, where) if row.get(key) else None for key in ("low", "high"))
        if low is not None and high is not None and low > high:
            raise ExperimentError(f"low {low:g} is above high {high:g}", where=where, fix="write the lower end first")
        scenarios[name] = ScenarioInfluence(name, influence, low, high)
    if not scenarios:
        raise ExperimentError("has no scenario", where=str(path), fix="write a line for each")
    return list(scenarios.values())


def _number(text: str | None, column: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ExperimentError(f"{column} '{(text or '')[:200]}' is no number", where=where, fix="write a finite number")
    return value
