"""The writer of a run directory: one iteration, one row in each file, out of the process before the next one begins."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.learning import IterationRecord, Setup
from netagents.learning.price_watch import PriceWatch
from netagents.records import run_creation as layout
from netagents.records.audited_rows import AUDITS, audited_row
from netagents.records.checkpoint import TEMPORARY, checkpoints, load_checkpoint, write_checkpoint
from netagents.records.jsonl import JsonLinesWriter, json_floats, keep_rows_before
from netagents.records.packed_records import LedgerPages, PowerPages
from netagents.records.record_files import RECORDS
from netagents.records.run_directory import EndState, RunDirectory

_LOCK_SECONDS = 1.0


class Recorder:
    """Writes the records of a run; only one process does.

    What :meth:`iteration` was given survives kill -9 of this process, because each row is handed to the kernel at once.

    Args:
        directory: where.
        setup: for the facts that checkpoints must agree on.
        resume_from: the first iteration that will be recorded; records of it and of later ones are cut off.  None for a
            new run.
        keep_checkpoints: how many of the latest checkpoints stay (default: as the experiment says).

    Raises:
        RunDirectoryError: another process writes to this run, or a file cannot be written.
    """

    def __init__(
        self, directory: RunDirectory, setup: Setup, *, resume_from: int | None = None, keep_checkpoints: int | None = None
    ) -> None:
        self.directory = directory
        self._facts = {"run": directory.manifest["run"], "graph_digest": setup.topology.digest, "n": setup.n, "seed": setup.experiment.seed}
        self._keep = setup.experiment.checkpoints.keep if keep_checkpoints is None else keep_checkpoints
        self._events = JsonLinesWriter(directory.path / layout.EVENTS)
        self._writers: dict[str, JsonLinesWriter] = {}
        try:
            self._lock()
            if resume_from is None and (directory.path / layout.METRICS).stat().st_size > 0:
                raise RunDirectoryError("holds records already", where=str(directory.path), fix="resume it, or make a new run directory")
            for folder in (directory.path, directory.path / layout.CHECKPOINTS):
                for leftover in folder.glob(f"{TEMPORARY}*"):
                    shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
            for name in (layout.METRICS, layout.POWER, layout.LEDGER):
                # Opening cuts a torn last line, so that what is left can be parsed.
                self._writers[name] = JsonLinesWriter(directory.path / name)
                if resume_from is not None:
                    keep_rows_before(directory.path / name, resume_from, RECORDS[name].bytes(setup.n))
            if resume_from is not None:
                keep_rows_before(directory.path / AUDITS, resume_from, RECORDS[AUDITS].bytes(setup.n))
        except OSError as error:
            self._release()
            raise RunDirectoryError(f"cannot be written: {error.strerror}", where=str(directory.path)) from error
        except RunDirectoryError:
            self._release()
            raise
        self._ledger, self._power = LedgerPages(), PowerPages()
        self._prices = PriceWatch(setup)
        if resume_from and self._prices.metrics:
            self._recall_prices(resume_from)
        self._start = time.monotonic()
        self._ended = False
        self.event("started", pid=os.getpid(), first_iteration=resume_from or 0)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close what nobody closed: as failed when an exception passes through, as interrupted otherwise."""
        if not self._ended:
            state: EndState = "failed" if error is not None else "interrupted"
            self.close(state, line=str(error or ""), code=1 if error is not None else 0)

    def iteration(self, record: IterationRecord) -> None:
        """Write one iteration.  The row in ``metrics.jsonl`` comes last: with it the iteration counts as recorded."""
        timing = record.timing
        self._writers[layout.LEDGER].write(self._ledger.row(record.iteration, record.ledger))
        self._writers[layout.POWER].write(self._power.row(record.iteration, record.power))
        if record.audited is not None:
            if AUDITS not in self._writers:
                self._writers[AUDITS] = JsonLinesWriter(self.directory.path / AUDITS)
            self._writers[AUDITS].write(audited_row(record.iteration, record.audited))
        columns = np.ascontiguousarray(record.metrics.T)
        returns = json_floats(np.array([record.team_return, record.team_return_sd, record.discounted_return]))
        self._writers[layout.METRICS].write(
            {
                "iteration": record.iteration,
                "team_return": returns[0],
                "team_return_sd": returns[1],
                "discounted_return": returns[2],
                "agents": dict(zip(record.names, json_floats(columns), strict=True)),
                "seconds": round(time.monotonic() - self._start, 6),
                "timing": dict(zip(("compute", "wait", "serialise"), json_floats(np.ascontiguousarray(timing.T)), strict=True)),
            }
        )
        for notice in self._prices.add(record):
            self.event("power_warning", iteration=notice.iteration, term=notice.term, **notice.warning._asdict(), line=notice.line)

    def snapshot(self, iteration: int, arrays: Mapping[int, Mapping[str, NDArray[Any]]]) -> None:
        """Write a checkpoint of the state after ``iteration``; the oldest ones beyond ``keep_checkpoints`` go.

        Args:
            iteration: the last iteration that the state includes.
            arrays: per agent index (or ENVIRONMENT) every named array.
        """
        folder = self.directory.path / layout.CHECKPOINTS
        write_checkpoint(folder, iteration, arrays, self._facts)
        for old in list(checkpoints(folder).values())[: -self._keep]:
            # Renamed first, so that a checkpoint that is seen is whole even while it is being removed.
            aside = folder / f"{TEMPORARY}gone-{old.name}"
            old.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        self.event("checkpoint", iteration=iteration)

    def newest_state(self, agent: int) -> dict[str, NDArray[Any]] | None:
        """What an agent knew at the newest checkpoint; None when there is none."""
        saved = checkpoints(self.directory.path / layout.CHECKPOINTS)
        return load_checkpoint(saved[max(saved)], {agent})[agent] if saved else None

    def event(self, event: str, **facts: Any) -> None:
        """Write down that something happened in the life of the run."""
        self._events.write(layout.make_event(event, facts))

    def close(self, state: EndState, *, line: str = "", code: int = 0, role: str = "", tables: bool | None = None) -> None:
        """End the records.

        Args:
            state: how the run ended.
            line: what to tell the user about it.
            code: exit code.
            role: who failed.
            tables: write the Parquet tables (default: unless the run failed).
        """
        if self._ended:
            return
        self._ended = True
        for writer in self._writers.values():
            writer.close()
        if tables if tables is not None else state != "failed":
            from netagents.records.parquet import write_tables

            try:
                write_tables(self.directory)
            except (OSError, RunDirectoryError) as error:
                # The rows are all there; the tables are a copy for other tools and must not turn an ending into a failure.
                self.event("tables_failed", line=str(error))
        self.event(state, role=role, exit_code=code, line=line)
        self._release()

    def _recall_prices(self, recorded: int) -> None:
        """Show the watch of prices what was recorded before a resume."""
        from netagents.records.run_reader import Run

        run = Run(self.directory)
        metrics = {name: run.agent_metric(name)[:recorded] for name in self._prices.metrics}
        names = {
            (event["term"], event["name"]) for event in run.events if event["event"] == "power_warning" and event["iteration"] < recorded
        }
        self._prices.recall(run.discounted_returns[:recorded], metrics, names)

    def _lock(self) -> None:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._events.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                # Somebody who merely asks for the run's state holds the lock for microseconds; another writer keeps it.
                if time.monotonic() > until:
                    raise RunDirectoryError(
                        "this run is still going on in another process", where=str(self.directory.path), fix="wait for it, or stop it first"
                    ) from error
                time.sleep(0.01)
            except OSError:
                return  # a file system without locks

    def _release(self) -> None:
        self.directory.lock.release()
        for writer in self._writers.values():
            writer.close()
        self._events.close()
