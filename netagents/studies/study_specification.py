"""What a study asks: which settings, which seeds, and every run that follows from them, each a complete experiment."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from netagents.errors import UsageError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.load import LoadedExperiment
from netagents.experiment.topology_settings import EdgesSettings
from netagents.learning.prepared_experiment import prepare
from netagents.learning.setup_builder import MUTABLE
from netagents.messages import radius_of
from netagents.topology import Topology, build_topology

Question = Literal["seeds", "sweep", "radius", "mute", "attack", "robustness", "power"]
Measure = Literal["return", "discounted_return", "objective"]


@dataclass(frozen=True)
class StudySetting:
    """One point of a study.

    Attributes:
        label: as figures and tables call it, such as ``kappa=2, credit=shared_q``.
        values: what was varied, by name; becomes columns of every table.
        experiment: complete; only the seed is still to be set.
        shared: label of its runs where other settings share them, because what differs leaves the same bits.
    """

    label: str
    values: Mapping[str, Any]
    experiment: Experiment
    shared: str = ""

    def at(self, seed: int) -> Experiment:
        """The experiment of one run."""
        return self.experiment.model_copy(update={"seed": seed})


@dataclass(frozen=True)
class Study:
    """A question and the runs that answer it.

    Attributes:
        question: which kind of study.
        name: of the experiment.
        base: the experiment that is varied; two studies are of one experiment when their bases are equal.
        settings: the points.  seeds: every point runs once with each.
        varied: names of :attr:`Setting.values`, the horizontal axis of the figures first.
        measure: what "better" means here.
        notes: what was changed or left out, one line each.
    """

    question: Question
    name: str
    base: Experiment
    settings: tuple[StudySetting, ...]
    seeds: tuple[int, ...]
    varied: tuple[str, ...]
    measure: Measure
    notes: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        """Identifies the experiment under study, whatever its settings, seeds and the way it is carried out."""
        plain = _changed(self.base, ("name", "seed", "runtime", "timeouts", "checkpoints"))
        return hashlib.sha256(json.dumps([self.question, plain], sort_keys=True).encode()).hexdigest()[:16]

    def runs(self) -> list[tuple[str, StudySetting, int]]:
        """Every run: the name of its directory, its setting and its seed; equal experiments have equal names."""
        return [(run_name(setting, seed), setting, seed) for seed in self.seeds for setting in self.settings]


def run_name(setting: StudySetting, seed: int) -> str:
    """A directory name that says what the run is, and ends with a digest of everything that defines it."""
    plain = _changed(setting.at(seed), ("name", "runtime", "timeouts", "checkpoints", *(("routing",) if setting.shared else ())))
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
    words = re.sub(r"[^A-Za-z0-9_.@-]+", "_", setting.shared or setting.label).strip("_")[:60]
    return f"{words}-s{seed}-{digest}"


def _changed(settings: BaseModel, without: Sequence[str] = ()) -> dict[str, Any]:
    """The settings that differ from their defaults: a later version that adds a setting still knows its finished runs."""
    plain = settings.model_dump(mode="json")
    changes: dict[str, Any] = {}
    for name, field_ in type(settings).model_fields.items():
        value = getattr(settings, name)
        if name in without or (name not in ("kind", "seed") and value == field_.get_default(call_default_factory=True, validated_data={})):
            continue
        changes[name] = _changed(value) if isinstance(value, BaseModel) else plain[name]
    return changes


def sweep_study(
    source: str | Path | Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    overrides: Sequence[str] = (),
    *,
    seeds: Sequence[int],
    measure: Measure | None = None,
) -> Study:
    """Every combination of the values of some settings.

    Args:
        axes: dotted key to values, in the order in which figures show them.

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    if not axes:
        raise UsageError("a sweep needs something to sweep", fix="write key=a,b,c such as learning.batch=32,64,128")
    for key in axes:
        if key.partition(".")[0] == "runtime":
            raise UsageError(f"{key} changes no result", where="axis", fix="sweep a setting of the problem, of learning or of faults")
    loaded = load_experiment(source, overrides)
    base, _, notes = self_contained(loaded)
    settings = []
    for values in itertools.product(*axes.values()):
        combination = dict(zip(axes, values, strict=True))
        varied = load_experiment(base, combination)
        experiment, _, _ = self_contained(LoadedExperiment(varied.experiment, varied.origins, None, loaded.base))
        prepare(experiment, loaded.base)
        plain = {key: value if isinstance(value, int | float | str) else json.dumps(value) for key, value in combination.items()}
        settings.append(StudySetting(", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in plain.items()), plain, experiment))
    return Study("sweep", base.name, base, tuple(settings), tuple(seeds), tuple(axes), measure or default_measure(base), tuple(notes))


def mute_study(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    seeds: Sequence[int],
    measure: Measure | None = None,
) -> Study:
    """Cut one kind of message at one hop distance at a time: what is each worth?

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    loaded = load_experiment(source, overrides)
    base, topology, notes = self_contained(loaded)
    setup = prepare(base, loaded.base).setup
    settings = [StudySetting("nothing muted", {"muted": "", "kind": "", "hop": 0}, base)]
    for kind in MUTABLE:
        if not any(setup.in_neighbours(kind, agent) for agent in range(topology.n)):
            continue  # agents of this experiment do not send it
        radius = radius_of(kind)
        farthest = min(max(setup.reach[radius].radii), diameter(topology)) if radius is not None else 0
        for hop in range(1, farthest + 1):
            word = f"{kind.name.lower()}@{hop}"
            experiment = load_experiment(base, {"mute": [*base.mute, word]}).experiment
            settings.append(StudySetting(f"mute {word}", {"muted": word, "kind": kind.name.lower(), "hop": hop}, experiment))
    everything = [kind.name.lower() for kind in MUTABLE]
    silent = load_experiment(base, {"mute": everything}).experiment
    settings.append(StudySetting("everything muted", {"muted": "everything", "kind": "", "hop": 0}, silent))
    return Study(
        "mute", base.name, base, tuple(settings), tuple(seeds), ("muted", "kind", "hop"), measure or default_measure(base), tuple(notes)
    )


LARGEST_NUMBER = 100_000
"""Largest radius or number of agents that a study is asked for; experiments have the same bound."""


def parse_whole_numbers(text: str, option: str) -> list[int]:
    """``0..4``, ``0,1,3`` or ``2`` as ascending whole numbers.

    Raises:
        UsageError: it is none of these.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*\.\.\s*(\d+))?\s*", part)
        if match is None:
            raise UsageError(f"'{text}' is no list of whole numbers", where=option, fix="write 0..4, or 0,1,3")
        first = int(match[1])
        last = int(match[2] or first)
        if last < first or last > LARGEST_NUMBER:
            problem = f"'{part.strip()}' goes down" if last < first else f"{last} is above {LARGEST_NUMBER}"
            raise UsageError(problem, where=option, fix="write 0..4, or 0,1,3")
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def diameter(topology: Topology) -> int:
    """The largest distance between two agents that have a path between them."""
    hops = topology.hops.matrix()
    return int(hops[hops < topology.n].max())


def default_measure(base: Experiment) -> Measure:
    """What is better unless somebody says: the return of a pure task, else the objective."""
    return "return" if not base.has_shadow_rewards and base.learning.task_weight > 0.0 else "objective"


def self_contained(loaded: LoadedExperiment) -> tuple[Experiment, Topology, list[str]]:
    """The experiment with its graph fixed: a file's edges written out, a random graph's seed named; seeds vary the learning alone."""
    experiment = loaded.experiment
    topology = build_topology(experiment.topology, loaded.base, experiment.seed)
    notes = []
    update: dict[str, Any] = {}
    if experiment.topology.kind == "file":
        update["topology"] = EdgesSettings(n=topology.n, edges=tuple((int(i), int(j)) for i, j in topology.edges))
    elif getattr(experiment.topology, "seed", 0) is None:
        update["topology"] = experiment.topology.model_copy(update={"seed": experiment.seed})
        notes.append(f"one random graph for all runs, that of topology.seed={experiment.seed}")
    # The bits are the same under every launcher, and one process is the fastest.
    runtime: dict[str, Any] = {"launcher": "in_process"}
    update["runtime"] = experiment.runtime.model_copy(update=runtime)
    update["checkpoints"] = experiment.checkpoints.model_copy(update={"every": 10_000_000, "keep": 1})
    return experiment.model_copy(update=update), topology, notes
