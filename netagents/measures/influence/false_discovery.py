"""False-discovery control over many p-values: Benjamini-Hochberg (1995) and Benjamini-Yekutieli (2001).

The arithmetic is scipy's; here entries may be missing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import FloatArray

Control = Literal["benjamini_hochberg", "benjamini_yekutieli"]


class Discoveries(NamedTuple):
    """Which p-values are discoveries.

    Attributes:
        significant: bool, same shape as the p-values; False where p is NaN.
        adjusted: adjusted p-values, NaN where p is: the smallest rate at which the entry is a discovery.
        tests: number of p-values that are not NaN.
    """

    significant: NDArray[np.bool_]
    adjusted: FloatArray
    tests: int


def control_false_discoveries(p: FloatArray, rate: float = 0.05, control: Control = "benjamini_hochberg") -> Discoveries:
    """Choose the discoveries such that their expected false share is at most ``rate``.

    Benjamini-Hochberg holds for independent and positively dependent p-values, Benjamini-Yekutieli for any.

    Args:
        p: p-values of any shape; NaN entries are no tests.
        rate: the false-discovery rate, between 0 and 1.
        control: which procedure.

    Raises:
        ExperimentError: the rate, or a p-value, is outside [0, 1].
    """
    from scipy.stats import false_discovery_control

    values = np.asarray(p, dtype=np.float64)
    if not 0.0 < rate < 1.0:
        raise ExperimentError(f"a false-discovery rate of {rate:g}", where="influence", fix="a rate between 0 and 1, such as 0.05")
    known = ~np.isnan(values)
    tested = values[known]
    if tested.size and not (tested.min() >= 0.0 and tested.max() <= 1.0):
        raise ExperimentError(f"p-values from {tested.min():g} to {tested.max():g}", where="influence", fix="p-values in [0, 1]")
    adjusted = np.full(values.shape, np.nan)
    if tested.size:
        adjusted[known] = false_discovery_control(tested, method="bh" if control == "benjamini_hochberg" else "by")
    # The margin is for p-values such as 1/1800 whose product with 90 should be 0.05.
    significant = np.where(known, adjusted, np.inf) <= rate * (1.0 + 1e-12)
    return Discoveries(significant, adjusted, int(tested.size))


def penalty(tests: int, control: Control) -> float:
    """What a procedure multiplies the smallest of ``tests`` p-values by, beyond their number."""
    return float((1.0 / np.arange(1, tests + 1)).sum()) if control == "benjamini_yekutieli" else 1.0
