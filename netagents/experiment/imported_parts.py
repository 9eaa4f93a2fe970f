"""Parts of your own, named in an experiment by import path or by entry point: how they are written, found and called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, TypeVar, get_origin

from pydantic import BaseModel

from netagents.errors import ExperimentError, NetagentsError
from netagents.experiment.base import written
from netagents.foreign.part_faults import brief, foreign_fault, place_of, register_module
from netagents.foreign.part_modules import import_module, refuse_shadowed, standard_module

Part = TypeVar("Part")

BROUGHT_IN = frozenset({"pettingzoo"})
"""Built-in kinds that run other people's code."""

CustomKind = Annotated[
    str,
    written(r"import:[A-Za-z_][\w.]*:[A-Za-z_][\w.]*|[A-Za-z_][\w.-]*", "write import:package.module:Class, or the name of an entry point"),
]
"""``import:package.module:Class``, or the name of an entry point."""


@dataclass(frozen=True, slots=True)
class PartKind:
    """One kind of part that users may supply.

    Attributes:
        noun: its name in messages: ``environment``, ``utility``, ``policy``.
        group: of the entry points under which installed packages offer such parts.
        built_in: kinds that come with netagents.
        base: the class to subclass, as a user would import it.
        own: classes of netagents that are found by name as those of other people are: name -> ``package.module:Class``.
    """

    noun: str
    group: str
    built_in: tuple[str, ...]
    base: str
    own: Mapping[str, str] = field(default_factory=dict)

    def known(self) -> str:
        """All available names, for messages."""
        return ", ".join(sorted({*self.built_in, *self.own, *entry_points(group=self.group).names}))

    def check_name(self, kind: str) -> str:
        """Refuse an unknown name, while the file's line is still known; a misspelt built-in kind lands here as well.

        Raises:
            ValueError: it is neither an import path nor an entry point.
        """
        if not kind.startswith("import:") and kind not in self.own and kind not in entry_points(group=self.group).names:
            raise ValueError(f"no {self.noun} is called '{kind}'; choose one of {self.known()}, or write import:package.module:Class")
        return kind

    def find(self, kind: str, where: str) -> Any:
        """What a kind names, imported and not called.

        Args:
            kind: import path or name.
            where: the key in the experiment.

        Raises:
            ExperimentError: it cannot be found, cannot be called, or belongs to Python itself.
        """
        if kind in self.own:
            module, _, name = self.own[kind].partition(":")
            return getattr(importlib.import_module(module), name)
        part = _imported(kind, where) if kind.startswith("import:") else self._offered(kind, where)
        if not callable(part):
            raise ExperimentError(f"it is a {type(part).__name__} and cannot be called", where=where, fix="name a class")
        if (origin := standard_module(part)) is not None:
            raise ExperimentError(f"it belongs to Python's own module {origin}", where=where, fix=f"name a subclass of {self.base}")
        register_module(str(getattr(part, "__module__", "")))
        return part

    def find_class(self, kind: str, base: type[Part], where: str) -> type[Part]:
        """The same, where only a class will do, because it is asked about its agents before there are any.

        Raises:
            ExperimentError: as :meth:`find`, or it is no subclass of what is wanted.
        """
        part = self.find(kind, where)
        if not (isinstance(part, type) and issubclass(part, base)):
            named = getattr(part, "__name__", type(part).__name__)
            raise ExperimentError(f"{named} is no class of {self.noun}s", where=where, fix=f"name a subclass of {self.base}")
        return part

    def make(self, kind: str, base: type[Part], arguments: Mapping[str, Any], parameters: Mapping[str, Any], where: str) -> Part:
        """Find the class and call it.

        Args:
            kind: import path or name.
            base: what the call must give.
            arguments: given by position, with their names for messages.
            parameters: given by keyword.
            where: the key in the experiment.

        Raises:
            ExperimentError: it cannot be found or called, or makes something else.
        """
        make = self.find(kind, where)
        try:
            made = make(*arguments.values(), **parameters)
        except NetagentsError:
            raise
        except SystemExit as error:
            raise foreign_fault(error, "it", where, make) from error
        except Exception as error:
            place = place_of(error)
            raise ExperimentError(
                f"calling it with ({', '.join((*arguments, *parameters))}) failed: {brief(error)}",
                where=where,
                fix="parameters must be the keyword arguments of the class" + (f"; see {place}" if place else ""),
            ) from error
        if kind not in self.own:
            register_module(type(made).__module__)
        if not isinstance(made, base):
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
                f"loading the entry point failed: {brief(error)}",
                where=where,
                fix="correct or reinstall the package that offers it",
            ) from error


def _imported(kind: str, where: str) -> Any:
    module_name, _, path = kind.removeprefix("import:").partition(":")
    try:
        value: Any = import_module(module_name)
    except Exception as error:
        raise ExperimentError(
            f"importing {module_name} failed: {brief(error)}",
            where=where,
            fix="write import:package.module:Class with a module that this Python can import" + _seen_at(error),
        ) from error
    refuse_shadowed(module_name, path, where)
    for part in path.split("."):
        if not hasattr(value, part):
            raise ExperimentError(f"module {module_name} has no '{path}'", where=where, fix="write import:package.module:Class")
        value = getattr(value, part)
    return value


def _seen_at(error: BaseException) -> str:
    place = None if isinstance(error, ModuleNotFoundError) else place_of(error)
    return "" if place is None else f"; see {place}"


def _own_kinds(settings: BaseModel) -> frozenset[str]:
    """Kinds that settings of other people's parts take as well, and that come with netagents."""
    return getattr(type(settings), "OWN_KINDS", frozenset())


def has_foreign_code(settings: BaseModel) -> bool:
    """Whether settings name, anywhere below them, a part that does not come with netagents."""
    for name, stated in type(settings).model_fields.items():
        value = getattr(settings, name)
        if name == "kind" and (value in BROUGHT_IN or (get_origin(stated.annotation) is not Literal and value not in _own_kinds(settings))):
            return True
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else (value,)
        if any(has_foreign_code(part) for part in parts if isinstance(part, BaseModel)):
            return True
    return False
