"""Experiment as short YAML that another host can read: for containers, which have no files of this host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from netagents.experiment import resolved
from netagents.experiment.load import LoadedExperiment
from netagents.experiment.origins import leaves
from netagents.learning.prepared_experiment import Prepared
from netagents.topology import stored_settings


def portable_text(loaded: LoadedExperiment, prepared: Prepared) -> str:
    """The experiment as short YAML: no defaults, graphs from files or generators edge by edge, and nothing of this host."""
    settings: dict[str, Any] = {}
    for path, value in leaves(resolved(loaded.experiment)):
        if path[0] != "runtime" and loaded.origins[path].source != "default":
            _put(settings, path, value)
    stored = stored_settings(prepared.experiment.topology, prepared.topology)
    if stored != prepared.experiment.topology:
        settings["topology"] = stored.model_dump(mode="json", exclude_defaults=True) | {"kind": stored.kind}
    if not prepared.experiment.runtime.monitor:
        settings["runtime"] = {"monitor": False}
    text = _dumped(settings, allow_unicode=True)
    # Characters that change the direction of text are printable to YAML; a reader would see another text than stands there.
    return text if all(line.isprintable() for line in text.split("\n")) else _dumped(settings, allow_unicode=False)


def _dumped(settings: dict[str, Any], *, allow_unicode: bool) -> str:
    text = yaml.safe_dump(_listed(settings), sort_keys=False, default_flow_style=None, width=140, allow_unicode=allow_unicode)
    return str(text).rstrip("\n")


def _put(tree: dict[Any, Any], path: Sequence[str | int], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _listed(value: Any) -> Any:
    """Mappings whose keys are numbers, as lists."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_listed(value[key]) for key in sorted(value)]
    return {key: _listed(below) for key, below in value.items()}
