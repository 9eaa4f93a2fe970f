"""A study's tables as the report reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.intervals import Interval
from netagents.records.column_table import ColumnTable
from netagents.records.record_files import read_record
from netagents.records.regular_files import open_regular, read_regular

FloatArray = NDArray[np.float64]

MOST_BYTES = 1 << 28
"""Of ``study.json`` and ``facts.json``."""

MOST_VALUES = 100_000_000
"""Of one table, all columns together."""


@dataclass(frozen=True)
class StudyData:
    """What a study left behind.

    Attributes:
        path: of the study.  study: its ``study.json``.  facts: single numbers.  tables: by name.
    """

    path: Path
    study: dict[str, Any]
    facts: dict[str, Any]
    tables: dict[str, ColumnTable]

    @property
    def credits(self) -> list[str]:
        """What is compared beside the radius, in order: the credits, or credits, informations and routings in one phrase."""
        return list(dict.fromkeys(self.summary[self._compared].tolist())) if self._compared in self.summary else [""]

    @property
    def _compared(self) -> str:
        return "variant" if "variant" in self.summary else "credit"

    @property
    def summary(self) -> ColumnTable:
        """One row per setting."""
        return self.tables["summary"]

    @property
    def kappas(self) -> list[int]:
        """The radii, ascending."""
        return sorted({int(kappa) for kappa in self.summary["kappa"].tolist()})

    @property
    def measure(self) -> str:
        """What is better, as people say it."""
        return {"return": "return per agent", "discounted_return": "discounted return per agent", "objective": "objective per agent"}[
            self.study["measure"]
        ]

    def by_kappa(self, column: str, credit: str) -> tuple[list[int], FloatArray, FloatArray, FloatArray]:
        """Radii, values and interval edges of one summary column."""
        table = self.summary
        rows = np.flatnonzero(table[self._compared] == credit)
        rows = rows[np.argsort(table["kappa"][rows])]
        edges = [np.asarray(table[name][rows], dtype=np.float64) for name in (column, f"{column}_low", f"{column}_high")]
        return [int(kappa) for kappa in table["kappa"][rows]], edges[0], edges[1], edges[2]

    def intervals(self, column: str, credit: str) -> tuple[list[int], list[Interval]]:
        """Radii, and what their seeds say about one summary column."""
        table = self.summary
        rows = np.flatnonzero(table[self._compared] == credit)
        rows = rows[np.argsort(table["kappa"][rows])]
        return [int(kappa) for kappa in table["kappa"][rows]], [self.interval(column, int(row)) for row in rows]

    def interval(self, column: str, row: int) -> Interval:
        """What the seeds of one setting say about one summary column."""
        table = self.summary
        value, low, high = (float(table[f"{column}{edge}"][row]) for edge in ("", "_low", "_high"))
        return Interval(value, low, high, int(table[f"{column}_n"][row]))

    def knee(self, credit: str) -> int | None:
        """The radius to use; None where the seeds do not tell."""
        kappa = self.facts["knees"][credit]["kappa"]
        return None if kappa is None else int(kappa)

    def curves(self, setting: str, column: str) -> tuple[FloatArray, FloatArray]:
        """``(K,)`` iterations and ``(seeds, K)`` values of one setting."""
        table = self.tables["curves"]
        rows = table["setting"] == setting
        seeds = np.unique(table["seed"][rows])
        values = [np.asarray(table[column][rows & (table["seed"] == seed)], dtype=np.float64) for seed in seeds]
        shortest = min(len(each) for each in values)
        return np.arange(1, shortest + 1, dtype=np.float64), np.stack([each[:shortest] for each in values])

    def setting(self, kappa: int, credit: str) -> str:
        """The label of a radius."""
        table = self.summary
        rows = np.flatnonzero((table[self._compared] == credit) & (table["kappa"] == kappa))
        return str(table["setting"][rows[0]])


def load_study(path: Path) -> StudyData:
    """Read a study's tables.

    Raises:
        RunDirectoryError: there are none.
    """
    try:
        read_record(path / "study.json", "study.json")
        study = json.loads(read_regular(path / "study.json", MOST_BYTES))
        facts = json.loads(read_regular(path / "tables" / "facts.json", MOST_BYTES))
        tables = {file.stem: _read_table(file) for file in sorted((path / "tables").glob("*.parquet"))}
        if not isinstance(facts, dict):
            raise ValueError("facts.json holds no facts")
    except (OSError, ValueError, RecursionError, RunDirectoryError) as error:
        raise RunDirectoryError("has no tables of a study", where=str(path), fix="carry the study out with `netagents study`") from error
    if "summary" in tables and "final_n" not in tables["summary"]:
        raise RunDirectoryError("its tables are of an older version", where=str(path), fix="the same study command writes them again")
    if "summary" not in tables:
        raise RunDirectoryError("no run of this study is finished", where=str(path), fix="the same study command goes on")
    return StudyData(path, study, facts, tables)


def _read_table(file: Path) -> ColumnTable:
    """A table whose columns are plain numbers and texts, of a bounded number of values.

    Raises:
        ValueError: it is none.
    """
    from pyarrow import ArrowException, parquet

    try:
        with open_regular(file) as opened:
            held = parquet.ParquetFile(opened)
            # A column that repeats one value takes no space in the file.
            if held.metadata.num_rows * held.metadata.num_columns > MOST_VALUES:
                raise ValueError(f"{file.name} holds more than {MOST_VALUES} values")
            read = held.read(use_threads=False)  # small: a pool of threads costs more than it saves
        return ColumnTable({name: read[name].to_numpy(zero_copy_only=False) for name in read.column_names})
    except ArrowException as error:
        raise ValueError(f"{file.name} is no table") from error
