"""Reach: in- and out-neighbours of all agents, when each has a communication radius, possibly its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Literal

from netagents.errors import ExperimentError
from netagents.experiment import Experiment
from netagents.topology.neighbourhoods import Neighbourhoods


class Reach:
    """The neighbourhoods N_i^{kappa_i} of one kind of radius.

    With radii that differ between agents, in-neighbours and out-neighbours are different sets: j is an in-neighbour of i if
    d(i, j) <= kappa_i, and an out-neighbour of i if d(i, j) <= kappa_j.  So ``j in in_neighbours(i)`` if and only if
    ``i in out_neighbours(j)``.

    Args:
        neighbourhoods: distances on the graph.
        radii: kappa_i of each agent, in hops, >= 0 (:func:`spread_radius` makes them from one number).
        muted: hop distances within the radius over which nothing is sent.

    Raises:
        ExperimentError: not one radius per agent, or one below 0.
    """

    def __init__(self, neighbourhoods: Neighbourhoods, radii: Sequence[int], muted: Collection[int] = ()) -> None:
        self.neighbourhoods = neighbourhoods
        self.radii = spread_radius(tuple(radii), neighbourhoods.n, "radii")
        self.muted = frozenset(muted) - {0}
        self._out_neighbours: dict[int, tuple[int, ...]] = {}

    @property
    def n(self) -> int:
        """Number of agents."""
        return self.neighbourhoods.n

    def window(self, i: int) -> tuple[int, ...]:
        """N_i^{kappa_i}: the agents within i's radius, i included, ascending; without those at a muted distance."""
        near = self.neighbourhoods.within(i, self.radii[i])
        return tuple(j for j in near if self.neighbourhoods.distance(i, j) not in self.muted) if self.muted else near

    def in_neighbours(self, i: int) -> tuple[int, ...]:
        """The agents from which i receives: its window without itself, ascending."""
        return tuple(j for j in self.window(i) if j != i)

    def out_neighbours(self, i: int) -> tuple[int, ...]:
        """The agents to which i sends: the other agents j with d(i, j) <= kappa_j, ascending."""
        known = self._out_neighbours.get(i)
        if known is None:
            near = self.neighbourhoods.within(i, self._widest)
            if self._equal and not self.muted:
                place = near.index(i)
                known = near[:place] + near[place + 1 :]
            else:
                radii, hops = self.radii, self.neighbourhoods.distances(i, near)
                known = tuple(j for j, hop in zip(near, hops, strict=True) if j != i and hop <= radii[j] and hop not in self.muted)
            self._out_neighbours[i] = known
        return known

    @cached_property
    def _widest(self) -> int:
        return max(self.radii)

    @cached_property
    def _equal(self) -> bool:
        return min(self.radii) == self._widest


def spread_radius(radius: int | tuple[int, ...], n: int, name: str) -> tuple[int, ...]:
    """One radius per agent from a number for all or a number for each.

    Args:
        radius: hops, >= 0.
        n: number of agents.
        name: the setting, for messages, such as ``kappa_policy``.

    Raises:
        ExperimentError: not n radii, or one below 0.
    """
    radii = (radius,) * n if isinstance(radius, int) else tuple(int(each) for each in radius)
    if len(radii) != n:
        raise ExperimentError(f"{name}: {len(radii)} radii for {n} agents", fix=f"give one number for all, or {n} numbers")
    for agent, each in enumerate(radii):
        if each < 0:
            raise ExperimentError(f"{name}: {each} hops for agent {agent}", fix="radii are whole numbers from 0 on")
    return radii


def agent_radii(experiment: Experiment, n: int, name: Literal["policy", "critic", "gradient"]) -> tuple[int, ...]:
    """One radius of every agent, groups of agents with their own included.

    Raises:
        ExperimentError: a list of radii has not n of them.
    """
    radii = spread_radius(experiment.radius(name), n, f"kappa_{name}")
    own = {agent for group in experiment.agents for agent in group.agents}
    return tuple(experiment.radius_of(agent, name) if agent in own else radius for agent, radius in enumerate(radii))


class SelectedReach(Reach):
    """Neighbourhoods of which only some pairs count.

    Args:
        whole: all pairs.
        counts: (receiver, sender) -> whether the pair does; an agent always counts for itself.
    """

    def __init__(self, whole: Reach, counts: Callable[[int, int], bool]) -> None:
        super().__init__(whole.neighbourhoods, whole.radii, whole.muted)
        self._counts = counts

    def window(self, i: int) -> tuple[int, ...]:
        """The agents within i's radius that count for it, i included, ascending."""
        return tuple(j for j in super().window(i) if j == i or self._counts(i, j))

    def out_neighbours(self, i: int) -> tuple[int, ...]:
        """The other agents within whose radius i is, and for which it counts, ascending."""
        return tuple(j for j in super().out_neighbours(i) if self._counts(j, i))
