"""What all checks of an environment share: how a broken rule is said, legal actions to play, and when two outcomes are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import JointState, NetworkedMDP
from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError, NetagentsError

TOLERANCE = 1e-9
"""Relative and absolute: how far float states and rewards of the same copy may differ when the batch around it changes."""


def broken(environment: NetworkedMDP, rule: str, what: str, fix: str) -> EnvironmentMismatchError:
    """The error for a broken rule."""
    return EnvironmentMismatchError(what, where=f"environment '{environment.spec.name}' breaks rule '{rule}'", fix=fix)


def guarded(environment: NetworkedMDP, rule: str, call: Callable[[], Any]) -> Any:
    """What a call of the environment gives; a failure inside it is a broken rule."""
    try:
        return call()
    except NetagentsError:
        raise
    except Exception as error:
        fix = "it must work for any number of copies and any noise in [0, 1)"
        raise broken(environment, rule, f"the call failed with {type(error).__name__}: {error}", fix) from error


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Equal to the last bit; NaN equals NaN."""
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def close(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Equal up to rounding."""
    if left.dtype.kind == "f":
        return left.shape == right.shape and bool(np.allclose(left, right, rtol=TOLERANCE, atol=TOLERANCE))
    return same(left, right)


def random_actions(environment: NetworkedMDP, state: JointState, rng: np.random.Generator) -> list[NDArray[Any]]:
    """Legal actions of all agents, drawn at random."""
    copies = len(state)
    masks = environment.action_masks(state)
    actions: list[NDArray[Any]] = []
    for i, space in enumerate(environment.spec.action_spaces):
        if isinstance(space, Discrete):
            legal = np.ones((copies, space.size), dtype=np.bool_) if masks is None else masks[i]
            actions.append(np.argmax(rng.random((copies, space.size)) * legal + legal, axis=1).astype(np.int64))
        elif np.isfinite(space.low) and np.isfinite(space.high):
            actions.append(rng.uniform(space.low, space.high, size=(copies, *space.shape)))
        else:
            actions.append(np.clip(rng.standard_normal((copies, *space.shape)), space.low, space.high))
    return actions
