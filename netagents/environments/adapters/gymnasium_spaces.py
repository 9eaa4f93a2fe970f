"""Other people's spaces (gymnasium's) as ours: what is supported, and how values pass from one side to the other.

Observations: Discrete, Box, MultiDiscrete, MultiBinary, Dict and Tuple, nested as they like; a Dict with a key ``action_mask`` tells
which actions are legal, as PettingZoo's environments do.  Actions: Discrete, Box, MultiDiscrete and MultiBinary.  Nothing here
imports gymnasium: spaces are told apart by the names of their classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.feature_encoders import LARGEST_ONE_HOT, LARGEST_SPAN, unbounded_numbers
from netagents.environments.spaces import Box, Discrete, Space
from netagents.errors import EnvironmentMismatchError

FloatArray = NDArray[np.float64]
Read = Callable[[Any], FloatArray]

MASK_KEY, OBSERVATION_KEY = "action_mask", "observation"
LARGEST_ACTION = 1e9
"""Bounds of an action beyond this are no bounds: no policy could hit anything within them."""
LARGEST_JOINT = 1024
"""Most joint actions of a MultiDiscrete or MultiBinary space."""


class MisfitError(ValueError):
    """A value that is not of its space; the text goes on from "its observation"."""


@dataclass(frozen=True, slots=True)
class ObservationAdapter:
    """Observations of one agent.

    Attributes:
        space: ours.
        read: a value of theirs as ``(width,)`` float64, an index as one number; raises :class:`MisfitError`.
        width: how many numbers that is.
        masked: values are mappings that also hold an action mask.
        keyed: the observation itself lies under the key ``observation``.
        notes: what a user should know about how the space is read.
    """

    space: Space
    read: Read
    width: int
    masked: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionAdapter:
    """Actions of one agent: our space, a value of ours as they take it, and what a user should know about that."""

    space: Space
    write: Callable[[Any], Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Part of an observation: bounds of its numbers, and how they are read."""

    low: FloatArray
    high: FloatArray
    read: Read


def adapt_observation(space: Any, where: str) -> ObservationAdapter:
    """How the observations of an agent pass.

    Args:
        space: of theirs.
        where: names environment and agent in errors.

    Raises:
        EnvironmentMismatchError: the space is not supported.
    """
    kind = type(space).__name__
    if kind == "Dict" and MASK_KEY in space.spaces:
        rest = {key: part for key, part in space.spaces.items() if key != MASK_KEY}
        if set(rest) == {OBSERVATION_KEY}:
            inner = adapt_observation(rest[OBSERVATION_KEY], where)
            read: Read = lambda value: inner.read(_mapping(value, (OBSERVATION_KEY,))[OBSERVATION_KEY])  # noqa: E731
            return ObservationAdapter(inner.space, read, inner.width, True, inner.notes)
        if not rest:
            raise _unsupported(space, "observation", where)
        return _numbers_adapter(_composite(list(rest.items()), where), True)
    if kind == "Discrete":
        size, start = int(space.n), int(getattr(space, "start", 0))
        notes = () if size <= LARGEST_ONE_HOT else (f"an index of {size} values is read digit by digit in base 64, not one-hot",)
        return ObservationAdapter(Discrete(size), lambda value: np.array([_index(value, size, start)], dtype=np.float64), 1, False, notes)
    part = _numbers(space, where)
    shape = tuple(int(size) for size in space.shape) if kind == "Box" else None
    return _numbers_adapter(part, False, shape)


def _numbers_adapter(part: _Numbers, masked: bool, shape: tuple[int, ...] | None = None) -> ObservationAdapter:
    shaped = (len(part.low),) if shape is None else shape
    box = Box.of(part.low.reshape(shaped), part.high.reshape(shaped))
    free = unbounded_numbers(box)
    notes: tuple[str, ...] = ()
    if free:
        which = ", ".join(map(str, free[:6])) + (", ..." if len(free) > 6 else "")
        notes = (
            f"numbers {which} of its observation have no usable bounds (infinite, equal or more than {LARGEST_SPAN:g} apart) "
            "and are normalised by what is observed",
        )
    return ObservationAdapter(box, part.read, len(part.low), masked, notes)


def _numbers(space: Any, where: str) -> _Numbers:
    """A space other than a single index, as numbers."""
    kind = type(space).__name__
    if kind == "Box":
        return _box(space, where)
    if kind == "MultiBinary":
        shape = tuple(int(size) for size in np.atleast_1d(space.shape))
        zeros = np.zeros(prod(shape))
        return _Numbers(zeros, zeros + 1.0, lambda value: _array(value, shape))
    if kind == "Discrete":
        return _one_hot([int(space.n)], [int(getattr(space, "start", 0))], ())
    if kind == "MultiDiscrete":
        starts = np.asarray(getattr(space, "start", np.zeros_like(space.nvec)))
        return _one_hot(space.nvec.ravel().tolist(), starts.ravel().tolist(), tuple(space.nvec.shape))
    if kind == "Dict":
        return _composite(list(space.spaces.items()), where)
    if kind == "Tuple":
        return _composite(list(enumerate(space.spaces)), where)
    raise _unsupported(space, "observation", where)


def _box(space: Any, where: str) -> _Numbers:
    shape = tuple(int(size) for size in space.shape)
    low, high = np.asarray(space.low, dtype=np.float64).ravel(), np.asarray(space.high, dtype=np.float64).ravel()
    if low.size == 0:
        raise EnvironmentMismatchError(f"its observation space {_brief(space)} is empty", where=where, fix="a box has at least one number")
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    return _Numbers(low, high, lambda value: _array(value, shape))


def _one_hot(sizes: list[int], starts: list[int], shape: tuple[int, ...]) -> _Numbers:
    """Several indices, each one-hot."""
    edges = np.cumsum([0, *sizes]).tolist()

    def read(value: Any) -> FloatArray:
        whole = np.zeros(edges[-1])
        for index, size, start, first in zip(_array(value, shape), sizes, starts, edges, strict=False):
            whole[first + _index(index, size, start)] = 1.0
        return whole

    zeros = np.zeros(edges[-1])
    return _Numbers(zeros, zeros + 1.0, read)


def _composite(parts: list[tuple[Any, Any]], where: str) -> _Numbers:
    """The numbers of all parts one behind the other, in the order of the space."""
    inner = [(key, _numbers(space, where)) for key, space in parts]
    if not inner:
        raise EnvironmentMismatchError("its observation space is empty", where=where, fix="observe at least one number")
    keys = tuple(key for key, _ in inner)

    def read(value: Any) -> FloatArray:
        # A Dict's values come as mappings, a Tuple's in order.
        held = _mapping(dict(enumerate(value)) if isinstance(value, (tuple, list)) else value, keys)
        return np.concatenate([part.read(held[key]) for key, part in inner])

    return _Numbers(np.concatenate([part.low for _, part in inner]), np.concatenate([part.high for _, part in inner]), read)


def adapt_action(space: Any, where: str) -> ActionAdapter:
    """How the actions of an agent pass.

    Args:
        space: of theirs. where: names environment and agent in errors.

    Raises:
        EnvironmentMismatchError: the space is not supported, or a box has no bounds.
    """
    kind = type(space).__name__
    if kind == "Discrete":
        start = int(getattr(space, "start", 0))
        return ActionAdapter(Discrete(int(space.n)), lambda value: int(value) + start)
    if kind in ("MultiDiscrete", "MultiBinary"):
        return _joint_action(space, where)
    if kind == "Box":
        return _box_action(space, where)
    raise _unsupported(space, "action", where)


def _joint_action(space: Any, where: str) -> ActionAdapter:
    """Several indices as one: the joint index runs through the last of them first."""
    binary = type(space).__name__ == "MultiBinary"
    shape = tuple(int(size) for size in np.atleast_1d(space.shape))
    sizes = [2] * prod(shape) if binary else space.nvec.ravel().tolist()
    start = np.zeros(shape, dtype=np.int64) if binary else np.asarray(getattr(space, "start", np.zeros(shape)), dtype=np.int64)
    if prod(sizes) > LARGEST_JOINT:
        raise EnvironmentMismatchError(
            f"its action space {_brief(space)} has {prod(sizes)} joint actions",
            where=where,
            fix=f"use at most {LARGEST_JOINT}, or a Box whose numbers the environment rounds",
        )
    dtype = np.dtype(space.dtype)

    def write(value: Any) -> NDArray[Any]:
        indices: NDArray[Any] = np.array(np.unravel_index(int(value), sizes)).reshape(shape) + start
        written: NDArray[Any] = indices.astype(dtype)
        return written

    return ActionAdapter(Discrete(prod(sizes)), write)


def _box_action(space: Any, where: str) -> ActionAdapter:
    low, high = np.asarray(space.low, dtype=np.float64), np.asarray(space.high, dtype=np.float64)
    shape, dtype = tuple(int(size) for size in space.shape), np.dtype(space.dtype)
    bounded = (np.abs(low) <= LARGEST_ACTION).all() and (np.abs(high) <= LARGEST_ACTION).all()
    if low.size == 0 or not (bounded and (low < high).all()):
        raise EnvironmentMismatchError(
            f"its action space {_brief(space)} has no finite bounds",
            where=where,
            fix=f"give every action bounds within {LARGEST_ACTION:g}, low below high",
        )
    if dtype.kind in "iub":
        count = high - low + 1.0

        def nearest(value: Any) -> NDArray[Any]:
            # Every integer gets an equal share of [-1, 1], the outermost ones too.
            share = (np.asarray(value) + 1.0) / 2.0
            written: NDArray[Any] = (low + np.clip(np.floor(share * count), 0.0, count - 1.0)).astype(dtype)
            return written

        note = f"its action space {_brief(space)} is of integers: continuous actions are rounded; use Discrete where they are few"
        return ActionAdapter(Box(shape, -1.0, 1.0), nearest, (note,))
    if np.ptp(low) == 0.0 and np.ptp(high) == 0.0:
        return ActionAdapter(Box(shape, float(low.min()), float(high.max())), lambda value: np.asarray(value).astype(dtype))
    return ActionAdapter(Box(shape, -1.0, 1.0), lambda value: (low + (value + 1.0) / 2.0 * (high - low)).astype(dtype))


# -- values ----------------------------------------------------------------------------------------------------------------------


def _array(value: Any, shape: tuple[int, ...]) -> FloatArray:
    """Numbers of a shape, flat; one number may come with or without axes."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise MisfitError(f"is a {type(value).__name__} and no array of numbers") from error
    if array.dtype.kind not in "fiub":
        raise MisfitError(f"is {description(value)} and no array of numbers")
    if array.shape != shape and not (array.size == 1 == prod(shape)):
        raise MisfitError(f"has shape {array.shape}, its space {shape}")
    flat: FloatArray = array.astype(np.float64).reshape(-1)
    return flat


def _index(value: Any, size: int, start: int) -> int:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise MisfitError(f"is {description(value)} and no index")
    number = float(array.reshape(-1)[0])
    if not number.is_integer() or not start <= number < start + size:
        raise MisfitError(f"is {description(value)}, outside of its space {start}..{start + size - 1}")
    return int(number) - start


def _mapping(value: Any, keys: tuple[Any, ...]) -> Any:
    if not hasattr(value, "keys"):
        raise MisfitError(f"is {description(value)}, its space asks for {', '.join(map(str, keys))}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise MisfitError(f"has no '{missing[0]}', which its space has")
    return value


def description(value: Any) -> str:
    """A value of theirs in a few words."""
    if isinstance(value, np.ndarray) and value.size > 4:
        return f"an array of {value.dtype} {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def _unsupported(space: Any, what: str, where: str) -> EnvironmentMismatchError:
    names = "Discrete, Box, MultiDiscrete and MultiBinary"
    return EnvironmentMismatchError(
        f"its {what} space {_brief(space)} is not supported",
        where=where,
        fix=f"{names} are" + (", and Dict and Tuple of them" if what == "observation" else "") + "; wrap the environment",
    )


def _brief(space: Any) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
