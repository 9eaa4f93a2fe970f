"""Loading of experiments from a YAML file or from Python values, with overrides; the origin of every value is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import netagents
from netagents.errors import ExperimentError
from netagents.experiment import overrides as override_words
from netagents.experiment.aliases import Renamed, canonical_path, rename_aliases
from netagents.experiment.experiment import Experiment
from netagents.experiment.game_file import embed_game
from netagents.experiment.group_values import complete_groups, complete_policy
from netagents.experiment.named_code import ADD_TRUST, Trust, named_code, of_a_run, refuse_named_code
from netagents.experiment.network_file import locate_network
from netagents.experiment.origins import Origin, closest, leaves, trace
from netagents.experiment.validation_errors import dotted, explain
from netagents.experiment.yaml_document import KeyPath, read_file


@dataclass(frozen=True, slots=True)
class LoadedExperiment:
    """An experiment and where it came from.

    Attributes:
        experiment: the settings, complete and checked.
        origins: of every value of :func:`resolved`, by path.
        path: the file, or None for settings given in Python.
        base: the directory that relative paths inside the experiment start from.
        notes: what was read as something else, such as a setting by an earlier name of it; one line each.
    """

    experiment: Experiment
    origins: Mapping[KeyPath, Origin]
    path: Path | None
    base: Path
    notes: tuple[str, ...] = ()


def load_experiment(
    source: str | Path | Mapping[str, Any] | Experiment, overrides: Sequence[str] | Mapping[str, Any] = (), *, trust: Trust = False
) -> LoadedExperiment:
    """The experiment that a file or a mapping describes.

    Args:
        source: a YAML file (``quickstart`` or ``launch/quickstart.yaml`` also find the files that come with netagents), a
            mapping of settings, or an experiment.
        overrides: words ``key=value`` with dotted keys and YAML values, or a mapping of dotted keys to values; the last wins.
        trust: whether code that a file in a run directory names may run; a file anywhere else is the person's own.

    Raises:
        SecurityError: the file belongs to a run directory and names code, and nobody said that it may run.
        ExperimentError: the file cannot be read or a setting is wrong; one line with file, line and key, or the override.
        UsageError: a word is not an override.
    """
    path: Path | None = None
    base = Path.cwd()
    foreign = False
    origins: dict[KeyPath, Origin]
    if isinstance(source, Experiment):
        values: Any = resolved(source)
        origins = {leaf: Origin("value", "value") for leaf, _ in leaves(values)}
        display_name = ""
    elif isinstance(source, Mapping):
        values = _plain_values(source, ())
        origins = {leaf: Origin("value", "value") for leaf, _ in leaves(values)}
        display_name = ""
    else:
        path, display_name = _find(source)
        foreign = of_a_run(path)
        if foreign and not path.is_file():
            raise ExperimentError("is not a regular file", where=display_name, fix="name the experiment file of a run, or your own")
        document = read_file(path, display_name)
        base = path.resolve().parent
        values = {} if document.values is None else document.values
        origins = {leaf: Origin("file", f"{display_name}:{line}", line) for leaf, line in document.lines.items()}
        if not isinstance(values, dict):
            raise ExperimentError("not a mapping of settings", where=display_name, fix="write lines such as 'kappa: 2'")
    renamed = rename_aliases(values, Experiment, origins)
    for override in override_words.read(overrides):
        place = canonical_path(override.path, values, Experiment)
        if place != override.path:
            renamed.append(Renamed(override.path, place, override.origin))
        plain = override._replace(path=place, value=_plain_values(override.value, override.path))
        override_words.apply(plain, values, origins, Experiment)
    renamed += rename_aliases(values, Experiment, origins)
    _complete(values, origins, path, display_name)
    embed_game(values, origins, base)
    locate_network(values, origins, base, packaged_directory("topologies"))
    try:
        experiment = _validate(values, origins, display_name)
    except ExperimentError as error:
        raise _as_written(error, renamed) from None
    if foreign:
        named = [each for each in named_code(experiment, running=True) if closest(tuple(each.key.split(".")), origins).source == "file"]
        refuse_named_code(named, trust, display_name, f"{ADD_TRUST}; a copy elsewhere counts as your own")
    notes = tuple(dict.fromkeys(each.text() for each in renamed))
    return LoadedExperiment(experiment, trace(resolved(experiment), origins, values), path, base, notes)


def resolved(experiment: Experiment) -> dict[str, Any]:
    """Every value as in JSON; :func:`load_experiment` of it gives an equal experiment."""
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


def _complete(values: dict[str, Any], origins: dict[KeyPath, Origin], path: Path | None, display_name: str) -> None:
    """What follows from other settings where nobody set it: the name from the file, policies from algorithms, groups' from everyone's."""
    if "name" not in values and path is not None:
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem).lstrip("_.-")[:64]
        if name:
            values["name"] = name
            origins[("name",)] = Origin("file", display_name)
    complete_policy(values, origins)
    complete_groups(values, origins)


def _validate(values: Mapping[str, Any], origins: Mapping[KeyPath, Origin], display_name: str) -> Experiment:
    overrides = {path: origin for path, origin in origins.items() if origin.source == "override"}

    def where(path: KeyPath) -> tuple[str, float]:
        origin = closest(path, origins, overrides)
        if origin.source == "file" and path:
            return origin.text, origin.line
        if origin.source == "override":
            # Overrides come after every line of the file.
            return f"override '{origin.text.removeprefix('override ')}'", float("inf")
        return display_name, 0

    try:
        # JSON's strictness is the right one: lists become tuples and 2 becomes 2.0, but true is no number and '5' no count.
        return Experiment.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise explain(error, Experiment, values, where) from None


def _as_written(error: ExperimentError, renamed: Sequence[Renamed]) -> ExperimentError:
    """The error with the name under which the file or the override has the setting."""
    for each in renamed:
        now = dotted(each.new)
        if error.what.startswith(f"{now}:"):
            what = f"{dotted(each.old)} (read as {now}):{error.what.removeprefix(f'{now}:')}"
            return ExperimentError(what, where=error.where, fix=error.fix)
    return error


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
