"""Wait markers: functions in which a node waits for others, registered by their code, so that the watchdog recognises them in stacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parents[1]


class MarkedWait(NamedTuple):
    """One function that waits.

    Attributes:
        what: for what, such as ``for messages``.
        file: below the package where it is part of it, because a container has the package elsewhere; else its whole path.
        function: the name that stacks show.
        first, last: its lines.
    """

    what: str
    file: str
    function: str
    first: int
    last: int


_WAITS: list[MarkedWait] = []


def waits(what: str) -> Callable[[Function], Function]:
    """Mark a function as one in which a node waits for others; it is not changed.

    Args:
        what: for what, such as ``for messages``.
    """

    def mark(function: Function) -> Function:
        if not isinstance(function, FunctionType):
            raise TypeError(f"{function!r} is no function of Python")
        code: CodeType = function.__code__
        lines = [line for _, _, line in code.co_lines() if line is not None]
        _WAITS.append(MarkedWait(what, _name(code.co_filename), code.co_name, min(lines), max(lines)))
        return function

    return mark


def find_wait(file: str, line: int, function: str) -> MarkedWait | None:
    """The marked function that a frame of a stack stands in; None where it stands in none."""
    name = _name(file)
    return next(
        (each for each in _WAITS if each.function == function and each.first <= line <= each.last and _is_file(each.file, name)), None
    )


def marked_waits() -> tuple[MarkedWait, ...]:
    """All functions that were marked in the modules that are loaded."""
    return tuple(_WAITS)


def _is_file(marked: str, name: str) -> bool:
    return name == marked or (not Path(marked).is_absolute() and name.endswith(f"/{_PACKAGE.name}/{marked}"))


def _name(file: str) -> str:
    path = Path(file)
    return path.relative_to(_PACKAGE).as_posix() if path.is_absolute() and path.is_relative_to(_PACKAGE) else file
