"""Placement of agents on hosts: the partition of the graph that cuts few bytes, and how many bytes cross between hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netagents.learning import Setup
from netagents.learning.pair_traffic import Pair, pair_payload
from netagents.topology.graph_partition import cut_weight, part_sizes, partition


@dataclass(frozen=True)
class Placement:
    """Which agents run on which host.

    Attributes:
        agents: per host, ascending.
        crossing: payload bytes per iteration between hosts. whole: between all agents.
    """

    agents: tuple[tuple[int, ...], ...]
    crossing: int
    whole: int

    def host_of(self, agent: int) -> int:
        """The number of an agent's host."""
        return next(host for host, agents in enumerate(self.agents) if agent in agents)

    def sentence(self, names: Sequence[str]) -> str:
        """Who has how many agents, and how much crosses between hosts."""
        shares = ", ".join(f"{len(agents)} on {name}" for name, agents in zip(names, self.agents, strict=True) if agents)
        part = f"{self.crossing / self.whole:.0%} of the" if self.whole else "no"
        return f"agents: {shares}; {part} bytes between agents cross between hosts"


def place_agents(setup: Setup, slots: Sequence[int], pairs: dict[Pair, int] | None = None) -> Placement:
    """Spread the agents over hosts in proportion to their slots, with heavy pairs together.

    Args:
        setup: of the experiment.
        slots: of each host.
        pairs: what :func:`~netagents.learning.pair_traffic.pair_payload` gives, where it is known.

    Raises:
        ValueError: there are fewer slots than agents.
    """
    weights = pair_payload(setup) if pairs is None else pairs
    used = len(slots) if len(slots) <= setup.n else setup.n
    parts = partition(setup.n, weights, [*part_sizes(setup.n, slots[:used] if sum(slots[:used]) >= setup.n else slots)])
    parts += [()] * (len(slots) - len(parts))
    return Placement(tuple(parts), round(cut_weight(weights, parts)), sum(weights.values()))
