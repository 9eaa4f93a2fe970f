"""Code that an experiment names, and whether it may run here.

``import:package.module:Class``, ``environment.make`` and a container's image run code of whoever wrote them down.  In a person's own
experiment file that is what they are for.  A run directory may come from anybody, so what its settings name runs only where a person said
so (``--trust``, ``trust=True``) or names the same thing.  Parts that an installed package offers as an entry point are that host's own
choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING, NamedTuple

from netagents.errors import SecurityError, printable
from netagents.experiment.environment import ParallelEnvSettings

if TYPE_CHECKING:
    from netagents.experiment.experiment import Experiment

Trust = bool | Set[str]
"""Whether everything that settings name may run, or the names of what may."""

_PREFIX = "import:"


class NamedCode(NamedTuple):
    """Something that settings name: ``key`` is the setting, ``name`` what would be imported, started or written to."""

    key: str
    name: str


def named_code(experiment: Experiment, *, writing: bool = False) -> list[NamedCode]:
    """Everything that would be imported or started on behalf of the settings, in the order of the settings.

    Args:
        experiment: the settings.
        writing: also the folders that a run would write to beside its own directory.
    """
    found = [NamedCode(key, kind) for key, kind in _imports(experiment.model_dump(mode="json"), "") if kind.startswith(_PREFIX)]
    if isinstance(experiment.environment, ParallelEnvSettings):
        found.append(NamedCode("environment.make", experiment.environment.make))
    runtime = experiment.runtime
    if runtime.launcher == "compose" and runtime.containers.image is not None:
        found.append(NamedCode("runtime.containers.image", runtime.containers.image))
    if writing:
        for key in ("tensorboard", "history"):
            folder = getattr(runtime, key)
            if folder is not None:
                found.append(NamedCode(f"runtime.{key}", folder))
    return found


def refuse_named_code(experiment: Experiment, trust: Trust, where: str, *, writing: bool = False) -> None:
    """Refuse settings of a run directory that name code which nobody said may run.

    Args:
        experiment: the settings.
        trust: what may run.
        where: the run directory or file, for the error.
        writing: as :func:`named_code`.

    Raises:
        SecurityError: names the first such thing, its key, and what would be right.
    """
    if trust is True:
        return
    allowed: Set[str] = trust or frozenset()
    for key, name in named_code(experiment, writing=writing):
        if name not in allowed:
            raise SecurityError(
                f"its settings name {'a folder to write to' if key in ('runtime.tensorboard', 'runtime.history') else 'code to run'}: "
                f"{key} is {printable(name)[:200]}",
                where=where,
                fix="add --trust (trust=True in Python) if you trust whoever made it as you would trust an experiment file of theirs",
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
