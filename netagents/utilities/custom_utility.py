"""Utilities of other people: found by import path or entry point, and probed before they are trusted."""

from __future__ import annotations

import numpy as np

from netagents.errors import UtilityError
from netagents.experiment.utility_settings import OWN_UTILITIES, CustomUtilitySettings
from netagents.foreign.part_values import check_array, check_number
from netagents.utilities.utility import Utility


def custom_utility(settings: CustomUtilitySettings, state_size: int, action_size: int, discount: float, where: str) -> Utility:
    """Call the named class with (state_size, action_size, discount, **parameters) and probe what it makes.

    Raises:
        ExperimentError: it cannot be found or called, or is no :class:`Utility`.
        UtilityError: its value or its gradient is malformed at the uniform occupancy.
    """
    where = f"{where}.kind '{settings.kind}'"
    arguments = {"state_size": state_size, "action_size": action_size, "discount": discount}
    utility: Utility = OWN_UTILITIES.make(settings.kind, Utility, arguments, settings.parameters, where)  # type: ignore[type-abstract]
    _probe(utility, (state_size, action_size), discount, where)
    _judge(utility, (state_size, action_size))
    return utility


def _judge(utility: Utility, shape: tuple[int, int]) -> None:
    """From here on, every value and gradient is looked at before anything is computed from it."""
    value, gradient = utility.value, utility.gradient
    utility.value = lambda occupancy: check_number(value(occupancy), value)  # type: ignore[method-assign]
    utility.gradient = lambda occupancy: check_array(gradient(occupancy), shape, gradient)  # type: ignore[method-assign]


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
    requirement = f"gradient returns a fresh, finite, C-contiguous float64 array of shape {shape}"
    if not isinstance(gradient, np.ndarray):
        raise UtilityError(f"its gradient is a {type(gradient).__name__}", where=where, fix=requirement)
    if gradient.shape != shape or gradient.dtype != np.float64 or not gradient.flags.c_contiguous:
        raise UtilityError(f"its gradient is {gradient.dtype} of shape {gradient.shape}", where=where, fix=requirement)
    if not np.isfinite(gradient).all():
        raise UtilityError("its gradient at the uniform occupancy is not finite", where=where, fix=requirement)
