"""From settings to an environment: the built-in kinds, and those of other people by import path or entry point."""

from __future__ import annotations

import importlib

from netagents.environments.networked_mdp import NetworkedMDP
from netagents.environments.validation import breach_of_spec
from netagents.errors import ForeignCodeError
from netagents.experiment.environment_settings import OWN_ENVIRONMENTS, CustomEnvironmentSettings, EnvironmentSettings
from netagents.foreign.part_faults import definition
from netagents.topology import Topology


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
        where = f"environment.kind '{settings.kind}'"
        made: NetworkedMDP = OWN_ENVIRONMENTS.make(settings.kind, NetworkedMDP, {"topology": topology}, settings.parameters, where)  # type: ignore[type-abstract]
        breach = breach_of_spec(made)
        if breach is not None:
            place = definition(type(made))
            raise ForeignCodeError(breach.what, where=where, fix=breach.fix + (f"; see {place}" if place else ""))
        return made
    module, _, name = settings.built_by.partition(":")
    environment: NetworkedMDP = getattr(importlib.import_module(module), name)(topology, settings)
    return environment
