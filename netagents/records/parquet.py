"""The records as Parquet tables, for the tools that read those; written once, when the run ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from netagents.measures.power import PowerReading
from netagents.records import run_creation as layout
from netagents.records.atomic_files import replacing_folder
from netagents.records.audited_rows import audited_table
from netagents.records.column_table import ColumnTable
from netagents.records.ledger_view import kind_name
from netagents.records.run_directory import RunDirectory
from netagents.records.run_reader import Run


def write_tables(directory: RunDirectory) -> Path:
    """Write ``tables/`` whole or not at all: returns, metrics, power, traffic and links, each a ``.parquet``; with relay, carried too,
    link_costs where links had models, and audited where the run audited itself.

    Raises:
        RunDirectoryError: they cannot be written.
    """
    run = Run(directory)
    final = directory.path / layout.TABLES
    tables = {
        "returns": run.curve,
        "metrics": run.metrics,
        "power": power_table(run),
        **({"audited": audited_table(run.audited_power)} if run.audited_power else {}),
        "traffic": traffic_table(run),
        "links": run.ledger.table(),
        **({"link_costs": run.link_costs} if run.link_costs.rows else {}),
        **({"carried": run.carried.table()} if run.experiment.routing == "relay" else {}),
    }
    with replacing_folder(final, "the tables") as folder:
        write_parquet(folder, tables)
    return final


def write_parquet(folder: Path, tables: Mapping[str, ColumnTable]) -> None:
    """One file ``NAME.parquet`` per table in a folder that nobody sees yet."""
    from pyarrow import parquet

    for name, table in tables.items():
        # An open file, because the library takes paths for UTF-8 whatever the locale is.
        with (folder / f"{name}.parquet").open("wb") as file:
            parquet.write_table(table.to_arrow(), file, compression="zstd")


def power_table(run: Run) -> ColumnTable:
    """One row per iteration and pair: iteration, holder, over, power (NaN where unknown), error, known, visits, age."""
    readings = run.power_readings()
    iterations = np.repeat(run.iterations[: len(readings)], [len(reading) for reading in readings])
    stacked = np.concatenate(readings) if readings else np.zeros((0, 7))
    holder, over = stacked[:, 0].astype(np.int64), stacked[:, 1].astype(np.int64)
    measured = {name: stacked[:, at] for at, name in enumerate(PowerReading._fields, start=2)}
    return ColumnTable({"iteration": iterations, "holder": holder, "over": over, **measured})


def traffic_table(run: Run) -> ColumnTable:
    """One row per iteration, kind and hop distance: iteration, kind, hop, messages, bytes."""
    ledger = run.ledger
    pairs = sorted(set(map(tuple, ledger.links[:, [1, 3]].tolist())))
    counted = [ledger.over_time(kind, hop) for kind, hop in pairs]
    stacked = np.concatenate(counted) if counted else np.zeros((0, 2), dtype=np.int64)
    return ColumnTable(
        {
            "iteration": np.tile(run.iterations, len(pairs)),
            "kind": np.repeat(np.array([kind_name(kind) for kind, _ in pairs], dtype=np.str_), ledger.iterations),
            "hop": np.repeat(np.array([hop for _, hop in pairs], dtype=np.int64), ledger.iterations),
            "messages": stacked[:, 0],
            "bytes": stacked[:, 1],
        }
    )
