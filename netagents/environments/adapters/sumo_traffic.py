"""Traffic signals in SUMO (https://eclipse.dev/sumo): one agent per signal of a road network, B simulations, each a process of its own.

A simulation is neither pure nor can it be stored: a loaded state of SUMO does not continue as the simulation would have that it was saved
from.  So the environment cannot branch; every iteration starts it anew, from seeds of the run's counter-based randomness.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.adapters.traffic_copies import TrafficCopies
from netagents.environments.adapters.traffic_demand import demand_file
from netagents.environments.adapters.traffic_picture import TrafficMap
from netagents.environments.finite_mdp import joint_actions
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, IntArray, JointState, NetworkedMDP, Transition
from netagents.environments.picture import Picture
from netagents.environments.spaces import Box, Discrete
from netagents.errors import EnvironmentMismatchError, MissingPackageError
from netagents.experiment.network_file import digest_of
from netagents.experiment.traffic_settings import SumoSettings
from netagents.topology import Topology
from netagents.topology.graph_files import find_topology, graph_text
from netagents.topology.road_network import RoadNetwork, Signal, read_road_network

SPACING = 7.5
"""Metres of lane that a vehicle needs when it stands: length and gap of SUMO's default vehicle."""

LONGEST = 12
"""Decisions up to which an agent can tell how long its phase has lasted."""

FIRST = 3
"""Numbers of the joint state before those of agent 0: version, vehicles arrived, vehicles departed."""


class Crossing(NamedTuple):
    """A signal as its agent has it.

    Attributes:
        lanes: the lanes that lead to it.
        capacity: how many vehicles can stand on each, ``(L,)``.
        seconds: duration of each green phase in the network's own program.
        served: which lanes each green phase serves, ``(phases, L)`` bool.
        onward: of each lane, the lanes of other signals it leads to, as (agent, lane) pairs.
        begin: where its numbers begin in the joint state: vehicles standing, vehicles, both per lane; phase; how long it has lasted.
    """

    lanes: tuple[str, ...]
    capacity: FloatArray
    seconds: tuple[float, ...]
    served: NDArray[np.bool_]
    onward: tuple[tuple[tuple[int, int], ...], ...]
    begin: int

    @property
    def queues(self) -> slice:
        """Columns of the joint state: vehicles that stand, per lane."""
        return slice(self.begin, self.begin + len(self.lanes))

    @property
    def vehicles(self) -> slice:
        """Columns of the joint state: vehicles, per lane."""
        return slice(self.begin + len(self.lanes), self.phase)

    @property
    def phase(self) -> int:
        """Column of the joint state: the number of the green phase; behind it, for how many decisions it has lasted."""
        return self.begin + 2 * len(self.lanes)


class SumoTraffic(NetworkedMDP):
    """n traffic signals, agents, on a road network.

    The joint state is ``(B, 3 + ...)`` float64: version, vehicles that have arrived and departed, then the numbers of each
    :class:`Crossing`.  A step lasts ``interval`` seconds:

    1. each agent names a green phase of its signal.  One that changes shows yellow for ``yellow`` seconds to those who lose their green;
    2. SUMO simulates the interval second by second;
    3. agent i earns minus the number of vehicles that stand on the lanes that lead to it, averaged over the seconds of the interval;
       vehicles that cannot enter the network because their road is full stand, too.

    So minus the return of all agents, times ``interval``, is the seconds that vehicles have waited.  An agent observes, per lane, the share
    of its length that standing and that all vehicles take, the present phase (one-hot), and how long it has lasted: ``(2 L + phases + 1,)``
    float64 in [0, 1].

    Args:
        topology: node i is the signal of its name, or the i-th of the network where nodes are numbered.
        settings: network, traffic, and times.

    Raises:
        EnvironmentMismatchError: signals and nodes do not match, or the files are not those that the run was made with.
        MissingPackageError: libsumo is not installed.
        TopologyError: the network cannot be read.
    """

    def __init__(self, topology: Topology, settings: SumoSettings | None = None) -> None:
        settings = settings or SumoSettings()
        self.topology, self.settings = topology, settings
        self.where = f"environment 'sumo', network '{Path(settings.network).name}'"
        if importlib.util.find_spec("libsumo") is None:
            raise MissingPackageError("the package libsumo is not installed", where=self.where, fix="pip install 'netagents[sumo]'")
        if settings.yellow >= settings.interval:
            raise EnvironmentMismatchError(
                f"{settings.yellow} s of yellow in decisions of {settings.interval} s", where=self.where, fix="use a longer interval"
            )
        path = find_topology(settings.network if settings.network.endswith(".net.xml") else f"{settings.network}.net.xml")
        files = [path] if settings.routes is None else [path, Path(settings.routes)]
        if settings.digest is not None and digest_of(files) != settings.digest:
            raise EnvironmentMismatchError("the files are not those that the run was made with", where=self.where, fix="start a new run")
        self.network = read_road_network(graph_text(path, path.name), path.name)
        self.signals = _matched(self.network, topology, self.where)
        self.crossings = _crossings(self.network, self.signals)
        self._columns = self.crossings[-1].phase + 2
        self.notes = _notes(self.network, topology, self.signals)
        self.copies = TrafficCopies(self._order(path), self.where)
        self._map: TrafficMap | None = None
        self._version = 0
        all_agents = (tuple(range(topology.n)),) * topology.n
        self.spec = EnvironmentSpec(
            name="sumo",
            state_spaces=tuple(Box((2 * len(each.lanes) + len(each.seconds) + 1,), 0.0, 1.0) for each in self.crossings),
            action_spaces=tuple(Discrete(len(each.seconds)) for each in self.crossings),
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(1,),
            step_noise=(0,),
            reach_offset=1,
            state_scopes=all_agents,
            action_scopes=all_agents,
            capabilities=Capabilities(branchable=False, vectorized=False),
        )

    def open(self, copies: int, report: Callable[[int, int], None] | None = None) -> None:
        """Start the worker processes now, before anybody waits for a step."""
        self.copies.open(copies, report)

    def close(self) -> None:
        """End all worker processes."""
        self.copies.close()

    def reset(self, noise: FloatArray) -> JointState:
        """Every copy from a seed of its own: 31 bits of its uniform number, ``(B, 1)``."""
        self.copies.open(len(noise))
        reports = self.copies.reset((noise[:, 0] * (1 << 31)).astype(np.int64).tolist())
        return self._written(np.zeros((len(noise), self._columns)), reports)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:  # noqa: ARG002 - SUMO draws its own
        """One interval of every copy.

        Raises:
            EnvironmentMismatchError: ``state`` is not the newest one, or SUMO failed.
        """
        if not (state[:, 0] == self._version).all() or len(self.copies) < len(state):
            raise EnvironmentMismatchError(
                "it can only go on from its newest state", where=self.where, fix="it is not branchable: reset it and play again"
            )
        phases = joint_actions(actions)
        reports = self.copies.step(phases.tolist())
        after = state.copy()
        for i, each in enumerate(self.crossings):
            same = after[:, each.phase] == phases[:, i]
            after[:, each.phase + 1] = np.where(same, np.minimum(after[:, each.phase + 1] + 1.0, LONGEST), 0.0)
            after[:, each.phase] = phases[:, i]
        after = self._written(after, reports)
        stopped = np.array([report["stopped"] for report in reports])
        bounds = np.cumsum([0, *(len(each.lanes) for each in self.crossings)])
        rewards = np.stack([-stopped[:, low:high].sum(axis=1) for low, high in pairwise(bounds.tolist())], axis=1)
        never = np.zeros(len(state), dtype=np.bool_)
        return Transition(after, rewards, never, never)

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """``(B, 2 L_i + phases_i + 1)`` of each agent."""
        observations = []
        for each in self.crossings:
            shares = [np.minimum(state[:, columns] / each.capacity, 1.0) for columns in (each.queues, each.vehicles)]
            phases = np.arange(len(each.seconds)) == state[:, each.phase, None]
            observations.append(np.concatenate([*shares, phases, state[:, each.phase + 1, None] / LONGEST], axis=1))
        return observations

    def picture(self, state: JointState) -> Picture:
        """The network of the first copy, with vehicles on the lanes that lead to signals: red where they stand."""
        if self._map is None:
            self._map = TrafficMap(self.network, [each.lanes for each in self.crossings])
        row = state[0]
        lanes = [(row[each.queues], row[each.vehicles]) for each in self.crossings]
        phases = [each.served[int(row[each.phase])] for each in self.crossings]
        queued = int(sum(queues.sum() for queues, _ in lanes))
        return self._map.picture(lanes, phases, f"{queued} vehicles stand, {int(row[1])} have arrived")

    def _written(self, state: JointState, reports: Sequence[dict[str, Any]]) -> JointState:
        """The state with what the simulations report."""
        self._version += 1
        state[:, 0] = self._version
        state[:, 1] = [report["arrived"] for report in reports]
        state[:, 2] = [report["departed"] for report in reports]
        queues, vehicles = (np.array([report[name] for report in reports], dtype=np.float64) for name in ("queues", "vehicles"))
        first = 0
        for each in self.crossings:
            state[:, each.queues] = queues[:, first : first + len(each.lanes)]
            state[:, each.vehicles] = vehicles[:, first : first + len(each.lanes)]
            first += len(each.lanes)
        return state

    def _order(self, path: Path) -> dict[str, Any]:
        """What each worker is told first."""
        settings, entries = self.settings, set(self.network.entries)
        watched = [lane for each in self.crossings for lane in each.lanes]
        waiting = []
        for lane in watched:
            road = self.network.lanes[lane].road
            waiting.append(road if road in entries else "")
            entries.discard(road)
        return {
            "network": str(path.resolve()),
            "routes": None if settings.routes is None else str(Path(settings.routes).resolve()),
            "demand": demand_file(self.network, settings.demand, settings.begin),
            "begin": settings.begin,
            "warm_up": settings.warm_up,
            "interval": settings.interval,
            "yellow": settings.yellow,
            "signals": [signal.name for signal in self.signals],
            "greens": [[state for _, state in signal.greens] for signal in self.signals],
            "lanes": watched,
            "entries": waiting,
        }


def pressure(environment: SumoTraffic, counts: Sequence[IntArray | FloatArray], agent: int) -> FloatArray:
    """How much more traffic each lane of an agent holds than the lanes it leads to, on average: ``(B, L)``.

    Args:
        environment: with its crossings.
        counts: vehicles per lane of every agent, ``(B, L_j)``; lanes that belong to no signal count as empty.
        agent: which agent.
    """
    each = environment.crossings[agent]
    ahead = np.zeros(counts[agent].shape)
    for lane, onward in enumerate(each.onward):
        for other, lanes in onward:
            ahead[:, lane] += counts[other][:, lanes] / len(onward)
    difference: FloatArray = counts[agent] - ahead
    return difference


def _matched(network: RoadNetwork, topology: Topology, where: str) -> tuple[Signal, ...]:
    """The network's signals in the order of the graph's nodes: by name, else in the network's order."""
    signals, n = network.signals, topology.n
    listed = ", ".join(signal.name for signal in signals[:6]) + (", ..." if len(signals) > 6 else "")
    if len(signals) != n:
        fix = f"use its graph: topology: {{kind: file, path: {where.split(chr(39))[-2]}}}"
        raise EnvironmentMismatchError(f"it has {len(signals)} signals ({listed}), the topology {n} agents", where=where, fix=fix)
    if topology.labels == tuple(str(i) for i in range(n)):
        return signals
    by_name = {signal.name: signal for signal in signals}
    strangers = [label for label in topology.labels if label not in by_name]
    if strangers:
        raise EnvironmentMismatchError(f"it has no signal '{strangers[0]}'", where=where, fix=f"its signals are {listed}")
    return tuple(by_name[label] for label in topology.labels)


def _crossings(network: RoadNetwork, signals: Sequence[Signal]) -> tuple[Crossing, ...]:
    owner = {lane: (i, number) for i, signal in enumerate(signals) for number, lane in enumerate(signal.lanes)}
    on_road: dict[str, list[tuple[int, int]]] = {}
    for lane, place in owner.items():
        on_road.setdefault(network.lanes[lane].road, []).append(place)
    crossings, begin = [], FIRST
    for signal in signals:
        lanes = signal.lanes
        sources = np.array([lanes.index(link.source) for link in signal.links])
        served = np.zeros((len(signal.greens), len(lanes)), dtype=np.bool_)
        for phase, (_, state) in enumerate(signal.greens):
            served[phase, sources[[state[link.index] in "Gg" for link in signal.links]]] = True
        onward = tuple(
            tuple(
                dict.fromkeys(
                    place for link in signal.links if link.source == lane for place in on_road.get(network.lanes[link.target].road, ())
                )
            )
            for lane in lanes
        )
        capacity = np.maximum(np.array([network.lanes[lane].length for lane in lanes]) / SPACING, 1.0)
        crossings.append(Crossing(lanes, capacity, tuple(seconds for seconds, _ in signal.greens), served, onward, begin))
        begin = crossings[-1].phase + 2
    return tuple(crossings)


def _notes(network: RoadNetwork, topology: Topology, signals: Sequence[Signal]) -> tuple[str, ...]:
    number = {signal.name: i for i, signal in enumerate(signals)}
    neighbours = [tuple(sorted(number[network.signals[k].name] for k in pair)) for pair in network.neighbours()]
    apart = [pair for pair in neighbours if pair not in set(topology.edges)]
    if not apart:
        return ()
    i, j = apart[0]
    return (f"{len(apart)} pairs of signals are next to each other on the road but not in the topology, such as {i} and {j}",)
