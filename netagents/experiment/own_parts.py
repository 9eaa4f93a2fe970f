"""Parts of your own, named in an experiment by import path or by entry point: how they are spelt, found and called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, TypeVar

from netagents.errors import ExperimentError, NetagentsError
from netagents.experiment.base import written

Part = TypeVar("Part")

CustomKind = Annotated[
    str,
    written(r"import:[A-Za-z_][\w.]*:[A-Za-z_][\w.]*|[A-Za-z_][\w.-]*", "write import:package.module:Class, or the name of an entry point"),
]
"""``import:package.module:Class``, or the name of an entry point."""


@dataclass(frozen=True, slots=True)
class PartKind:
    """One sort of part that people may bring.

    Attributes:
        noun: what it is called: ``environment``, ``utility``, ``policy``.
        group: of the entry points under which installed packages offer such parts.
        built_in: kinds that come with netagents.
        base: the class to subclass, as a user would import it.
    """

    noun: str
    group: str
    built_in: tuple[str, ...]
    base: str

    def known(self) -> str:
        """All names there are, for messages."""
        return ", ".join(sorted({*self.built_in, *entry_points(group=self.group).names}))

    def check_name(self, kind: str) -> str:
        """Refuse a name that nobody offers, while the file's line is still known; a misspelt built-in kind lands here as well.

        Raises:
            ValueError: it is neither an import path nor an entry point.
        """
        if not kind.startswith("import:") and kind not in entry_points(group=self.group).names:
            raise ValueError(f"no {self.noun} is called '{kind}'; choose one of {self.known()}, or write import:package.module:Class")
        return kind

    def make(self, kind: str, wanted: type[Part], arguments: Mapping[str, Any], parameters: Mapping[str, Any], where: str) -> Part:
        """Find the class and call it.

        Args:
            kind: import path or name.
            wanted: what the call must give.
            arguments: given by position, with their names for messages.
            parameters: given by keyword.
            where: the key in the experiment.

        Raises:
            ExperimentError: it cannot be found or called, or makes something else.
        """
        make = _imported(kind, where) if kind.startswith("import:") else self._offered(kind, where)
        if not callable(make):
            raise ExperimentError(f"it is a {type(make).__name__} and cannot be called", where=where, fix="name a class")
        try:
            made = make(*arguments.values(), **parameters)
        except NetagentsError:
            raise
        except Exception as error:
            raise ExperimentError(
                f"calling it with ({', '.join((*arguments, *parameters))}) failed: {type(error).__name__}: {error}",
                where=where,
                fix="parameters must be the keyword arguments of the class",
            ) from error
        if not isinstance(made, wanted):
            raise ExperimentError(
                f"it made a {type(made).__name__}, which is no {self.noun}", where=where, fix=f"name a subclass of {self.base}"
            )
        return made

    def _offered(self, name: str, where: str) -> Any:
        offered = entry_points(group=self.group)
        if name not in offered.names:
            raise ExperimentError(
                f"no {self.noun} has this name", where=where, fix=f"choose one of {self.known()}, or write import:package.module:Class"
            )
        try:
            return offered[name].load()
        except Exception as error:
            raise ExperimentError(
                f"loading the entry point failed: {type(error).__name__}: {error}",
                where=where,
                fix="mend or reinstall the package that offers it",
            ) from error


def _imported(kind: str, where: str) -> Any:
    module_name, _, path = kind.removeprefix("import:").partition(":")
    try:
        found: Any = _module(module_name)
    except Exception as error:
        raise ExperimentError(
            f"importing {module_name} failed: {type(error).__name__}: {error}",
            where=where,
            fix="write import:package.module:Class with a module that this Python can import",
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise ExperimentError(f"module {module_name} has no '{path}'", where=where, fix="write import:package.module:Class")
        found = getattr(found, part)
    return found


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        here = str(Path.cwd())
        if error.name != name.partition(".")[0] or here in sys.path:
            raise
    # As `python -m` would: the command's own sys.path does not hold the working directory.
    sys.path.append(here)
    importlib.invalidate_caches()
    return importlib.import_module(name)
