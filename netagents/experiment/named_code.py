"""Code that an experiment names, and whether it may run here.

``import:package.module:Class``, ``environment.make`` and a container's image run the code that they name, and so may the program, the
hosts and the options of a launcher of several hosts.  In a user's own experiment file that is intended.  A run directory may come from
anybody, so code that its settings name runs only where the user allows it (``--trust``, ``trust=True``) or names the same code.  Parts that
an installed package offers as an entry point were chosen by the owner of the host.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netagents.errors import SecurityError, printable
from netagents.experiment.environment_settings import ParallelEnvSettings
from netagents.experiment.launcher_capabilities import stated_capabilities

if TYPE_CHECKING:
    from netagents.experiment.experiment import Experiment

Trust = bool | Set[str]
"""Whether everything that settings name may run, or the names of what may."""

ADD_TRUST = "add --trust (trust=True in Python) if you trust whoever made it as you would trust an experiment file of theirs"

_PREFIX = "import:"
_SINKS = "runtime.sinks"
_FOLDERS = ("runtime.tensorboard", "runtime.history", _SINKS)
_INSECURE = "runtime.insecure"
_HOSTS, _OPTIONS, _CLUSTER = "runtime.hosts.file", "runtime.slurm.options", "runtime.ray.address"
_WHAT = {
    **dict.fromkeys(_FOLDERS, "a folder to write to"),
    _INSECURE: "links without keys",
    _HOSTS: "hosts to run on",
    _OPTIONS: "options of sbatch",
    _CLUSTER: "a cluster to run on",
}
"""What a setting names, where it is not code to run."""


class NamedCode(NamedTuple):
    """Something that settings name: ``key`` is the setting, ``name`` what would be imported, started or written to."""

    key: str
    name: str


def named_code(experiment: Experiment, *, running: bool = False) -> list[NamedCode]:
    """Everything that would be imported, started or opened to others on behalf of the settings, in the order of the settings.

    Args:
        experiment: the settings.
        running: also what matters where a run is carried out: folders that it would write to beside its own directory, and the program, the
            hosts and the options with which a launcher would carry it out on several hosts.
    """
    named = [NamedCode(key, kind) for key, kind in _imports(experiment.model_dump(mode="json"), "") if kind.startswith(_PREFIX)]
    if isinstance(experiment.environment, ParallelEnvSettings):
        named.append(NamedCode("environment.make", experiment.environment.make))
    runtime = experiment.runtime
    stated = stated_capabilities(runtime.launcher)
    if runtime.launcher.startswith(_PREFIX):
        named.append(NamedCode("runtime.launcher", runtime.launcher))
    if stated is not None and stated.images and runtime.containers.image is not None:
        named.append(NamedCode("runtime.containers.image", runtime.containers.image))
    if runtime.insecure and stated is not None and stated.chooses_transport and runtime.transport == "tcp":
        named.append(NamedCode(_INSECURE, "true"))
    if running:
        folders = zip(_FOLDERS[:2], (runtime.tensorboard, runtime.history), strict=True)
        named.extend(NamedCode(key, folder) for key, folder in folders if folder is not None)
        named.extend(NamedCode(_SINKS, sink.folder) for sink in runtime.sinks)
        if stated is None or not stated.same_host:
            cluster = runtime.ray.address if runtime.ray.address != "auto" else None
            elsewhere = (("runtime.hosts.python", runtime.hosts.python), (_HOSTS, runtime.hosts.file), (_CLUSTER, cluster))
            named.extend(NamedCode(key, name) for key, name in elsewhere if name is not None)
            named.extend(NamedCode(_OPTIONS, option) for option in runtime.slurm.options)
    return named


def refuse_named_code(named: Iterable[NamedCode], trust: Trust, where: str, fix: str = ADD_TRUST) -> None:
    """Refuse code that settings of another origin name, unless the user allows it.

    Args:
        named: as :func:`named_code` gives it.
        trust: what may run.
        where: the run directory or file, for the error.
        fix: what would be right.

    Raises:
        SecurityError: names the first such thing and its key.
    """
    if trust is True:
        return
    allowed: Set[str] = trust or frozenset()
    for key, name in named:
        if name not in allowed:
            raise SecurityError(
                f"its settings name {_WHAT.get(key, 'code to run')}: {key} is {printable(name)[:200]}", where=where, fix=fix
            )


def names_of(experiment: Experiment) -> frozenset[str]:
    """The names of all code in a person's own experiment: what a run directory may name as well."""
    return frozenset(name for _, name in named_code(experiment))


def of_a_run(path: Path) -> bool:
    """Whether a file is the experiment of a run directory, which another person may have written."""
    return any(
        file.name == "experiment.json" and os.path.lexists(file.parent / "manifest.json") for file in (path, Path(os.path.realpath(path)))
    )


def _imports(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Every ``kind`` below a value of the settings, with its dotted key."""
    if isinstance(value, dict):
        kind = value.get("kind")
        if isinstance(kind, str):
            yield f"{key}.kind".lstrip("."), kind
        for name, inner in value.items():
            yield from _imports(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, (list, tuple)):
        for place, inner in enumerate(value):
            yield from _imports(inner, f"{key}[{place}]")
