"""Nodes started by hand, without a launcher: on other hosts, in containers, under Slurm or Kubernetes."""

from __future__ import annotations

import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.errors import DeadlineError, RunDirectoryError, UsageError
from netagents.experiment import Timeouts
from netagents.experiment.load import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.messages import ENVIRONMENT, MONITOR
from netagents.nodes.bootstrap.node_keys import link_settings
from netagents.nodes.process.node_process import run_role
from netagents.records.reopened_run import complete, next_iteration, reopen
from netagents.records.run_directory import RunDirectory
from netagents.wire.security.key_bundles import hold_keys
from netagents.wire.transport.transport import LinkSettings, Transport, open_transport

OWN_ADDRESS = "own-address"
"""For ``--advertise``: the numeric address of this host's name.  A name would be looked up at each attempt to reach a node that has ended,
and without a name server each lookup blocks all other links of the connecting node."""

_ADDRESS_INTERVAL = 0.2
"""Seconds between lookups of this host's address."""
_AGENT = re.compile(r"agent[-_](\d{1,6})")
_CLOCK_BEGINS = 1_767_225_600.0  # 2026-01-01
_TICKS_PER_SECOND = 4.0  # an incarnation has 31 bits: enough for 17 years


def start_environment(
    source: str | Mapping[str, Any] | None,
    overrides: Sequence[str],
    listen: str,
    *,
    announce: Path | None,
    out: Path | None,
    log: Path | None,
    keys: Path | None = None,
    advertise: str | None = None,
    resume: Path | None = None,
    run: Path | None = None,
    lines: Path | None = None,
    status: Path | None = None,
    trust: bool = False,
    insecure: bool = False,
) -> tuple[int, Path]:
    """Create the run directory, or open an existing one, and serve the run from this process.

    Args:
        source: the experiment, a file or its settings; None for an existing run directory.
        overrides: settings to change.
        listen: own address. announce: file for the real endpoint.
        out: run directory to create. log: file. keys: folder. advertise: host under which others reach this node.
        resume: run directory of a run to continue from its newest checkpoint.
        run: run directory that a launcher has created, or has opened again to continue.
        lines: folder of the control pipes to that launcher.
        status: file for ``netagents health``.
        trust: whether code that the run directory names may run.
        insecure: whether tcp links on loopback may do without keys.

    Returns:
        The exit code, and the run directory.

    Raises:
        NetagentsError: the experiment is wrong, keys cannot be used, or the run cannot continue; nothing has been written.
    """
    link_arguments = _link_arguments(keys, advertise, insecure)
    links = link_settings(link_arguments, ENVIRONMENT)
    arguments = {"listen": listen, **link_arguments}
    if resume is not None:
        directory = RunDirectory.open(resume, trust)
        _check_address(listen, lambda transport: transport.listen(listen).close(), links)
        prepared, first = reopen(directory, overrides)
        if first >= prepared.experiment.learning.iterations:
            complete(directory, prepared)
            return 0, directory.path
        arguments["trust"] = "1"  # it would not have been opened otherwise
        arguments["resume_from"] = str(first)
    elif run is not None:
        directory = RunDirectory.open(run, trust)
        directory.require_trust()
        arguments["trust"] = "1"
        if lines is not None:
            arguments["lines"] = str(lines.absolute())
        if any(event["event"] == "started" for event in directory.events()):
            first = next_iteration(directory)
            if first >= directory.experiment().learning.iterations:
                raise RunDirectoryError(
                    "this run has all its iterations", where=str(run), fix="make a new one, or lengthen it by `netagents resume`"
                )
            arguments["resume_from"] = str(first)
    else:
        assert source is not None
        loaded = load_experiment(source, overrides, trust=trust)
        arguments["trust"] = "1"
        for note in loaded.notes:
            print(f"netagents: note: {note}", file=sys.stderr)
        prepared = prepare(loaded.experiment, loaded.base)
        experiment = prepared.experiment
        _check_address(listen, lambda transport: transport.listen(listen).close(), links)
        directory = RunDirectory.create(Path(experiment.runtime.directory), experiment.name, prepared.setup, launcher="by_hand", path=out)
    return _serve(directory, arguments, announce, log, status), directory.path


def _serve(directory: RunDirectory, arguments: dict[str, Any], announce: Path | None, log: Path | None, status: Path | None) -> int:
    from netagents.nodes.server.environment_server import run_environment

    arguments["run_directory"] = str(directory.path)
    if announce is not None:
        # An old file of a killed server would send nodes to a dead address.
        announce.unlink(missing_ok=True)
        arguments["announce"] = str(announce.resolve())
    with hold_keys(Path(arguments["keys"]) if "keys" in arguments else None, ENVIRONMENT):
        return _start("environment", run_environment, arguments, log, status)


def start_member(
    role: str,
    join: str,
    *,
    listen: str | None,
    log: Path | None,
    timeout_scale: float,
    keys: Path | None = None,
    advertise: str | None = None,
    allow_imports: bool = False,
    replace: bool = False,
    replay: Path | None = None,
    view: str | None = None,
    progress: bool = False,
    status: Path | None = None,
    insecure: bool = False,
) -> int:
    """Join a run as its monitor or as one of its agents; gives the exit code.

    Args:
        role: ``monitor``, ``agent-0``, ``agent-1``, ...
        join: address of the server.
        listen: own address. log: file. keys: folder. advertise: host under which others reach it. timeout_scale: before the Welcome.
        allow_imports: build parts that the experiment names by import path.
        replace: replace an earlier process of this role that has ended.
        replay: folder of the agent's replay buffer.
        view: endpoint for the monitor's views. progress: the monitor also logs the progress.
        status: file for ``netagents health``.
        insecure: whether tcp links on loopback may do without keys.

    Raises:
        UsageError: unknown role or invalid address.
        SecurityError: keys cannot be used, or are missing.
    """
    agent = _AGENT.fullmatch(role)
    if agent is None and role != "monitor":
        raise UsageError(f"no role is called '{role}'", fix="there are environment, monitor, and agent-0, agent-1, ...")
    link_arguments = _link_arguments(keys, advertise, insecure, timeout_scale)
    settings = link_settings(link_arguments, int(agent[1]) if agent else MONITOR)
    if not join.startswith("file://"):
        _check_address(join, lambda transport: transport.check(join), settings)
    if listen is not None:
        _check_address(listen, lambda transport: transport.listen(listen).close(), settings)
    arguments: dict[str, Any] = {"join": join, "timeout_scale": str(timeout_scale), **link_arguments}
    if allow_imports:
        arguments["allow_imports"] = "1"
    if replace:
        arguments["incarnation"] = str(_clock_incarnation())
    if listen is not None:
        arguments["listen"] = listen
    if replay is not None:
        arguments["replay"] = str(replay.absolute())
    if agent is None:
        from netagents.nodes.monitor.monitor_process import run_monitor

        if view is not None:
            arguments["view"] = view
        if progress:
            arguments["progress"] = "1"
        return _start("monitor", run_monitor, arguments, log, status)
    from netagents.nodes.agent.agent_process import run_agent

    # A supervisor that replaces nodes also restarts failed ones; an agent that the server has stopped must not be restarted.
    unsupervised = {} if replace else {"by_hand": "1"}
    return _start(f"agent_{int(agent[1])}", run_agent, {**arguments, **unsupervised, "index": agent[1]}, log, status)


def _clock_incarnation() -> int:
    """An incarnation above that of any earlier process of the role, from the clock, because nobody counts the starts."""
    return int((time.time() - _CLOCK_BEGINS) * _TICKS_PER_SECOND)


def own_host(seconds: float) -> str:
    """The numeric address of this host's own name.  A container that starts without a network has none until it is connected.

    Raises:
        DeadlineError: there was none for ``seconds``.
    """
    limit = time.monotonic() + seconds
    while True:
        try:
            addresses = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
            # IPv4 first: a host with both is reachable by it from everywhere.
            return str(min(addresses, key=lambda entry: entry[0] != socket.AF_INET)[4][0])
        except OSError as error:
            if time.monotonic() >= limit:
                what = f"waited {seconds:g} s for this host's own name to have an address: {error.strerror}"
                raise DeadlineError(
                    what, where=f"--advertise {OWN_ADDRESS}", fix="connect the host to a network, or name a host"
                ) from error
            time.sleep(_ADDRESS_INTERVAL)


def _link_arguments(keys: Path | None, advertise: str | None, insecure: bool, timeout_scale: float = 1.0) -> dict[str, str]:
    if keys is not None and insecure:
        raise UsageError("--keys and --insecure contradict each other", fix="leave out one of them")
    if advertise == OWN_ADDRESS:
        advertise = own_host(Timeouts(scale=timeout_scale).seconds("join"))
    arguments = {"keys": None if keys is None else str(keys.resolve()), "advertise": advertise, "insecure": "1" if insecure else None}
    return {name: value for name, value in arguments.items() if value is not None}


def _check_address(address: str, use: Callable[[Transport], None], settings: LinkSettings) -> None:
    """Refuse an invalid address, before anything is written or started."""
    if address.startswith("memory://"):
        raise UsageError(f"'{address[:200]}' does not leave its process", fix="write an address that begins with unix://, ipc:// or tcp://")
    transport = open_transport(address, settings)
    try:
        use(transport)
    finally:
        transport.close()


def _start(role: str, function: Any, arguments: dict[str, Any], log: Path | None, status: Path | None) -> int:
    # Without a launcher Ctrl-C and a closed terminal end the role as SIGTERM does.
    numbers = [number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM)) for number in numbers}
    try:
        # An environment may change the working directory.
        return run_role(role, lambda: function, arguments, log_path=log, status=None if status is None else status.absolute())
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
