"""The run directory: manifest, metrics, power, message ledger, checkpoints and logs, written and read back."""

from netagents.records.checkpoint import load_checkpoint, write_checkpoint
from netagents.records.compare import same_bits
from netagents.records.ledger_view import LedgerView, Traffic
from netagents.records.logging import Log, failure_of, open_log, read_log, tail
from netagents.records.reader import Run, is_run, runs
from netagents.records.recorder import Recorder
from netagents.records.run_directory import EndState, RunDirectory, State, run_directories
from netagents.records.table import Table
from netagents.records.whole_files import write_atomically

__all__ = [
    "EndState",
    "LedgerView",
    "Log",
    "Recorder",
    "Run",
    "RunDirectory",
    "State",
    "Table",
    "Traffic",
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
