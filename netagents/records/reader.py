"""A run, read back: returns, metrics, power, messages, parameters and policies, also while it still goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError, EnvironmentMismatchError, NetagentsError, RunDirectoryError
from netagents.experiment import Experiment
from netagents.learning import METRICS, Setup
from netagents.learning.power_facts import PowerFacts, power_facts
from netagents.policies import Policy, TabularPolicy
from netagents.power import Concentration, PowerMatrix, concentration
from netagents.records import run_directory as layout
from netagents.records.carried import CarriedView
from netagents.records.checkpoint import checkpoints, load_checkpoint
from netagents.records.jsonl import JsonLinesReader, floats_from_json
from netagents.records.ledger_view import LedgerView
from netagents.records.link_costs import link_costs
from netagents.records.pages import ledger_changes, unpack_power
from netagents.records.run_directory import RunDirectory, State
from netagents.records.table import Table
from netagents.topology import Topology

FloatArray = NDArray[np.float64]
TIMING = ("compute", "wait", "serialise")
LARGEST_POWER_BYTES = 2 << 30


class Run:
    """The records of one run.  Every property reads what has been written by then; :meth:`refresh` is never needed.

    Args:
        directory: the run directory.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self._metrics = _Rows(directory.path / layout.METRICS, _as_arrays)
        self._power = _Rows(directory.path / layout.POWER)
        self._ledger = _Rows(directory.path / layout.LEDGER)

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open a run directory.

        Raises:
            RunDirectoryError: there is none, it is no run, or another format version wrote it.
        """
        return cls(RunDirectory.open(Path(path)))

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

    # -- returns and metrics ---------------------------------------------------------------------------------------------

    @property
    def iterations(self) -> NDArray[np.int64]:
        """(K,) the recorded iterations."""
        return np.array([row["iteration"] for row in self._metrics.all()], dtype=np.int64)

    @property
    def returns(self) -> FloatArray:
        """(K,) mean over copies and agents of the undiscounted sum of rewards."""
        return self._column("team_return")

    @property
    def returns_sd(self) -> FloatArray:
        """(K,) standard deviation over the copies of the mean over agents."""
        return self._column("team_return_sd")

    @property
    def discounted_returns(self) -> FloatArray:
        """(K,) mean over copies and agents of the discounted sum of rewards."""
        return self._column("discounted_return")

    @property
    def seconds(self) -> FloatArray:
        """(K,) wall time at which each iteration was recorded, since this writer began."""
        return self._column("seconds")

    def agent_metric(self, name: str) -> FloatArray:
        """(K, n) one of :data:`netagents.learning.METRICS`, per iteration and agent.

        Raises:
            RunDirectoryError: there is no such metric.
        """
        if name not in METRICS:
            raise RunDirectoryError(f"no metric is called '{name}'", where=str(self.path), fix=f"choose one of {', '.join(METRICS)}")
        return self._agents("agents", name)

    def agent_timing(self, name: str) -> FloatArray:
        """(K, n) seconds of ``compute``, ``wait`` or ``serialise``; zeros where the launcher does not measure."""
        return self._agents("timing", name)

    @property
    def metrics(self) -> Table:
        """One row per iteration and agent: iteration, agent, every metric, and the timing."""
        iterations = self.iterations
        columns: dict[str, NDArray[Any]] = {
            "iteration": np.repeat(iterations, self.n),
            "agent": np.tile(np.arange(self.n, dtype=np.int64), len(iterations)),
        }
        columns |= {name: self._agents("agents", name)[: len(iterations)].reshape(-1) for name in METRICS}
        columns |= {f"{name}_seconds": self._agents("timing", name)[: len(iterations)].reshape(-1) for name in TIMING}
        return Table(columns)

    @property
    def curve(self) -> Table:
        """One row per iteration: iteration, team_return, team_return_sd, discounted_return, seconds."""
        rows = self._metrics.all()
        names = ("team_return", "team_return_sd", "discounted_return", "seconds")
        columns: dict[str, NDArray[Any]] = {"iteration": np.array([row["iteration"] for row in rows], dtype=np.int64)}
        return Table(columns | {name: floats_from_json([row[name] for row in rows]) for name in names})

    # -- power -----------------------------------------------------------------------------------------------------------

    def power_readings(self, last: int | None = None) -> list[FloatArray]:
        """Per iteration an (r, 5) array: j, i, power of j over i, share of known entries, age.

        Args:
            last: only so many of the last recorded iterations (default: all).
        """
        return list(self.each_power_reading(last))

    def each_power_reading(self, last: int | None = None) -> Iterator[FloatArray]:
        """The same, one at a time: a long run of many agents need not fit into memory at once."""
        rows = self._power.all()[: len(self._metrics.all())]
        first = 0 if last is None else max(0, len(rows) - last)
        pairs = np.zeros((0, 2), dtype=np.int64)
        for position, row in enumerate(rows):
            if "pairs" in row:
                pairs = np.array(row["pairs"], dtype=np.int64).reshape(-1, 2)
            if position >= first:
                yield unpack_power(row, pairs, self.path / layout.POWER)

    @property
    def power(self) -> FloatArray:
        """(K, n, n) power of j (second axis) over i (third axis) in each iteration, NaN where unknown or out of reach.

        Raises:
            CapacityError: it would take more than :data:`LARGEST_POWER_BYTES`.
        """
        count, n = len(self._metrics.all()), self.n
        if 8 * count * n * n > LARGEST_POWER_BYTES:
            raise CapacityError(
                f"the power of {count} iterations and {n} agents needs {8 * count * n * n / 2**30:.3g} GiB as one array",
                where=str(self.path),
                fix="read one iteration after the other with each_power_reading()",
            )
        values = np.full((count, n, n), np.nan)
        for matrix, reading in zip(values, self.each_power_reading(), strict=False):
            matrix[reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)] = reading[:, 2]
        return values

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
        readings = self.power_readings(recorded - first)[: end + 1 - first]
        if len(readings) == 1:
            return self.matrix_of(readings[0])
        values, known, age = (np.zeros((self.n, self.n)) for _ in range(3))
        counted = np.zeros((self.n, self.n), dtype=np.int64)
        for reading in readings:
            holders, over = reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)
            known[holders, over] += reading[:, 3]
            fine = np.isfinite(reading[:, 2])
            holders, over = holders[fine], over[fine]
            values[holders, over] += reading[fine, 2]
            age[holders, over] += reading[fine, 4]
            counted[holders, over] += 1
        holders, over = np.nonzero(counted)
        seen = counted[holders, over]
        mean = [holders, over, values[holders, over] / seen, known[holders, over] / len(readings), age[holders, over] / seen]
        return self.matrix_of(np.column_stack(mean).astype(np.float64))

    def concentration(self, iteration: int = -1, last: int = 1) -> Concentration:
        """Concentration of the power held, over the entries that count (:func:`held_entries`)."""
        return concentration(held_entries(self.power_matrix(iteration, last)))

    def matrix_of(self, reading: FloatArray) -> PowerMatrix:
        """The power matrix of an (r, 5) reading, with what is known of distances and influence."""
        rows = [reading[reading[:, 1] == agent][:, [0, 2, 3, 4]] for agent in range(self.n)]
        return self.power_facts.matrix(rows)

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
    def carried(self) -> CarriedView:
        """What crossed each link between neighbours, message by message and hop by hop; what would have, with direct routing."""
        return CarriedView(self.setup, self.ledger)

    @property
    def link_costs(self) -> Table:
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
        return load_checkpoint(self._checkpoint(iteration), {agent})[agent]

    def policies(self, iteration: int | None = None) -> list[Policy]:
        """The trained policies in agent order, ready to act: ``policy.act(policy.context(states), noise)``.

        Raises:
            RunDirectoryError: there is no such checkpoint, or it is damaged or does not fit the settings.
        """
        path, setup = self._checkpoint(iteration), self.setup
        arrays = load_checkpoint(path, set(range(self.n)))
        policies = []
        for agent in range(self.n):
            policy = setup.policy(agent)
            try:
                policy.load(arrays[agent][f"policy.{policy.component}"])
            except (KeyError, ValueError) as error:
                raise RunDirectoryError(f"agent {agent} has no policy that fits the settings: {error}", where=str(path)) from error
            policies.append(policy)
        return policies

    def tables(self, iteration: int | None = None) -> list[TabularPolicy]:
        """The trained policies of a run whose policies are tables.

        Raises:
            EnvironmentMismatchError: they are networks, which exact methods cannot enumerate.
            RunDirectoryError: as :meth:`policies`.
        """
        policies = self.policies(iteration)
        tables = [policy for policy in policies if isinstance(policy, TabularPolicy)]
        if len(tables) < len(policies):
            raise EnvironmentMismatchError("its policies are networks, not tables", where=str(self.path), fix="use a run with kind softmax")
        return tables

    def _checkpoint(self, iteration: int | None) -> Path:
        found = self.checkpoints
        if iteration is None and found:
            return found[max(found)]
        if iteration is None or iteration not in found:
            have = ", ".join(str(each) for each in found) or "none"
            wanted = "no checkpoint yet" if iteration is None else f"no checkpoint of iteration {iteration}"
            raise RunDirectoryError(f"{wanted} (there are: {have})", where=str(self.path), fix=f"the run is {self.state}")
        return found[iteration]

    def _column(self, name: str) -> FloatArray:
        return floats_from_json([row[name] for row in self._metrics.all()])

    def _agents(self, group: str, name: str) -> FloatArray:
        # A metric that a later version of the same format added is unknown in older records.
        unknown = np.full(self.n, np.nan)
        return np.array([row[group].get(name, unknown) for row in self._metrics.all()], dtype=np.float64).reshape(-1, self.n)


def held_entries(matrix: PowerMatrix) -> FloatArray:
    """The entries over which concentration is taken, NaN elsewhere: reliable ones, of pairs that can influence each other.

    What is measured between pairs that cannot is noise, and power that an agent cannot have is not power that it holds.
    """
    return np.where(matrix.reliable & ~matrix.impossible, matrix.values, np.nan)


class _Rows:
    """All complete rows of a growing file, each parsed once."""

    def __init__(self, path: Path, convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> None:
        self._reader = JsonLinesReader(path)
        self._convert = convert
        self._rows: list[dict[str, Any]] = []

    def all(self) -> list[dict[str, Any]]:
        fresh = self._reader.new_rows()
        self._rows.extend(fresh if self._convert is None else map(self._convert, fresh))
        return self._rows


def _as_arrays(row: dict[str, Any]) -> dict[str, Any]:
    """The per-agent lists as arrays: a tenth of the memory of Python's floats."""
    groups = {group: {name: floats_from_json(values) for name, values in row[group].items()} for group in ("agents", "timing")}
    return row | groups


def runs(parent: Path) -> list[Run]:
    """The readable runs in a folder, oldest first."""
    return [Run(directory) for directory in layout.run_directories(parent)]


def is_run(path: Path) -> bool:
    """Whether ``path`` is a run directory that this version reads."""
    try:
        RunDirectory.open(path)
    except NetagentsError:
        return False
    return True
