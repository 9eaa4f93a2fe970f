"""Faults of other people's code: which modules are theirs, and an exception of theirs as one line with file, line and function."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import netagents
from netagents.errors import ForeignCodeError, ForeignExitError, NetagentsError

_OURS = str(Path(netagents.__file__).parent)
_FOREIGN: set[str] = set()


class ExitCall(SystemExit):
    """A call of ``os._exit`` that was kept from ending the process."""


def register_module(name: str) -> None:
    """Remember that a module, with all of its top-level package, is somebody else's code."""
    top = name.partition(".")[0]
    if top not in ("netagents", "builtins"):
        _FOREIGN.add(top)


def definition(function: Any) -> str | None:
    """Where a function or method is defined, ``file:line in name``; None for what is not written in Python."""
    if isinstance(function, type):
        function = function.__init__  # type: ignore[misc]
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return None if code is None else f"{code.co_filename}:{code.co_firstlineno} in {code.co_name}"


def place_of(error: BaseException, *, any_foreign: bool = False) -> str | None:
    """The innermost frame of other people's code that an exception came through, ``file:line in function``.

    Args:
        error: as it was caught.
        any_foreign: any code outside of netagents counts, where the modules that were registered do not appear at all; right where
            the call that failed is known to be one of theirs.

    Returns:
        None when the exception came through no such frame.
    """
    frames = list(_frames(error))
    foreign = [each for each in frames if str(each[0].f_globals.get("__name__", "")).partition(".")[0] in _FOREIGN]
    if not foreign and any_foreign:
        foreign = [each for each in frames if not each[0].f_code.co_filename.startswith(_OURS)]
    if not foreign:
        return None
    frame, line = foreign[-1]
    return f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    entry = error.__traceback__
    while entry is not None:
        yield entry.tb_frame, entry.tb_lineno
        entry = entry.tb_next


def brief(error: BaseException) -> str:
    """An exception in a few words: its class, and its message where it has one; ``SystemExit(0)`` shows its code."""
    if isinstance(error, SystemExit):
        return f"{'os._exit' if isinstance(error, ExitCall) else 'SystemExit'}({error.code!r})"
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def foreign_fault(error: BaseException, what: str, where: str, function: Callable[..., Any] | None = None) -> ForeignCodeError:
    """The error for a call of other people's code that failed.

    Args:
        error: what the call raised.
        what: the call, such as ``its step``.
        where: names the part, copy and agent.
        function: what was called; its definition is named where the exception came through no frame of theirs.
    """
    place = place_of(error, any_foreign=True) or (definition(function) if function is not None else None)
    fix = None if place is None else f"see {place}"
    if isinstance(error, SystemExit):
        return ForeignExitError(f"{what} asked the process to end with {brief(error)}", where=where, fix=fix)
    return ForeignCodeError(f"{what} failed: {brief(error)}", where=where, fix=fix)


@contextlib.contextmanager
def foreign_faults() -> Iterator[None]:
    """Turn an exception that came through registered code of other people into one line; all others pass as they are.

    Raises:
        ForeignCodeError: names file, line and function of their code.
    """
    try:
        yield
    except NetagentsError:
        raise
    except (Exception, SystemExit) as error:
        place = place_of(error, any_foreign=isinstance(error, ExitCall))
        if place is None:
            raise
        if isinstance(error, SystemExit):
            raise ForeignExitError(f"it asked the process to end with {brief(error)}", where=place) from error
        raise ForeignCodeError(brief(error), where=place, fix="correct the code there") from error
