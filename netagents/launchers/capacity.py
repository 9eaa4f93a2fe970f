"""Whether this machine can carry an experiment: cores, memory, limits, and room for records; looked at before anything is started."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import Literal

from netagents.environments.feature_encoders import width
from netagents.errors import CapacityError
from netagents.experiment import Experiment
from netagents.experiment.algorithm_settings import MaddpgSettings
from netagents.experiment.launcher_capabilities import stated_capabilities
from netagents.launchers.supervision.processes import allow_descriptors
from netagents.learning import Setup
from netagents.learning.algorithms.replay_layout import replay_bytes
from netagents.messages import Kind, RadiusKind
from netagents.messages.array_fields import ANY
from netagents.nodes.bootstrap.node_addresses import link_scheme
from netagents.nodes.bootstrap.run_shapes import shapes_of
from netagents.nodes.process.socket_directory import SUN_PATH_BYTES, SocketDirectory
from netagents.topology import Topology
from netagents.wire.codec.limits import LIMITS

Verdict = Literal["ok", "warning", "problem"]

_OWN_BYTES = 11_900_000
_BYTES_PER_AGENT = 1_900

_OTHER_PROCESSES = 4
_CRITIC_BYTES = 20
_ENTRY_OVERHEAD = 36
_PACKAGES = ("netagents", "numpy", "pyzmq", "msgpack", "pydantic", "safetensors", "pyarrow", "torch")
_LITTLE_ROOM = 200_000_000
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what, how it stands, and whether that is a problem."""

    what: str
    text: str
    verdict: Verdict = "ok"


def process_bytes(n: int) -> int:
    """Memory of a tabular node before its tables, with its share of common pages, in a run of ``n`` agents, of which each node keeps the
    graph, the spaces and the addresses: from runs of 100, 300 and 1 000 agents."""
    return _OWN_BYTES + _BYTES_PER_AGENT * n


def machine() -> list[Finding]:
    """What this machine offers, whatever will run on it."""
    findings = [Finding("python", f"{sys.version.split()[0]}, {sys.platform}")]
    findings.append(Finding("versions", ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)))
    findings.append(Finding("cores", str(cores())))
    memory = available_memory()
    findings.append(Finding("memory", "unknown" if memory is None else f"{memory / 1e9:.1f} GB available"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    findings.append(Finding("open files", f"{_limit(soft)}, can be raised to {_limit(hard)}"))
    findings.append(_sockets())
    scheme = link_scheme("auto")
    findings.append(Finding("links on this host", f"{scheme}: {'sockets of the kernel, without ZeroMQ' if scheme == 'unix' else 'ZeroMQ'}"))
    findings.extend(_room(Path(folder)) for folder in dict.fromkeys((tempfile.gettempdir(), "/dev/shm")))
    set_threads = {name: os.environ[name] for name in _THREADS if name in os.environ}
    environment = ", ".join(f"{name}={value}" for name, value in set_threads.items()) or "not set here"
    findings.append(Finding("BLAS threads", f"{environment}; every node is started with one"))
    return findings


def experiment_findings(setup: Setup, directory: Path) -> list[Finding]:
    """What would go wrong with an experiment on this machine.

    Args:
        setup: of the experiment, already known to fit its own settings.
        directory: where its run directory would be made.
    """
    experiment = setup.experiment
    stated = stated_capabilities(experiment.runtime.launcher)
    local = stated is not None and stated.forks_here
    nodes = setup.n + 2
    findings = [Finding("experiment", f"{experiment.name}: {setup.n} agents, {setup.spec.name}, {experiment.runtime.launcher}")]
    each = [agent_bytes(setup, agent) for agent in range(setup.n)]
    largest = max(range(setup.n), key=lambda agent: each[agent])
    needed = sum(each) + (process_bytes(setup.n) * (nodes + _OTHER_PROCESSES - 2) if local else 0)
    available = available_memory()
    needs = f"about {needed / 1e9:.2f} GB in all; the largest agent ({largest}) takes {each[largest] / 1e6:.0f} MB"
    if available is not None and needed > available:
        tables = sum(each) > needed / 2
        fix = (
            "lower kappa_critic, learning.batch or learning.critic.visited_limit"
            if tables
            else "use fewer agents or runtime.launcher=in_process"
        )
        needs += f", but {available / 1e9:.1f} GB are available; {fix}"
        findings.append(Finding("memory", needs, "problem"))
    else:
        findings.append(Finding("memory", needs, "warning" if available is not None and needed > 0.7 * available else "ok"))
    if local:
        findings.extend(_process_findings(experiment, nodes))
    findings.append(_room(_existing(directory), "run directory"))
    return findings


def _process_findings(experiment: Experiment, nodes: int) -> list[Finding]:
    findings = []
    here = cores()
    processes = f"{nodes} processes on {here} core{'s' if here > 1 else ''}"
    crowded = nodes > 25 * here
    more = "; they will take turns, so raise timeouts.scale or use runtime.launcher=in_process" if crowded else ""
    findings.append(Finding("processes", processes + more, "warning" if crowded else "ok"))
    try:
        allow_descriptors(nodes)()
        findings.append(Finding("open files", f"enough for {nodes} processes"))
    except CapacityError as error:
        findings.append(Finding("open files", str(error), "problem"))
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if limit != resource.RLIM_INFINITY and nodes + _OTHER_PROCESSES > limit:
        findings.append(Finding("process limit", f"{limit} are allowed, {nodes + _OTHER_PROCESSES} are needed; raise ulimit -u", "problem"))
    if experiment.runtime.transport != "tcp":
        sockets = _sockets()
        if sockets.verdict != "ok":
            findings.append(sockets)
    return findings


def check_processes(experiment: Experiment, topology: Topology) -> None:
    """Refuse a run whose processes this machine does not allow, before anything is built or written.

    Raises:
        CapacityError: too few open files or processes are allowed, or nowhere can the run's sockets be.
    """
    stated = stated_capabilities(experiment.runtime.launcher)
    if stated is None or not stated.forks_here:
        return
    nodes = topology.n + 1 + int(experiment.runtime.monitor)
    allow_descriptors(nodes)()
    limit, needed = resource.getrlimit(resource.RLIMIT_NPROC)[0], nodes + _OTHER_PROCESSES
    # The kernel does not hold root to it.
    if os.getuid() != 0 and limit != resource.RLIM_INFINITY and needed > limit:
        raise CapacityError(
            f"{nodes} processes are needed, and {limit} are allowed to this user",
            where="local launcher",
            fix="raise ulimit -u, use fewer agents or runtime.launcher=in_process",
        )
    SocketDirectory.create().remove()


def check_messages(setup: Setup) -> None:
    """Refuse a run whose largest messages could not travel, before anything is written.

    Raises:
        CapacityError: names the kind of message and its size.
    """
    stated = stated_capabilities(setup.experiment.runtime.launcher)
    if stated is not None and not stated.processes:
        return
    largest, kind = max(_largest_messages(setup))
    if largest > LIMITS.message_bytes:
        raise CapacityError(
            f"one {Kind(kind).name.lower()} message would have {largest:,} bytes, and at most {LIMITS.message_bytes:,} can travel",
            where="learning.batch",
            fix=f"use learning.batch={max(1, setup.batch * LIMITS.message_bytes // largest)} or a smaller horizon",
        )


def check_replay(setup: Setup) -> None:
    """Refuse replay buffers that this machine's memory could not hold, before anything is written.

    Raises:
        CapacityError: names their size, and what would fit.
    """
    each = [replay_bytes(setup, agent) for agent in range(setup.n)]
    available = available_memory()
    if available is None or sum(each) <= available:
        return
    # Whole iterations are kept, and a little beside them.
    algorithms = [agent.learning.algorithm for agent in setup.agents]
    largest = max(each.replay for each in algorithms if isinstance(each, MaddpgSettings))
    fits = max(0, int(largest * available / sum(each)) - 3 * setup.steps * setup.batch)
    raise CapacityError(
        f"the replay buffers of {sum(nbytes > 0 for nbytes in each)} agents, {largest:,} transitions each, need {sum(each) / 1e9:,.1f} GB,"
        f" and {available / 1e9:.1f} GB of memory are available",
        where="learning.algorithm.replay",
        fix=f"use learning.algorithm.replay={fits}" if fits else "use a smaller learning.batch, a smaller horizon or fewer agents",
    )


def _largest_messages(setup: Setup) -> Iterator[tuple[int, int]]:
    """Bytes of the messages that each agent is told, and their kinds; where a size is open, that of a whole batch."""
    for agent in range(setup.n):
        for (kind, _), ways in shapes_of(setup, agent).items():
            for way in ways:
                whole = (prod(setup.steps + 1 if size == ANY else size for size in form.shape) * form.dtype.itemsize for form in way[:2])
                yield sum(whole), int(kind)


def agent_bytes(setup: Setup, agent: int) -> int:
    """Memory that an agent's tables and batch may take, at most, in bytes."""
    experiment = setup.experiment
    policy = setup.reach[RadiusKind.POLICY].window(agent)
    critic = setup.reach[RadiusKind.CRITIC].window(agent)
    batch = setup.horizon * setup.batch * 8 * (4 + 2 * len(critic))
    if setup.agents[agent].uses_networks:
        spec = setup.spec
        features = sum(width(space) for j in critic for space in (spec.observation_spaces[j], spec.action_spaces[j]))
        return replay_bytes(setup, agent) + batch + setup.horizon * setup.batch * 8 * features
    (actions,) = setup.action_sizes((agent,))
    # Logits, probabilities and thresholds.
    table = 24 * prod(setup.state_sizes(policy)) * actions
    entries = prod(setup.state_sizes(critic)) * prod(setup.action_sizes(critic))
    settings = setup.agents[agent].learning.critic
    if entries <= settings.full_table_limit:
        critic_bytes = entries * (_CRITIC_BYTES + 8)
    else:
        # Only what is visited is stored, and a batch visits at most one entry per copy and step.
        visited = min(entries, settings.visited_limit, setup.horizon * setup.batch * experiment.learning.iterations)
        critic_bytes = visited * (_CRITIC_BYTES + 8 + _ENTRY_OVERHEAD)
    return table + critic_bytes + batch


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes of memory that can be had without swapping, within the container's limit; None where that cannot be told."""
    limits: list[int] = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        limits.extend(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8").strip()
        if limit != "max":
            limits.append(int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="utf-8")))
    except (OSError, ValueError, IndexError):
        pass
    return max(0, min(limits)) if limits else None


def _sockets() -> Finding:
    try:
        made = SocketDirectory.create()
    except CapacityError as error:
        return Finding("sockets", str(error), "problem")
    made.remove()
    length = len(os.fsencode(made.path))
    return Finding("sockets", f"in {made.path.parent}, {length} of {SUN_PATH_BYTES} bytes of path before the name")


def _room(folder: Path, name: str = "") -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(f"room in {folder}", f"cannot be told: {error.strerror}", "warning")
    what = f"room for the {name}" if name else f"room in {folder}"
    return Finding(what, f"{free / 1e9:.1f} GB free", "problem" if free < 10_000_000 else "warning" if free < _LITTLE_ROOM else "ok")


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return next(each for each in (folder, *folder.parents) if each.exists())


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
