"""The run directory: everything a run leaves behind, and enough to repeat it.  ``docs/run-directory.md`` describes the files.

A directory appears whole or not at all.  While a writer lives it holds a lock on ``events.jsonl``, which the kernel drops
with the process, however that ends; so a run that was killed can be told from one that still goes on, from any process or
container that sees the directory.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from numpy.typing import NDArray
from pydantic import ValidationError

from netagents.environments.specification_json import spec_from_json, spec_to_json
from netagents.errors import NetagentsError, RunDirectoryError, TopologyError
from netagents.experiment import Experiment
from netagents.experiment.aliases import rename_aliases
from netagents.experiment.named_code import Trust, named_code, refuse_named_code
from netagents.learning import Setup, make_setup
from netagents.records.atomic_files import sweep, write_atomically, write_json
from netagents.records.checkpoint import TEMPORARY, checkpoint_facts, checkpoints, load_checkpoint
from netagents.records.jsonl import JsonLinesReader, JsonLinesWriter, encode_row
from netagents.records.manifest import MANIFEST as MANIFEST
from netagents.records.manifest import created_time, manifest_of, read_manifest
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
from netagents.records.run_lock import RunLock
from netagents.topology import Topology, stored_settings

EXPERIMENT = "experiment.json"
TOPOLOGY = "topology.json"
ENVIRONMENT_FACTS = "environment.json"
EVENTS = "events.jsonl"
METRICS = "metrics.jsonl"
POWER = "power.jsonl"
LEDGER = "ledger.jsonl"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
TABLES = "tables"
COMPARISON = "comparison"
"""Folder of the runs that a run is compared with, each a run directory of its own."""

EndState = Literal["finished", "interrupted", "failed"]
State = Literal["created", "running", "finished", "interrupted", "failed", "killed"]
"""``created``: no writer has come yet.  ``running``: its writer lives.  ``killed``: its writer died without a word."""

STALE_SECONDS = 60.0
_CREATING = f"{TEMPORARY}run-"


@dataclass(frozen=True)
class RunDirectory:
    """An existing run directory.

    Attributes:
        path: where it is.
        manifest: what was written once, when it was made: format version, run id, versions, platform, seed, graph digest.
        trust: whether code that the settings name may run: all of it, or what is named in a set.
        lock: of the directory; taken by whoever carries the run out.
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
        """Make the directory of a new run, complete with settings, graph and manifest, and take its lock.

        Args:
            parent: where run directories are made; made itself if need be.
            name: first part of the directory's name, which goes on with the time and the start of the run id.
            setup: experiment, graph and environment facts.
            run_id: 8 bytes that name the run (default: fresh random ones).
            launcher: what starts the nodes (default: as the experiment says).
            path: an exact directory instead of ``parent`` and ``name``; must not exist.

        Raises:
            RunDirectoryError: it exists already, or cannot be made.
        """
        run_id = secrets.token_bytes(8) if run_id is None else run_id
        now = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        final = parent / f"{name}-{stamp}-{run_id.hex()[:4]}" if path is None else path
        check_free(final)
        check_path(final)
        temporary = final.parent / f"{_CREATING}{secrets.token_hex(6)}"
        lock = RunLock(temporary)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            sweep(final.parent, _CREATING, older_than=STALE_SECONDS)
            temporary.mkdir()
            try:
                lock.take()
                for folder in (CHECKPOINTS, LOGS):
                    (temporary / folder).mkdir()
                write_json(temporary / EXPERIMENT, _self_contained(setup).model_dump(mode="json"))
                (temporary / TOPOLOGY).write_text(setup.topology.to_json(), encoding="utf-8")
                write_json(temporary / ENVIRONMENT_FACTS, spec_to_json(setup.spec))
                for file in (EVENTS, METRICS, POWER, LEDGER):
                    (temporary / file).touch()
                (temporary / EVENTS).write_bytes(encode_row(make_event("created", {"time": now})))
                manifest = manifest_of(setup, name, run_id, launcher or setup.experiment.runtime.launcher, now)
                write_json(temporary / MANIFEST, manifest)
                temporary.rename(final)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        except OSError as error:
            raise RunDirectoryError(
                f"cannot be made: {error.strerror}", where=str(final), fix="name a directory that can be written"
            ) from error
        lock.folder = final
        made = cls(final, manifest, trust=True)
        object.__setattr__(made, "lock", lock)
        return made

    @classmethod
    def open(cls, path: Path, trust: Trust = False) -> RunDirectory:
        """Open an existing run directory.

        Args:
            path: of the run.
            trust: whether code that its settings name (``import:...``, ``environment.make``) may run; or a set of what may.

        Raises:
            RunDirectoryError: there is none, it is no run, or another format version wrote it.
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
        """Refuse to go on when the settings name code to run, and nobody said that this directory's may.

        Raises:
            SecurityError: names the first such thing.
        """
        refuse_named_code(named_code(self.experiment()), self.trust, str(self.path))

    def topology(self) -> Topology:
        """The graph of the run, the same as its digest says.

        Raises:
            RunDirectoryError: the file is missing, damaged, or its graph has another digest.
        """
        file = self.path / TOPOLOGY
        try:
            topology = Topology.from_json(read_regular(file, TOPOLOGY_BYTES).decode("utf-8"))
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
        """Neighbourhoods, spaces and settings as the run's agents had them; builds no environment, and imports nothing without trust.

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
            RunDirectoryError: there is no such checkpoint, it is damaged, or it is of another run.
        """
        found = checkpoints(self.path / CHECKPOINTS)
        path = found.get(iteration - 1)
        if path is None:
            have = ", ".join(str(each) for each in found) or "none"
            raise RunDirectoryError(f"no checkpoint of iteration {iteration - 1} (there are: {have})", where=str(self.path))
        facts = checkpoint_facts(path)
        for name, expected in (("run", self.manifest["run"]), ("graph_digest", self.manifest["graph_digest"]), ("n", agents)):
            if facts.get(name) != expected:
                raise RunDirectoryError(
                    f"its {name} is {facts.get(name)}, the run's {expected}", where=str(path), fix="the files were mixed"
                )
        return load_checkpoint(path, set(range(agents)))

    def rewrite_experiment(self, setup: Setup) -> None:
        """Replace the resolved settings, whole or not at all: a resume may lengthen a run or carry it out in another way."""
        text = json.dumps(_self_contained(setup).model_dump(mode="json"), indent=2) + "\n"
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
        """Add an event, from any process: a launcher adds what its dead server cannot say any more."""
        writer = JsonLinesWriter(self.path / EVENTS)
        try:
            writer.write(make_event(event, facts))
        finally:
            writer.close()

    @property
    def state(self) -> State:
        """What became of the run."""
        return self.ending()[0]

    def ending(self) -> tuple[State, dict[str, Any]]:
        """The state, and the event that says so (role, exit code and line of a failure); an empty one while it goes on."""
        # The lock is asked first: a run that ends in between has written its last event by then.
        alive = self.has_writer()
        last: dict[str, Any] = {"event": "created"}
        for event in self._each_event():
            if event["event"] == "started" or event["event"] in get_args(EndState):
                # The launcher speaks last and sees every process, so its word on who failed first stands.
                last = event
        if alive:
            return "running", {}
        name = last["event"]
        return ("killed", {}) if name == "started" else (name, last)

    def has_writer(self) -> bool:
        """Whether a living process holds the run open for writing."""
        try:
            descriptor = open_descriptor(self.path / EVENTS, os.O_RDONLY)
        except OSError as error:
            raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(self.path / EVENTS)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # a file system without locks cannot say
        finally:
            os.close(descriptor)
        return False

    def sweep_temporaries(self) -> list[Path]:
        """Remove what a killed writer left half-written; does nothing while a writer lives.  Returns what was removed."""
        if self.has_writer():
            return []
        return [*sweep(self.path, TEMPORARY), *sweep(self.path / CHECKPOINTS, TEMPORARY)]

    def log(self, role: str) -> Path:
        """The log of one process: ``agent_3``, ``environment``, ``monitor``, ``launcher``."""
        return self.path / LOGS / f"{role}.jsonl"


def check_free(path: Path) -> None:
    """Refuse a path at which there is something already.

    Raises:
        RunDirectoryError: it is taken.
    """
    if os.path.lexists(path):
        raise RunDirectoryError("exists already", where=str(path), fix="name another directory, or remove this one")


def check_path(path: Path) -> None:
    """Refuse a run directory whose path is no text: libraries that write tables and pages, and files that name it, could not say it.

    Raises:
        RunDirectoryError: the path holds bytes that are not UTF-8, or that this locale cannot express.
    """
    try:
        whole = os.path.abspath(path)  # noqa: PTH100 - absolute() leaves dots in
        whole.encode("utf-8")
    except UnicodeEncodeError:
        raise RunDirectoryError(
            "the path is not UTF-8 text, or not text in this locale",
            where=ascii(str(path))[1:-1],
            fix="name another directory with --out, or set LC_ALL=C.UTF-8",
        ) from None


def run_directories(parent: Path) -> list[RunDirectory]:
    """The runs in a folder, oldest first; whatever else lies there is passed over."""
    found = []
    for path in parent.iterdir() if parent.is_dir() else ():
        if (path / MANIFEST).is_file() and not path.name.startswith(TEMPORARY):
            try:
                found.append(RunDirectory.open(path))
            except RunDirectoryError:
                continue
    return sorted(found, key=lambda run: (created_time(run.manifest), run.path.name))


def _present_names(data: bytes) -> bytes:
    """The settings under the names that they have today; runs of earlier versions have earlier ones.  What is no JSON stays as it is."""
    try:
        values = json.loads(data)
        if not rename_aliases(values, Experiment):
            return data
    except (ValueError, TypeError, AttributeError, RecursionError):
        return data  # what is wrong with it is said where it is checked
    return json.dumps(values).encode()


def _self_contained(setup: Setup) -> Experiment:
    """Graphs from files and random ones are stored edge by edge, so that the run can be repeated without the file or the generator."""
    experiment = setup.experiment
    return experiment.model_copy(update={"topology": stored_settings(experiment.topology, setup.topology)})


def make_event(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``events.jsonl``, stamped with the time now unless ``facts`` has one."""
    return {"time": time.time(), "event": event, **facts}
