"""Copies of somebody else's environment: made when they are needed, called with care, and closed once by the one who owns them."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from netagents.errors import EnvironmentMismatchError, ExperimentError, MissingPackageError, NetagentsError
from netagents.foreign.part_faults import definition, foreign_fault
from netagents.foreign.part_modules import import_module, refuse_shadowed, standard_module

_log = logging.getLogger(__name__)

EXTRA = {
    **dict.fromkeys(("pettingzoo", "mpe2", "gymnasium", "gymnasium_robotics", "mujoco"), "environments"),
    "lbforaging": "foraging",
}
"""Top-level modules that an extra brings, and which one."""

CLOSE_SECONDS = 2.0
"""For all copies of an environment to close; one that takes longer is left."""

_PARTS = ("possible_agents", "reset", "step", "observation_space", "action_space")

Report = Callable[[int, int], None]
"""Called as ``report(made, wanted)`` while copies are made."""


class EnvironmentCopies:
    """The copies of one environment in this process.

    Args:
        make: ``module:function`` that gives a ``ParallelEnv``.
        arguments: its keyword arguments.
        where: names the environment in errors.

    Raises:
        EnvironmentMismatchError: the function cannot be found.
        MissingPackageError: its package is not installed.
    """

    def __init__(self, make: str, arguments: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._function = _find(make, where)
        self._arguments = dict(arguments)
        self._copies: list[Any] = []

    def __len__(self) -> int:
        return len(self._copies)

    def __getitem__(self, copy: int) -> Any:
        return self._copies[copy]

    def open(self, count: int, report: Report | None = None) -> None:
        """Make copies until there are so many.

        Raises:
            ForeignCodeError: making one failed.
            EnvironmentMismatchError: what was made is no ``ParallelEnv``.
        """
        while len(self._copies) < count:
            self._copies.append(self._make())
            if report is not None:
                report(len(self._copies), count)

    def call(self, name: str, copy: int, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of a copy.

        Raises:
            ForeignCodeError: it failed; names file, line and function.
            ForeignExitError: it asked the process to end.
        """
        method = getattr(self._copies[copy], name)
        try:
            return method(*arguments, **keywords)
        except NetagentsError:
            raise
        except (Exception, SystemExit) as error:
            raise foreign_fault(error, f"its {name}", f"{self.where}, copy {copy}", method) from error

    def definition(self, name: str) -> str | None:
        """Where a method of theirs is defined, ``file:line in name``."""
        return definition(getattr(self._copies[0], name, None)) if self._copies else None

    def close(self) -> None:
        """Close every copy, within :data:`CLOSE_SECONDS`; what fails is only logged, because nothing depends on it any more.

        May be called again, and copies may be made anew afterwards.
        """
        copies, self._copies = self._copies, []
        if not copies:
            return
        deadline = time.monotonic() + CLOSE_SECONDS
        for number, copy in enumerate(copies):
            close = getattr(copy, "close", None)
            if not callable(close):
                continue
            where = f"{self.where}, copy {number}"
            try:
                _within(max(0.05, deadline - time.monotonic()), close)
            except _TooLateError:
                _log.warning("%s: its close took longer than %g s and was left; see %s", where, CLOSE_SECONDS, definition(close))
            except (Exception, SystemExit) as error:
                _log.warning("%s", foreign_fault(error, "its close", where, close))

    def _make(self) -> Any:
        hush_mujoco()
        try:
            made = self._function(**self._arguments)
        except ModuleNotFoundError as error:
            raise _missing(error, self.where) from error
        except NetagentsError:
            raise
        except (Exception, SystemExit) as error:
            raise foreign_fault(error, "making it", self.where, self._function) from error
        try:
            _check_made(made, self.where)
        except NetagentsError:
            with contextlib.suppress(Exception):
                made.close()
            raise
        return made


def _check_made(made: Any, where: str) -> None:
    kind = type(made).__name__
    if hasattr(made, "agent_iter") and hasattr(made, "last"):
        raise EnvironmentMismatchError(
            f"it made a {kind}, an AECEnv whose agents act in turn", where=where, fix="name the module's parallel_env, or wrap it"
        )
    try:
        missing = [part for part in _PARTS if not hasattr(made, part)]
    except Exception as error:
        raise foreign_fault(error, "looking at it", where) from error
    if missing:
        raise EnvironmentMismatchError(
            f"it made a {kind} without {missing[0]}", where=where, fix="name a function that gives a ParallelEnv"
        )
    for name in ("reset", "step", "observation_space", "action_space"):
        part = getattr(made, name)
        if not callable(part):
            raise EnvironmentMismatchError(
                f"its {name} is a {type(part).__name__}, not a method", where=where, fix=f"define {name}(agent), as ParallelEnv does"
            )
    if isinstance(made.possible_agents, str) or not hasattr(made.possible_agents, "__iter__") or not list(made.possible_agents):
        raise EnvironmentMismatchError(
            f"its possible_agents is {made.possible_agents!r}", where=where, fix="list the names of all agents before the first reset"
        )


class _TooLateError(BaseException):
    """Raised inside a call that takes too long; nobody's ``except Exception`` holds it up."""


def _within(seconds: float, call: Callable[[], Any]) -> None:
    """Call, for at most so long.

    In the main thread, where graphics and databases expect to be closed, a timer interrupts it and rings again until it is heard; in any
    other, a thread beside it does the call.

    Raises:
        _TooLateError: it did not return in time.
    """
    if threading.current_thread() is not threading.main_thread():
        failures: list[BaseException] = []
        beside = threading.Thread(target=_call_noting, args=(call, failures), daemon=True)
        beside.start()
        beside.join(seconds)
        if beside.is_alive():
            raise _TooLateError
        if failures:
            raise failures[0]
        return

    def ring(_number: int, _frame: object) -> None:
        raise _TooLateError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
        try:
            call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def _call_noting(call: Callable[[], Any], failures: list[BaseException]) -> None:
    try:
        call()
    except BaseException as error:
        failures.append(error)


def hush_mujoco() -> None:
    """MuJoCo's warnings go to the log, each once; by itself it writes a file into the working directory."""
    mujoco = sys.modules.get("mujoco")
    if mujoco is None or mujoco.get_mju_user_warning() is not None:
        return
    printed: set[str] = set()

    def warn(text: str) -> None:
        if text not in printed:
            printed.add(text)
            _log.warning("MuJoCo: %s", text)

    mujoco.set_mju_user_warning(warn)


def _find(path: str, where: str) -> Callable[..., Any]:
    """The class or function that ``module:function`` names, found without calling anything.

    Raises:
        EnvironmentMismatchError: there is none, or it is one of Python's own or a class that is no ParallelEnv; nothing of that is called.
        ForeignCodeError: importing its module failed.
        MissingPackageError: its package is not installed.
    """
    module_name, _, names = path.partition(":")
    if module_name.partition(".")[0] not in sys.stdlib_module_names:
        try:
            value: Any = import_module(module_name)
        except ModuleNotFoundError as error:
            raise _missing(error, where) from error
        except (Exception, SystemExit) as error:
            raise foreign_fault(error, f"importing {module_name}", where) from error
    else:
        # Imported by netagents itself or harmless to import; what is in it is not called.
        value = sys.modules.get(module_name)
    try:
        refuse_shadowed(module_name, names, where)
    except ExperimentError as error:
        raise EnvironmentMismatchError(error.what, where=where, fix=error.fix) from error
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        raise _no_environment(f"module {module_name} is one of Python's own", where)
    for name in names.split("."):
        value = getattr(value, name, None)
    if not callable(value):
        raise _no_environment(f"module {module_name} has no function '{names}'", where)
    if (origin := standard_module(value)) is not None:
        raise _no_environment(f"it belongs to Python's own module {origin}", where)
    if isinstance(value, type) and not (callable(getattr(value, "reset", None)) and callable(getattr(value, "step", None))):
        raise _no_environment(f"the class {value.__name__} is no ParallelEnv: it has no reset and step", where)
    function: Callable[..., Any] = value
    return function


def _no_environment(what: str, where: str) -> EnvironmentMismatchError:
    return EnvironmentMismatchError(what, where=where, fix="write module:function, such as mpe2.simple_spread_v3:parallel_env")


def _missing(error: ModuleNotFoundError, where: str) -> NetagentsError:
    package = (error.name or "").partition(".")[0]
    if package in EXTRA:
        fix = f"pip install 'netagents[{EXTRA[package]}]'"
        return MissingPackageError(f"the package {package} is not installed", where=where, fix=fix)
    fix = "install the package that has it, or put it beside the experiment file or into the working directory"
    return MissingPackageError(f"there is no module {error.name}", where=where, fix=fix)
