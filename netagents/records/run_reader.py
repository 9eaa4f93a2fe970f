"""A run, read back: returns, metrics, power, messages, parameters and policies, also while it still goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NetagentsError, RunDirectoryError
from netagents.experiment import Experiment
from netagents.experiment.named_code import Trust
from netagents.learning import Setup
from netagents.learning.power_facts import PowerFacts, power_facts
from netagents.learning.protocol.agent_metrics import DESCRIPTIONS
from netagents.measures.power import Concentration, PowerMatrix, concentration
from netagents.measures.power.branched_power import BranchedPower
from netagents.policies import Policy, TabularPolicy
from netagents.records import run_creation as layout
from netagents.records.audited_rows import AUDITS, audited_iterations, audited_parser
from netagents.records.checkpoint import checkpoints, load_checkpoint
from netagents.records.column_table import ColumnTable
from netagents.records.jsonl import JsonLinesReader, JsonLinesRows
from netagents.records.ledger_view import LedgerView
from netagents.records.metric_rows import column, curve_table, iterations_of, metric_names, metrics_table, per_agent
from netagents.records.packed_records import each_reading, ledger_changes
from netagents.records.power_readings import mean_reading, stacked_power
from netagents.records.radii_models import RADII, RadiiFacts
from netagents.records.record_files import RECORDS, read_record, row_parser
from netagents.records.recorded_link_costs import link_costs
from netagents.records.relay_view import RelayView
from netagents.records.run_directory import RunDirectory, State, run_directories
from netagents.records.trained_policies import as_tables, find_checkpoint, load_policies
from netagents.topology import Topology

FloatArray = NDArray[np.float64]


class Run:
    """The records of one run.  Every property reads what has been written by then; :meth:`refresh` is never needed.

    Args:
        directory: the run directory.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self._metrics, self._power, self._ledger = (self._rows(name) for name in (layout.METRICS, layout.POWER, layout.LEDGER))
        self._audits = JsonLinesRows(JsonLinesReader(self.path / AUDITS, audited_parser(self.n), RECORDS[AUDITS].bytes(self.n)))

    def _rows(self, name: str) -> JsonLinesRows:
        n = self.n
        return JsonLinesRows(JsonLinesReader(self.path / name, row_parser(name, n), RECORDS[name].bytes(n)))

    @classmethod
    def open(cls, path: Path | str, trust: Trust = False) -> Run:
        """Open a run directory.

        Args:
            path: of the run.
            trust: whether code that its settings name may run, where policies or an environment are built; or a set of what may.

        Raises:
            RunDirectoryError: there is none, it is no run, or another format version wrote it.
        """
        return cls(RunDirectory.open(Path(path), trust))

    def as_of_now(self) -> Run:
        """The same run with the iterations that are recorded by now, for those who look several times and need one answer."""
        still = Run(self.directory)
        # Metrics first: what the other files hold of an iteration is written before its row of metrics.
        for rows in (still._metrics, still._power, still._ledger, still._audits):
            rows.hold()
        return still

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.state}, {len(self.returns)} iterations)"

    # -- what it was -----------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Format version, run id, versions, platform, processor, seed and graph digest."""
        return self.directory.manifest

    @property
    def state(self) -> State:
        """created, running, finished, interrupted, failed, or killed."""
        return self.directory.state

    @property
    def ending(self) -> dict[str, Any]:
        """The event that ended the run, with ``role``, ``exit_code`` and ``line``; empty while it goes on or when it was killed."""
        return self.directory.ending()[1]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The life of the run."""
        return self.directory.events()

    @cached_property
    def setup(self) -> Setup:
        """Settings, graph, environment facts and neighbourhoods."""
        return self.directory.setup()

    @property
    def experiment(self) -> Experiment:
        """The resolved settings."""
        return self.setup.experiment

    @property
    def topology(self) -> Topology:
        """The graph."""
        return self.setup.topology

    @cached_property
    def distances(self) -> FloatArray:
        """(n, n) hops between agents."""
        return np.array(self.topology.hops.matrix(), dtype=np.float64)

    @property
    def n(self) -> int:
        """Number of agents."""
        return int(self.manifest["n"])

    @property
    def chosen_radii(self) -> RadiiFacts | None:
        """The radii that a calibration chose, and why; None where the experiment set them.

        Raises:
            RunDirectoryError: the file is damaged.
        """
        file = self.path / RADII
        return RadiiFacts.model_validate(read_record(file, RADII, self.n)) if file.exists() else None

    # -- returns and metrics ---------------------------------------------------------------------------------------------

    @property
    def iterations(self) -> NDArray[np.int64]:
        """(K,) the recorded iterations."""
        return iterations_of(self._metrics.all())

    @property
    def returns(self) -> FloatArray:
        """(K,) mean over copies and agents of the undiscounted sum of rewards."""
        return column(self._metrics.all(), "team_return")

    @property
    def returns_sd(self) -> FloatArray:
        """(K,) standard deviation over the copies of the mean over agents."""
        return column(self._metrics.all(), "team_return_sd")

    @property
    def discounted_returns(self) -> FloatArray:
        """(K,) mean over copies and agents of the discounted sum of rewards."""
        return column(self._metrics.all(), "discounted_return")

    @property
    def seconds(self) -> FloatArray:
        """(K,) wall time at which each iteration was recorded, since this writer began."""
        return column(self._metrics.all(), "seconds")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that its agents report: what is recorded, and before the first iteration what will be."""
        return metric_names(self._metrics.all()) or self.setup.metric_names

    def agent_metric(self, name: str) -> FloatArray:
        """(K, n) one of :attr:`metric_names`, per iteration and agent; NaN where it is one of netagents' own that this run has not.

        Raises:
            RunDirectoryError: there is no such metric.
        """
        if name not in DESCRIPTIONS and name not in self.metric_names:
            raise RunDirectoryError(
                f"no metric is called '{name}'", where=str(self.path), fix=f"choose one of {', '.join(self.metric_names)}"
            )
        return per_agent(self._metrics.all(), "agents", name, self.n)

    def agent_timing(self, name: str) -> FloatArray:
        """(K, n) seconds of ``compute``, ``wait`` or ``serialise``; zeros where the launcher does not measure."""
        return per_agent(self._metrics.all(), "timing", name, self.n)

    @property
    def metrics(self) -> ColumnTable:
        """One row per iteration and agent: iteration, agent, every metric, and the timing."""
        return metrics_table(self._metrics.all(), self.n)

    @property
    def curve(self) -> ColumnTable:
        """One row per iteration: iteration, team_return, team_return_sd, discounted_return, seconds."""
        return curve_table(self._metrics.all())

    # -- power -----------------------------------------------------------------------------------------------------------

    def power_readings(self, last: int | None = None) -> list[FloatArray]:
        """Per iteration an (r, 7) array: j, i, power of j over i, its error, share of known visits, effective visits, age.

        Args:
            last: only so many of the last recorded iterations (default: all).
        """
        return list(self.each_power_reading(last))

    def each_power_reading(self, last: int | None = None) -> Iterator[FloatArray]:
        """The same, one at a time: a long run of many agents need not fit into memory at once."""
        rows = self._power.all()[: len(self._metrics.all())]
        yield from each_reading(rows, self.path / layout.POWER, 0 if last is None else max(0, len(rows) - last))

    @property
    def power(self) -> FloatArray:
        """(K, n, n) power of j (second axis) over i (third axis) in each iteration, NaN where unknown or out of reach.

        Raises:
            CapacityError: it would take more than :data:`netagents.records.power_readings.LARGEST_POWER_BYTES`.
        """
        return stacked_power(self.each_power_reading(), len(self._metrics.all()), self.n, self.path)

    def power_matrix(self, iteration: int = -1, last: int = 1) -> PowerMatrix:
        """Power of j (row) over i (column).

        Args:
            iteration: counted as in a list of the recorded iterations; -1 is the newest.
            last: average over so many iterations that end there: each entry over those in which it was known, its known
                share over all of them.

        Raises:
            RunDirectoryError: that iteration is not recorded.
        """
        recorded = len(self._metrics.all())
        end = iteration + recorded if iteration < 0 else iteration
        if not 0 <= end < recorded or last < 1:
            raise RunDirectoryError(f"iteration {iteration} is not among the {recorded} recorded ones", where=str(self.path))
        first = max(0, end + 1 - last)
        return self.matrix_of(mean_reading(self.power_readings(recorded - first)[: end + 1 - first], self.n))

    def concentration(self, iteration: int = -1, last: int = 1) -> Concentration:
        """Concentration of the power held, over the entries that count (:func:`netagents.measures.power.held_entries`)."""
        return concentration(self.power_matrix(iteration, last))

    def matrix_of(self, reading: FloatArray) -> PowerMatrix:
        """The power matrix of an (r, 7) reading, with what is known of distances and influence."""
        return self.power_facts.matrix_of_reading(reading)

    @property
    def audited_power(self) -> dict[int, BranchedPower]:
        """Iteration -> true power of the policies of that iteration, by branching, where the run audited itself (``power.audit``).

        Everything else here that is called power is what agents estimated.
        """
        return audited_iterations(self._audits.all(), len(self._metrics.all()), str(self.path / AUDITS))

    @cached_property
    def power_facts(self) -> PowerFacts:
        """Distances, how far power can be trusted, and who cannot influence whom; the same that the monitor has."""
        return power_facts(self.setup)

    # -- messages --------------------------------------------------------------------------------------------------------

    @property
    def ledger(self) -> LedgerView:
        """Messages and payload bytes by kind, hop and link."""
        recorded = len(self._metrics.all())
        return LedgerView(ledger_changes(self._ledger.all()[:recorded]), recorded)

    @property
    def carried(self) -> RelayView:
        """What crossed each link between neighbours, message by message and hop by hop; what would have, with direct routing."""
        return RelayView(self.setup, self.ledger)

    @property
    def link_costs(self) -> ColumnTable:
        """What models of bad links cost: transmissions, losses and repeats of each directed link; no rows without such models."""
        return link_costs(self.events)

    # -- parameters ------------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> dict[int, Path]:
        """The complete checkpoints by the last iteration they include."""
        return checkpoints(self.path / layout.CHECKPOINTS)

    def parameters(self, agent: int, iteration: int | None = None) -> dict[str, NDArray[Any]]:
        """Every named array of one agent, verified.

        Args:
            agent: index; ENVIRONMENT (-1) for the environment server's.
            iteration: of the checkpoint (default: the newest).

        Raises:
            RunDirectoryError: there is no such checkpoint, or it is damaged.
        """
        return load_checkpoint(find_checkpoint(self.directory, iteration), {agent})[agent]

    def policies(self, iteration: int | None = None) -> list[Policy]:
        """The trained policies in agent order, ready to act: ``policy.act(policy.context(states), noise)``.

        Raises:
            RunDirectoryError: there is no such checkpoint, or it is damaged or does not fit the settings.
            SecurityError: the settings name code, and the run was opened without trust.
        """
        self.directory.require_trust()
        return load_policies(find_checkpoint(self.directory, iteration), self.setup)

    def tables(self, iteration: int | None = None) -> list[TabularPolicy]:
        """The trained policies of a run whose policies are tables.

        Raises:
            EnvironmentMismatchError: they are networks, which exact methods cannot enumerate.
            RunDirectoryError: as :meth:`policies`.
        """
        return as_tables(self.policies(iteration), self.path)


def runs(parent: Path) -> list[Run]:
    """The readable runs in a folder, oldest first."""
    return [Run(directory) for directory in run_directories(parent)]


def is_run(path: Path) -> bool:
    """Whether ``path`` is a run directory that this version reads."""
    try:
        RunDirectory.open(path)
    except NetagentsError:
        return False
    return True
