"""Run directory: everything that a run leaves behind, enough to repeat it.  ``docs/run-directory.md`` describes the files.

A living writer holds a lock on ``events.jsonl``, which the kernel releases with the process, however it ends.  So any process or container
that sees the directory can distinguish a killed run from one that goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from numpy.typing import NDArray
from pydantic import ValidationError

from netagents.environments.specification_json import spec_from_json
from netagents.errors import NetagentsError, RunDirectoryError, TopologyError
from netagents.experiment import Experiment
from netagents.experiment.aliases import rename_aliases
from netagents.experiment.named_code import Trust, named_code, refuse_named_code
from netagents.learning import Setup, make_setup
from netagents.records.atomic_files import sweep, write_atomically
from netagents.records.checkpoint import TEMPORARY, checkpoint_facts, checkpoints, load_checkpoint
from netagents.records.jsonl import JsonLinesReader, JsonLinesWriter
from netagents.records.manifest import MANIFEST as MANIFEST
from netagents.records.manifest import created_time, read_manifest
from netagents.records.record_files import (
    EVENTS_BYTES,
    EXPERIMENT_BYTES,
    RECORDS,
    TOPOLOGY_BYTES,
    first_error,
    parse_event,
    read_record,
)
from netagents.records.regular_files import open_descriptor, read_regular
from netagents.records.run_creation import (
    CHECKPOINTS,
    ENVIRONMENT_FACTS,
    EVENTS,
    EXPERIMENT,
    LOGS,
    TOPOLOGY,
    make_event,
    make_run_directory,
    self_contained,
)
from netagents.records.run_lock import RunLock
from netagents.topology import Topology
from netagents.topology.topology_json import topology_from_json

EndState = Literal["finished", "interrupted", "failed"]
State = Literal["created", "running", "finished", "interrupted", "failed", "killed"]
"""``created``: no writer yet.  ``running``: its writer lives.  ``killed``: its writer died without a final event."""


@dataclass(frozen=True)
class RunDirectory:
    """An existing run directory.

    Attributes:
        path: of the directory.
        manifest: written once, at creation: format version, run id, versions, platform, seed, graph digest.
        trust: whether code that the settings name may run: all of it, or the names in a set.
        lock: of the directory; taken by the process that carries out the run.
    """

    path: Path
    manifest: Mapping[str, Any]
    trust: Trust = field(default=False, compare=False)
    lock: RunLock = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lock", RunLock(self.path))

    # -- making and opening ----------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        parent: Path,
        name: str,
        setup: Setup,
        *,
        run_id: bytes | None = None,
        launcher: str | None = None,
        path: Path | None = None,
    ) -> RunDirectory:
        """Create the directory of a new run, complete with settings, graph and manifest, and take its lock.

        Args:
            parent: folder of run directories; created if needed.
            name: first part of the directory's name; the time and the beginning of the run id follow.
            setup: experiment, graph and environment facts.
            run_id: 8 bytes that name the run (default: fresh random ones).
            launcher: what starts the nodes (default: as the experiment says).
            path: an exact directory instead of ``parent`` and ``name``; must not exist.

        Raises:
            RunDirectoryError: it exists already, or cannot be created.
        """
        path, manifest, lock = make_run_directory(parent, name, setup, run_id, launcher, path)
        directory = cls(path, manifest, trust=True)
        object.__setattr__(directory, "lock", lock)
        return directory

    @classmethod
    def open(cls, path: Path, trust: Trust = False) -> RunDirectory:
        """Open an existing run directory.

        Args:
            path: of the run.
            trust: whether code that its settings name (``import:...``, ``environment.make``) may run; or a set of allowed names.

        Raises:
            RunDirectoryError: it does not exist, is not a run, or has another format version.
        """
        return cls(path, read_manifest(path), trust)

    # -- what never changes ----------------------------------------------------------------------------------------------

    @property
    def run_id(self) -> bytes:
        """The 8 bytes that name the run in every envelope."""
        return bytes.fromhex(self.manifest["run"])

    def experiment(self) -> Experiment:
        """The resolved settings.

        Raises:
            RunDirectoryError: the file is missing or damaged.
        """
        file = self.path / EXPERIMENT
        data = _present_names(read_regular(file, EXPERIMENT_BYTES))
        try:
            experiment = Experiment.model_validate_json(data, strict=True)
        except ValidationError as error:
            raise RunDirectoryError(first_error(error), where=str(file), fix="read it with the version that wrote it") from error
        if experiment.topology.kind == "file":
            # A path would lead out of the directory; a run stores its graph edge by edge.
            raise RunDirectoryError("topology.kind is file, which no run directory holds", where=str(file), fix="the file was changed")
        return experiment

    def require_trust(self) -> None:
        """Refuse settings that name code to run, unless this directory is trusted.

        Raises:
            SecurityError: names the first such setting.
        """
        refuse_named_code(named_code(self.experiment()), self.trust, str(self.path))

    def topology(self) -> Topology:
        """The graph of the run, checked against its digest.

        Raises:
            RunDirectoryError: the file is missing, damaged, or its graph has another digest.
        """
        file = self.path / TOPOLOGY
        try:
            topology = topology_from_json(read_regular(file, TOPOLOGY_BYTES).decode("utf-8"))
        except (UnicodeDecodeError, TopologyError) as error:
            what = f"is not a graph: {error.what}" if isinstance(error, TopologyError) else "is not a graph"
            raise RunDirectoryError(what, where=str(file), fix="the file was damaged") from error
        if topology.n != self.manifest["n"]:
            raise RunDirectoryError(
                f"this graph has {topology.n} agents, but the run has {self.manifest['n']}", where=str(file), fix="the file was changed"
            )
        if topology.digest != self.manifest["graph_digest"]:
            raise RunDirectoryError("this graph is not the one that the run was made with", where=str(file), fix="the file was changed")
        return topology

    def setup(self) -> Setup:
        """Neighbourhoods, spaces and settings of the run's agents; builds no environment, and imports nothing without trust.

        Raises:
            RunDirectoryError: a file is missing or damaged.
        """
        file = self.path / ENVIRONMENT_FACTS
        raw = read_record(file, ENVIRONMENT_FACTS, self.manifest["n"])
        try:
            spec = spec_from_json(raw)
        except (KeyError, TypeError, ValueError, OverflowError, NetagentsError) as error:
            raise RunDirectoryError("does not describe an environment", where=str(file), fix="the file was damaged") from error
        experiment = self.experiment()
        named = {code.name for code in named_code(experiment)}
        return make_setup(experiment, self.topology(), spec, imports=self.trust is True or named <= set(self.trust or ()))

    def state_before(self, iteration: int, agents: int) -> dict[int, dict[str, NDArray[Any]]]:
        """Every agent's named arrays from the checkpoint of the iteration before, verified.

        Raises:
            RunDirectoryError: the checkpoint does not exist, is damaged, or belongs to another run.
        """
        paths = checkpoints(self.path / CHECKPOINTS)
        path = paths.get(iteration - 1)
        if path is None:
            have = ", ".join(map(str, paths)) or "none"
            raise RunDirectoryError(f"no checkpoint of iteration {iteration - 1} (there are: {have})", where=str(self.path))
        facts = checkpoint_facts(path)
        for name, expected in (("run", self.manifest["run"]), ("graph_digest", self.manifest["graph_digest"]), ("n", agents)):
            if facts.get(name) != expected:
                raise RunDirectoryError(
                    f"its {name} is {facts.get(name)}, the run's {expected}", where=str(path), fix="the files were mixed"
                )
        return load_checkpoint(path, set(range(agents)))

    def rewrite_experiment(self, setup: Setup) -> None:
        """Replace the resolved settings atomically: a resume may lengthen a run or change how it is carried out."""
        text = json.dumps(self_contained(setup).model_dump(mode="json"), indent=2) + "\n"
        write_atomically(self.path / EXPERIMENT, text.encode())

    # -- life of the run -------------------------------------------------------------------------------------------------

    def events(self) -> list[dict[str, Any]]:
        """Every event so far: ``time`` (seconds since 1970), ``event``, and what belongs to it."""
        return list(self._each_event())

    def _each_event(self) -> Iterator[dict[str, Any]]:
        n = self.manifest["n"]
        longest = RECORDS[EVENTS].bytes(n)
        return JsonLinesReader(
            self.path / EVENTS, lambda line, where, _: parse_event(line, where, n), longest, EVENTS_BYTES + longest
        ).each_new_row()

    def append_event(self, event: str, **facts: Any) -> None:
        """Add an event, from any process: a launcher adds those of a dead server."""
        writer = JsonLinesWriter(self.path / EVENTS)
        try:
            writer.write(make_event(event, facts))
        finally:
            writer.close()

    @property
    def state(self) -> State:
        """The state of the run."""
        return self.ending()[0]

    def ending(self) -> tuple[State, dict[str, Any]]:
        """The state, and the event behind it (role, exit code and line of a failure); empty while the run goes on."""
        # The lock is checked first: a run that ends in between has written its last event by then.
        alive = self.has_writer()
        last: dict[str, Any] = {"event": "created"}
        for event in self._each_event():
            if event["event"] == "started" or event["event"] in get_args(EndState):
                # The launcher writes last and sees every process, so its event on the first failure counts.
                last = event
        if alive:
            return "running", {}
        name = last["event"]
        return ("killed", {}) if name == "started" else (name, last)

    def has_writer(self) -> bool:
        """Whether a living process writes to the run."""
        try:
            descriptor = open_descriptor(self.path / EVENTS, os.O_RDONLY)
        except OSError as error:
            raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(self.path / EVENTS)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # some file systems have no locks
        finally:
            os.close(descriptor)
        return False

    def sweep_temporaries(self) -> list[Path]:
        """Remove incomplete files of a killed writer; does nothing while a writer lives.  Returns the removed paths."""
        if self.has_writer():
            return []
        return [*sweep(self.path, TEMPORARY), *sweep(self.path / CHECKPOINTS, TEMPORARY)]

    def log(self, role: str) -> Path:
        """The log of one process: ``agent_3``, ``environment``, ``monitor``, ``launcher``."""
        return self.path / LOGS / f"{role}.jsonl"


def run_directories(parent: Path) -> list[RunDirectory]:
    """The runs in a folder, oldest first; other files are ignored."""
    runs = []
    for path in parent.iterdir() if parent.is_dir() else ():
        if (path / MANIFEST).is_file() and not path.name.startswith(TEMPORARY):
            try:
                runs.append(RunDirectory.open(path))
            except RunDirectoryError:
                continue
    return sorted(runs, key=lambda run: (created_time(run.manifest), run.path.name))


def _present_names(data: bytes) -> bytes:
    """The settings under their present names; runs of earlier versions use earlier ones.  Invalid JSON stays as it is."""
    try:
        values = json.loads(data)
        if not rename_aliases(values, Experiment):
            return data
    except (ValueError, TypeError, AttributeError, RecursionError):
        return data  # the validation reports what is wrong
    return json.dumps(values).encode()
