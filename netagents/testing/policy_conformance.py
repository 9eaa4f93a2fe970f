"""Conformance of a tabular policy to its contract: run it on your own before you train with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from netagents.errors import EnvironmentMismatchError, NetagentsError
from netagents.policies import TabularPolicy

FloatArray = NDArray[np.float64]
Result = TypeVar("Result")
MakePolicy = Callable[[Sequence[int], Sequence[int], int], TabularPolicy]

STEP = 1e-4
"""Half-width of the central differences that scores are compared with."""

SCORE_TOLERANCE = 1e-5
"""How far a score may be from central differences, relative to the largest one plus 1."""


def check_policy(make: MakePolicy, *, state_sizes: Sequence[int] = (2, 3), action_size: int = 3, seed: int = 0) -> None:
    """Check that a policy class keeps the contract of :class:`netagents.policies.TabularPolicy`; silent when it does.

    These rules are tried at parameters of zero and at random ones:

    * ``shape``: probabilities and logits are float64 of shape (contexts, actions);
    * ``distribution``: every entry is positive, every row sums to 1, and the same parameters give the same rows;
    * ``score``: ``score_sum(credit)`` is the gradient of sum credit * log pi, by central differences;
    * ``project``: what is projected stays finite, and projecting again changes nothing;
    * ``load``: a policy that took over another's parameters is the same policy.

    Args:
        make: called as ``make(window, state_sizes, action_size)``: the class, or a lambda with its parameters.
        state_sizes: of the window it is tried on.
        action_size: number of actions it is tried with.
        seed: of the random parameters.

    Raises:
        EnvironmentMismatchError: the first broken rule, in one line.
    """
    rng = np.random.default_rng(seed)
    window = tuple(range(len(state_sizes)))
    policy, twin = (_guarded("making it", lambda: make(window, tuple(state_sizes), action_size)) for _ in range(2))
    if not isinstance(policy, TabularPolicy):
        raise _broken("class", f"it made a {type(policy).__name__}", "subclass netagents.policies.TabularPolicy")
    shape = (int(np.prod(state_sizes)), action_size)
    for scale in (0.0, 0.5):
        theta = scale * rng.normal(size=shape)
        _guarded("load", partial(policy.load, theta))
        _check_rows(policy, shape)
        _check_score(policy, rng.normal(size=shape))
        projected = _guarded("project", partial(policy.project, theta, 2.5))
        again = policy.project(projected, 2.5)
        if projected.shape != shape or not np.isfinite(projected).all() or not np.array_equal(projected, again):
            raise _broken("project", "projecting twice changes the parameters", "give the nearest allowed parameters")
        twin.load(policy.logits)
        if not np.array_equal(twin.probabilities, policy.probabilities):
            raise _broken("load", "the same parameters give other probabilities", "keep nothing but the parameters")


def _check_rows(policy: TabularPolicy, shape: tuple[int, int]) -> None:
    rows = policy.probabilities
    if rows.shape != shape or rows.dtype != np.float64 or policy.logits.shape != shape:
        raise _broken("shape", f"probabilities are {rows.dtype} of shape {rows.shape}", f"give float64 of shape {shape}")
    if not ((rows > 0.0).all() and np.allclose(rows.sum(axis=1), 1.0, rtol=0.0, atol=1e-9)):
        raise _broken("distribution", "a row is no distribution", "make every entry positive and every row sum to 1")
    if not np.array_equal(policy.distribution(policy.logits), rows):
        raise _broken("distribution", "the same parameters give other probabilities", "make distribution a pure function")


def _check_score(policy: TabularPolicy, credit: FloatArray) -> None:
    actual = _guarded("score_sum", lambda: policy.score_sum(credit))
    expected = np.empty_like(credit)
    for place in np.ndindex(*credit.shape):
        ends = []
        for sign in (1.0, -1.0):
            theta = policy.logits.copy()
            theta[place] += sign * STEP
            ends.append(float((credit * np.log(policy.distribution(theta))).sum()))
        expected[place] = (ends[0] - ends[1]) / (2.0 * STEP)
    if actual.shape != credit.shape:
        raise _broken("score", f"score_sum gives shape {actual.shape}", f"give {credit.shape}, one number per parameter")
    error = float(np.abs(actual - expected).max()) / (1.0 + float(np.abs(expected).max()))
    if not error <= SCORE_TOLERANCE:
        raise _broken("score", f"score_sum is off its central differences by {error:.2g}", "differentiate sum credit * log pi")


def _guarded(what: str, call: Callable[[], Result]) -> Result:
    try:
        return call()
    except NetagentsError:
        raise
    except Exception as error:
        raise _broken(what, f"{type(error).__name__}: {error}", "mend the class") from error


def _broken(rule: str, actual: str, fix: str) -> EnvironmentMismatchError:
    return EnvironmentMismatchError(actual, where=f"policy, rule '{rule}'", fix=fix)
