"""Loads an experiment from a YAML file or from Python values, with overrides, and keeps where every value came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import netagents
from netagents.errors import ExperimentError
from netagents.experiment import overrides as override_words
from netagents.experiment.experiment import Experiment
from netagents.experiment.explain import explain
from netagents.experiment.game_file import embed_game
from netagents.experiment.origins import Origin, closest, leaves, trace
from netagents.experiment.source import KeyPath, read_file


@dataclass(frozen=True, slots=True)
class LoadedExperiment:
    """An experiment and where it came from.

    Attributes:
        experiment: the settings, complete and checked.
        origins: of every value of :func:`resolved`, by path.
        path: the file, or None for settings given in Python.
        base: the directory that relative paths inside the experiment start from.
    """

    experiment: Experiment
    origins: Mapping[KeyPath, Origin]
    path: Path | None
    base: Path


def load_experiment(
    source: str | Path | Mapping[str, Any] | Experiment, overrides: Sequence[str] | Mapping[str, Any] = ()
) -> LoadedExperiment:
    """The experiment that a file or a mapping describes.

    Args:
        source: a YAML file (``quickstart`` or ``launch/quickstart.yaml`` also find the files that come with netagents), a
            mapping of settings, or an experiment.
        overrides: words ``key=value`` with dotted keys and YAML values, or a mapping of dotted keys to values; the last wins.

    Raises:
        ExperimentError: the file cannot be read or a setting is wrong; one line with file, line and key, or the override.
        UsageError: a word is not an override.
    """
    path: Path | None = None
    base = Path.cwd()
    given: dict[KeyPath, Origin]
    if isinstance(source, Experiment):
        values: Any = resolved(source)
        given = {leaf: Origin("value", "value") for leaf, _ in leaves(values)}
        shown = ""
    elif isinstance(source, Mapping):
        values = _plain_values(source, ())
        given = {leaf: Origin("value", "value") for leaf, _ in leaves(values)}
        shown = ""
    else:
        path, shown = _find(source)
        document = read_file(path, shown)
        base = path.resolve().parent
        values = {} if document.values is None else document.values
        given = {leaf: Origin("file", f"{shown}:{line}", line) for leaf, line in document.lines.items()}
        if not isinstance(values, dict):
            raise ExperimentError("not a mapping of settings", where=shown, fix="write lines such as 'kappa: 2'")
    for override in override_words.read(overrides):
        plain = override._replace(value=_plain_values(override.value, override.path))
        override_words.apply(plain, values, given, Experiment)
    embed_game(values, given, base)
    experiment = _validate(values, given, shown)
    return LoadedExperiment(experiment, trace(resolved(experiment), given, values), path, base)


def resolved(experiment: Experiment) -> dict[str, Any]:
    """Every value as JSON has it; :func:`load_experiment` of it gives an equal experiment."""
    return experiment.model_dump(mode="json")


def packaged_directory(name: str) -> Path:
    """Where the files that come with netagents are: ``launch`` or ``topologies``, installed or in a checkout."""
    package = Path(netagents.__file__).parent
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name


def _find(source: str | Path) -> tuple[Path, str]:
    path = Path(source)
    try:
        there = path.exists()
    except OSError:
        there = True  # reading it says what is wrong
    if not there and not path.is_absolute() and path.parent in (Path(), Path("launch")):
        for name in (path.name, f"{path.name}.yaml"):
            candidate = packaged_directory("launch") / name
            if candidate.is_file():
                return candidate, f"launch/{name}"
    return path, str(source) or str(path)


def _validate(values: Mapping[str, Any], given: Mapping[KeyPath, Origin], shown: str) -> Experiment:
    def where(path: KeyPath) -> tuple[str, float]:
        origin = closest(path, given)
        if origin.source == "file" and path:
            return origin.text, origin.line
        if origin.source == "override":
            # Overrides come after every line of the file.
            return f"override '{origin.text.removeprefix('override ')}'", float("inf")
        return shown, 0

    try:
        # JSON's strictness is the right one: lists become tuples and 2 becomes 2.0, but true is no number and '5' no count.
        return Experiment.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise explain(error, Experiment, values, where) from None


def _plain_values(value: Any, path: KeyPath) -> Any:
    """Python values as YAML would have given them; numpy scalars and settings objects count as what they hold."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain_values(below, (*path, str(key))) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_values(below, (*path, index)) for index, below in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    name = ".".join(str(part) for part in path) or "experiment"
    raise ExperimentError(f"{name}: a value of type {type(value).__name__} is no setting", fix="use numbers, texts, lists and mappings")
