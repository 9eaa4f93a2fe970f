"""Utilities of other people: found by import path or entry point, and probed before they are trusted."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from netagents.errors import ExperimentError, NetagentsError, UtilityError
from netagents.experiment.utility import UTILITY_ENTRY_POINTS, UTILITY_KINDS, CustomUtilitySettings
from netagents.utilities.contract import Utility


def custom_utility(settings: CustomUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    """Call the named class with (state_size, action_size, discount, **parameters) and probe what it makes.

    Raises:
        ExperimentError: it cannot be found or called, or is no :class:`Utility`.
        UtilityError: its value or its gradient is malformed at the uniform occupancy.
    """
    where = f"{where}.kind '{settings.kind}'"
    make = _imported(settings.kind, where) if settings.kind.startswith("import:") else _offered(settings.kind, where)
    if not callable(make):
        raise ExperimentError(f"it is a {type(make).__name__} and cannot be called", where=where, fix="name a class")
    try:
        utility = make(state_size, action_size, discount, **settings.parameters)
    except NetagentsError:
        raise
    except Exception as error:
        called = ", ".join(("state_size", "action_size", "discount", *settings.parameters))
        raise ExperimentError(
            f"calling it with ({called}) failed: {type(error).__name__}: {error}",
            where=where,
            fix="parameters must be the keyword arguments of the class",
        ) from error
    if not isinstance(utility, Utility):
        raise ExperimentError(
            f"it made a {type(utility).__name__}, which is no utility", where=where, fix="name a subclass of netagents.utilities.Utility"
        )
    _probe(utility, (state_size, action_size), discount, where)
    return utility


def _imported(kind: str, where: str) -> Any:
    module_name, _, path = kind.removeprefix("import:").partition(":")
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
    return found


def _offered(name: str, where: str) -> Any:
    offered = entry_points(group=UTILITY_ENTRY_POINTS)
    if name not in offered.names:
        known = ", ".join(sorted({*UTILITY_KINDS, *offered.names}))
        raise ExperimentError("no utility has this name", where=where, fix=f"choose one of {known}, or write import:package.module:Class")
    try:
        return offered[name].load()
    except Exception as error:
        raise ExperimentError(
            f"loading the entry point failed: {type(error).__name__}: {error}",
            where=where,
            fix="mend or reinstall the package that offers it",
        ) from error


def _probe(utility: Utility, shape: tuple[int, int], discount: float, where: str) -> None:
    uniform = np.full(shape, 1.0 / ((1.0 - discount) * shape[0] * shape[1]))
    try:
        value, gradient = utility.value(uniform), utility.gradient(uniform)
    except UtilityError:
        return  # Undefined at the uniform occupancy is allowed: the run may never meet it.
    except Exception as error:
        raise UtilityError(
            f"it failed at the uniform occupancy: {type(error).__name__}: {error}",
            where=where,
            fix="value and gradient take a (states, actions) float64 array",
        ) from error
    if not (isinstance(value, float) and np.isfinite(value)):
        raise UtilityError(f"its value at the uniform occupancy is {value!r}", where=where, fix="value returns a finite float")
    wanted = f"gradient returns a fresh, finite, C-contiguous float64 array of shape {shape}"
    if not isinstance(gradient, np.ndarray):
        raise UtilityError(f"its gradient is a {type(gradient).__name__}", where=where, fix=wanted)
    if gradient.shape != shape or gradient.dtype != np.float64 or not gradient.flags.c_contiguous:
        raise UtilityError(f"its gradient is {gradient.dtype} of shape {gradient.shape}", where=where, fix=wanted)
    if not np.isfinite(gradient).all():
        raise UtilityError("its gradient at the uniform occupancy is not finite", where=where, fix=wanted)
