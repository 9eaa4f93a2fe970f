"""Game files: read when the experiment is loaded, so that a run no longer needs the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netagents.errors import ExperimentError
from netagents.experiment.game_table import GameTableError, read_game
from netagents.experiment.origins import Origin, leaves
from netagents.experiment.yaml_document import Document, KeyPath, read_file

RULES: KeyPath = ("environment", "rules")


def embed_game(values: Any, origins: dict[KeyPath, Origin], base: Path) -> None:
    """Put the tables of a game file where ``environment.rules`` names it; anything else stays as it is.

    Args:
        values: the experiment's plain values; changed in place.
        origins: where each setting comes from; changed alike.
        base: the folder that the path is relative to.

    Raises:
        ExperimentError: the file cannot be read or holds no game; one line with file, line and column.
    """
    environment = values.get("environment") if isinstance(values, dict) else None
    rules = environment.get("rules") if isinstance(environment, dict) else None
    if not (isinstance(environment, dict) and environment.get("kind") == "game" and isinstance(rules, dict)):
        return
    name = rules.get("path")
    if rules.get("kind") != "file" or not isinstance(name, str) or "\0" in name or set(rules) != {"kind", "path"}:
        return  # the settings say what is wrong
    if not (base / name).is_file():
        raise ExperimentError("no such game file", where=name, fix="paths are relative to the experiment file")
    document = read_file(base / name, name)
    try:
        read_game(document.values)
    except GameTableError as error:
        raise ExperimentError(error.what, where=_place(document, error.path, name), fix=error.fix) from None
    environment["rules"] = {"kind": "table", "game": document.values}
    for path in [path for path in origins if path[:2] == RULES]:
        del origins[path]
    for path, _ in leaves(document.values):
        line = document.lines[path]
        origins[(*RULES, "game", *path)] = Origin("file", f"{name}:{line}", line)
    origins[RULES] = origins[(*RULES, "kind")] = Origin("file", name)


def _place(document: Document, path: KeyPath, display_name: str) -> str:
    for length in range(len(path), -1, -1):
        if path[:length] in document.lines:
            return f"{display_name}:{document.lines[path[:length]]}:{document.columns[path[:length]]}"
    return display_name
