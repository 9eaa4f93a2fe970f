"""Modules of other people's parts: found beside the experiment file and in the working directory as well as by Python itself."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from netagents.errors import ExperimentError
from netagents.foreign.part_faults import register_module

_FOLDERS: list[Path] = []


def search_folder(folder: Path) -> None:
    """Look for modules in a folder, too, such as that of the experiment file; the working directory always comes last."""
    resolved = folder.resolve()
    if resolved not in _FOLDERS:
        _FOLDERS.append(resolved)


def import_module(name: str) -> ModuleType:
    """Import a module of somebody else.

    Python's own order comes first; a module that it does not know is looked for beside the experiment file, then in the working
    directory.  The folder in which it lies then stays in ``sys.path``, for this process and for the nodes of its runs.

    Raises:
        ModuleNotFoundError: it is nowhere.
    """
    register_module(name)
    make_importable(name)
    return importlib.import_module(name)


def make_importable(name: str) -> None:
    """Add the folder of a module to ``sys.path`` where Python would not find it; imports nothing."""
    top = name.partition(".")[0]
    if top in sys.modules:
        return
    try:
        known = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        known = None
    # A folder of that name without an __init__.py is a namespace, which anything beats.
    if known is not None and known.origin is not None:
        return
    for folder in _folders():
        if _lies_in(folder, top):
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
            importlib.invalidate_caches()
            return


def refuse_shadowed(name: str, path: str, where: str) -> None:
    """Refuse a module of the user's that lost to one of the same name in the standard library, or that has what the other lacks.

    Args:
        name: of the module, which has been imported.
        path: dotted name of what is wanted of it.
        where: the setting.

    Raises:
        ExperimentError: says which file lost, and to which.
    """
    top = name.partition(".")[0]
    module = sys.modules.get(top)
    origin = getattr(module, "__file__", None)
    lost = next((folder for folder in _folders() if _lies_in(folder, top)), None)
    if lost is None or (origin is not None and Path(origin).resolve().is_relative_to(lost)):
        return
    if top in sys.stdlib_module_names or not hasattr(sys.modules.get(name), path.partition(".")[0]):
        owner = "Python's own" if top in sys.stdlib_module_names else f"the one in {origin}"
        raise ExperimentError(
            f"{_file(lost, top)} cannot be imported: module '{top}' is {owner}", where=where, fix="give your module another name"
        )


def standard_module(value: object) -> str | None:
    """The module of Python's standard library that a callable comes from, such as ``os`` or ``builtins``; None for all others.

    Nothing there is an environment, a policy or a utility, and much of it does harm when it is called.
    """
    while isinstance(value, functools.partial):
        value = value.func
    module = getattr(value, "__module__", None) or getattr(type(value), "__module__", None)
    top = str(module).partition(".")[0]
    return top if top in sys.stdlib_module_names and top != "__main__" else None


def _folders() -> list[Path]:
    try:
        return [*_FOLDERS, Path(os.getcwd())]  # noqa: PTH109 - Path.cwd() is the same call
    except OSError:  # the working directory was removed
        return list(_FOLDERS)


def _lies_in(folder: Path, top: str) -> bool:
    return (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file()


def _file(folder: Path, top: str) -> Path:
    file = folder / f"{top}.py"
    return file if file.is_file() else folder / top
