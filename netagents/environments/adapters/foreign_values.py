"""What a ``ParallelEnv``'s reset and step gave, checked before anything is computed from it.

This is the one place where values of other people's environments are judged; training, evaluation and
:func:`netagents.testing.check_environment` all pass through it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.adapters.gymnasium_spaces import MASK_KEY, MisfitError, description

_API = "follow PettingZoo's present ParallelEnv interface"


class ResetResult(NamedTuple):
    """What reset gave: observations and infos by agent."""

    observations: Mapping[Hashable, Any]
    infos: Mapping[Hashable, Any]


class StepResult(NamedTuple):
    """What step gave, by agent."""

    observations: Mapping[Hashable, Any]
    rewards: Mapping[Hashable, Any]
    terminated: Mapping[Hashable, Any]
    truncated: Mapping[Hashable, Any]
    infos: Mapping[Hashable, Any]


def reset_result(result: Any) -> ResetResult:
    """The two parts of a reset.

    Raises:
        MisfitError: it gave something else, such as observations alone (the interface before infos).
    """
    if not isinstance(result, tuple) or len(result) != len(ResetResult._fields):
        raise MisfitError(f"gave {_amount(result)}, not observations and infos; {_API}")
    return ResetResult(*_mappings(result, ResetResult._fields))


def step_result(result: Any) -> StepResult:
    """The five parts of a step.

    Raises:
        MisfitError: it gave something else, such as four parts (the interface before truncations).
    """
    if not isinstance(result, tuple) or len(result) != len(StepResult._fields):
        raise MisfitError(f"gave {_amount(result)}, not observations, rewards, terminations, truncations and infos; {_API}")
    return StepResult(*_mappings(result, StepResult._fields))


def _mappings(parts: tuple[Any, ...], names: tuple[str, ...]) -> list[Mapping[Hashable, Any]]:
    for name, part in zip(names, parts, strict=True):
        if not isinstance(part, Mapping):
            raise MisfitError(f"gave {name} that are {description(part)}, not a dictionary by agent")
    return list(parts)


def _amount(result: Any) -> str:
    return f"{len(result)} values" if isinstance(result, tuple) else f"a {type(result).__name__}"


def reward_of(value: Any) -> float:
    """A reward: one number, with or without axes.  NaN and infinity pass; whoever adds them up refuses those.

    Raises:
        MisfitError: it is no number.
    """
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise MisfitError(f"is {description(value)} and no number")
    return float(array.reshape(-1)[0])


def flag_of(value: Any) -> bool:
    """Whether an agent has ended.

    Raises:
        MisfitError: it is no truth value.
    """
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf" or float(array.reshape(-1)[0]) not in (0.0, 1.0):
        raise MisfitError(f"is {description(value)} and no truth value")
    return bool(array.reshape(-1)[0])


def mask_of(value: Any, actions: int) -> NDArray[np.float64]:
    """``(actions,)`` ones and zeros, which actions are legal.

    Raises:
        MisfitError: of another length, or of something else than truth values.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise MisfitError(f"is {description(value)} and no list of truth values") from error
    if array.dtype.kind not in "biuf":
        raise MisfitError(f"is {description(value)} and no list of truth values")
    if array.size != actions:
        raise MisfitError(f"has {array.size} entries for {actions} actions")
    flat: NDArray[np.float64] = array.astype(np.float64).reshape(-1)
    if not ((flat == 0.0) | (flat == 1.0)).all():
        raise MisfitError(f"is {description(value)}; 1 marks a legal action, 0 one that is not")
    return flat


def mask_in(info: Any) -> Any:
    """The action mask that an info carries, or None."""
    return info.get(MASK_KEY) if isinstance(info, Mapping) else None
