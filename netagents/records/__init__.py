"""The run directory: manifest, metrics, power, message ledger, checkpoints and logs, written and read back."""

from netagents.records.atomic_files import write_atomically
from netagents.records.checkpoint import load_checkpoint, write_checkpoint
from netagents.records.column_table import ColumnTable
from netagents.records.ledger_view import LedgerTraffic, LedgerView
from netagents.records.process_log import Log, failure_of, open_log, read_log, tail
from netagents.records.recorder import Recorder
from netagents.records.run_directory import EndState, RunDirectory, State, run_directories
from netagents.records.run_reader import Run, is_run, runs
from netagents.records.same_bits import same_bits

__all__ = [
    "ColumnTable",
    "EndState",
    "LedgerTraffic",
    "LedgerView",
    "Log",
    "Recorder",
    "Run",
    "RunDirectory",
    "State",
    "failure_of",
    "is_run",
    "load_checkpoint",
    "open_log",
    "read_log",
    "run_directories",
    "runs",
    "same_bits",
    "tail",
    "write_atomically",
    "write_checkpoint",
]
