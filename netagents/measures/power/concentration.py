"""Concentration of power: top share, Herfindahl index and Gini coefficient of the power that agents hold, and how much of it is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.measures.power.power_matrix import PowerMatrix

FloatArray = NDArray[np.float64]

COVERED = 0.75
"""Share of all power that reliable entries must account for, before anything is said about shares."""


class Concentration(NamedTuple):
    """Concentration of held power h_j = sum_i P[j, i] over the entries that are reliable.

    Where these do not account for most of what there may be, the shares are NaN, ``top_holder`` is -1 and ``leaders`` is empty: not known.

    Attributes:
        held: (n,) power held by each agent.
        top_holder: the agent that holds most, -1 when it is not known.
        top_share: its share of all held power.
        top_error: how far that share may be off, by the errors of the agent's entries and by what is not known.
        leaders: the agents that may hold most, given the errors of all entries; the top holder alone where it stands out.
        herfindahl: sum of squared shares, from 1/n (equal) to 1 (one agent holds all).
        gini: Gini coefficient of the held power, 0 (equal) to (n - 1)/n.
        largest: the largest single entry.
        covered: held power, as a share of it and all that the other pairs, which could have power, may hold; 0 when nothing is held.
    """

    held: FloatArray
    top_holder: int
    top_share: float
    top_error: float
    leaders: tuple[int, ...]
    herfindahl: float
    gini: float
    largest: float
    covered: float


def held_entries(matrix: PowerMatrix) -> FloatArray:
    """(n, n) the entries over which concentration is taken, NaN elsewhere: reliable ones, of pairs that can influence each other.

    What is measured between pairs that cannot is noise, and power that an agent cannot have is not power that it holds.
    """
    return np.where(matrix.reliable & ~matrix.impossible, matrix.values, np.nan)


def concentration(matrix: PowerMatrix) -> Concentration:
    """Concentration over :func:`held_entries`.

    A pair that is near enough to be measured but whose entry is not reliable may hold as much as its estimate and error together, and one
    of which nothing is known as much as the largest reliable entry.
    """
    entries = held_entries(matrix)
    counted = np.isfinite(entries)
    held = np.where(counted, np.maximum(entries, 0.0), 0.0).sum(axis=1)
    total = float(held.sum())
    nan = float("nan")
    if not counted.any() or total <= 0.0:
        return Concentration(held, -1, nan, nan, (), nan, nan, nan, 0.0)
    largest = float(entries[counted].max())
    open_pairs = matrix.near & ~matrix.impossible & ~counted
    most = np.where(np.isfinite(matrix.values), np.maximum(matrix.values + matrix.error, 0.0), largest)
    doubt = np.where(open_pairs, most, 0.0).sum(axis=1)
    covered = total / (total + float(doubt.sum()))
    if covered < COVERED:
        return Concentration(held, -1, nan, nan, (), nan, nan, largest, covered)
    error = np.where(counted, matrix.error, 0.0).sum(axis=1)
    shares = held / total
    n = len(held)
    ordered = np.sort(held)
    gini = float((2.0 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
    top = int(np.argmax(held))
    leaders = np.flatnonzero(held + error + doubt >= held[top] - error[top])
    top_error = float((error[top] + doubt[top]) / total + shares[top] * (1.0 - covered))
    return Concentration(
        held, top, float(shares[top]), top_error, tuple(leaders.tolist()), float((shares * shares).sum()), gini, largest, covered
    )
