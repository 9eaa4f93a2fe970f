"""Tables over states, actions or pairs as settings write them, target distributions among them: checked before they are used."""

from __future__ import annotations

from itertools import chain

import numpy as np

from netagents.errors import UtilityError
from netagents.experiment.utility_settings import Target
from netagents.utilities.marginal import Marginal
from netagents.utilities.utility import FloatArray

SUM_TOLERANCE = 1e-6
"""How far from 1 a written target may sum; it is then divided by its sum."""


def marginal_table(table: Target, marginal: Marginal, where: str, name: str, numbers: str) -> FloatArray:
    """The written numbers as an array of the marginal's shape.

    Args:
        name: what the table is called in the settings, for error messages.
        numbers: what its entries are, for error messages.

    Raises:
        UtilityError: wrong shape.
    """
    rows = [row if isinstance(row, tuple) else (row,) for row in table]
    nested = any(isinstance(row, tuple) for row in table)
    if marginal.over == "state_action":
        fits = nested and len(rows) == marginal.state_size and all(len(row) == marginal.action_size for row in rows)
        fix = f"give {marginal.state_size} rows (local states) of {marginal.action_size} {numbers} (local actions)"
    else:
        fits = not nested and len(rows) == marginal.outcomes
        fix = f"give {marginal.outcomes} {numbers}, one per local {marginal.over}"
    if not fits:
        widths = " or ".join(str(width) for width in sorted({len(row) for row in rows}))
        actual = f"{len(rows)} rows of {widths} numbers" if nested else f"{len(rows)} numbers"
        raise UtilityError(f"{name} over {marginal.over} of {actual}", where=where, fix=fix)
    return np.array(list(chain.from_iterable(rows)), dtype=np.float64).reshape(marginal.shape)


def target_distribution(target: Target, marginal: Marginal, where: str) -> FloatArray:
    """The target as an array of the marginal's shape that sums to one.

    Raises:
        UtilityError: wrong shape, a negative entry, or a sum other than 1.
    """
    numbers = marginal_table(target, marginal, where, "a target", "probabilities")
    if (numbers < 0.0).any():
        worst = int(numbers.argmin())
        raise UtilityError(
            f"the target is {numbers.flat[worst]:g} at {marginal.label(worst)}",
            where=where,
            fix="probabilities are at least 0 and sum to 1",
        )
    total = float(numbers.sum())
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise UtilityError(f"the target sums to {total:.9g}", where=where, fix="probabilities sum to 1")
    return numbers / total
