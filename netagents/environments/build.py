"""From settings to an environment: the built-in kinds, and those of other people by import path or entry point."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

from netagents.environments.contract import NetworkedMDP
from netagents.errors import ExperimentError, NetagentsError
from netagents.experiment.environment import BUILT_IN_KINDS, ENTRY_POINTS, CustomEnvironmentSettings, EnvironmentSettings
from netagents.topology import Topology

_CLASSES: dict[str, tuple[str, str]] = {
    "line_msg": ("netagents.environments.line_msg", "LineMsg"),
    "wireless_spdac": ("netagents.environments.wireless_spdac", "WirelessSpdac"),
    "wireless_qu_lin": ("netagents.environments.wireless_qu_lin", "WirelessQuLin"),
    "sis": ("netagents.environments.sis", "NetworkedSis"),
    "random_networked": ("netagents.environments.random_networked", "RandomNetworked"),
}


def build_environment(settings: EnvironmentSettings, topology: Topology) -> NetworkedMDP:
    """The environment that the settings describe, on this topology.

    Only the module of the chosen kind is imported.

    Args:
        settings: one of the built-in kinds, or :class:`CustomEnvironmentSettings`.
        topology: the graph of the agents.

    Raises:
        EnvironmentMismatchError: the environment does not fit the topology.
        ExperimentError: a custom environment cannot be found, called, or is no :class:`NetworkedMDP`.
    """
    if isinstance(settings, CustomEnvironmentSettings):
        return _custom(settings, topology)
    module, name = _CLASSES[settings.kind]
    environment: NetworkedMDP = getattr(importlib.import_module(module), name)(topology, settings)
    return environment


def _custom(settings: CustomEnvironmentSettings, topology: Topology) -> NetworkedMDP:
    make = _imported(settings.kind) if settings.kind.startswith("import:") else _entry_point(settings.kind)
    try:
        environment = make(topology, **settings.parameters)
    except NetagentsError:
        raise
    except Exception as error:
        raise ExperimentError(
            f"calling it with (topology, {', '.join(settings.parameters) or 'no parameters'}) failed: {type(error).__name__}: {error}",
            where=f"environment.kind '{settings.kind}'",
            fix="environment.parameters must be the keyword arguments of the class",
        ) from error
    if not isinstance(environment, NetworkedMDP):
        raise ExperimentError(
            f"it made a {type(environment).__name__}, which is no environment",
            where=f"environment.kind '{settings.kind}'",
            fix="name a subclass of netagents.environments.NetworkedMDP",
        )
    return environment


def _imported(kind: str) -> Callable[..., Any]:
    module_name, _, path = kind.removeprefix("import:").partition(":")
    where = f"environment.kind '{kind}'"
    try:
        found: Any = importlib.import_module(module_name)
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
    return _callable(found, where)


def _entry_point(name: str) -> Callable[..., Any]:
    where = f"environment.kind '{name}'"
    offered = importlib.metadata.entry_points(group=ENTRY_POINTS)
    known = sorted({*BUILT_IN_KINDS, *offered.names})
    if name not in offered.names:
        raise ExperimentError(
            "no environment has this name", where=where, fix=f"choose one of {', '.join(known)}, or write import:package.module:Class"
        )
    try:
        found = offered[name].load()
    except Exception as error:
        raise ExperimentError(
            f"loading the entry point failed: {type(error).__name__}: {error}",
            where=where,
            fix="mend or reinstall the package that offers it",
        ) from error
    return _callable(found, where)


def _callable(found: Any, where: str) -> Callable[..., Any]:
    if not callable(found):
        raise ExperimentError(f"it is a {type(found).__name__} and cannot be called", where=where, fix="name a class")
    made: Callable[..., Any] = found
    return made
