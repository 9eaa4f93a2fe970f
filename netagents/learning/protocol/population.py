"""Populations of seats: which member of whose population plays at which seat in each generation, and who learns, by a seeded lottery.

Every node works the lottery out for itself: it is a pure function of the run's seed and the generation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from netagents.randomness import Purpose, stream

_MOST_GENERATIONS = 20_000
"""Generations that are counted one by one for the plan; of longer runs these are a sample."""


class Seat(NamedTuple):
    """What one seat does in a generation.

    Attributes:
        home: the seat whose population the member belongs to.
        member: which one of it plays.
        learns: whether it learns; only at home.
    """

    home: int
    member: int
    learns: bool


@dataclass(frozen=True)
class Population:
    """A group of seats that share populations.

    Attributes:
        agents: the seats, ascending.
        homes: those of them that hold members and may learn, ascending.
        members: m, how many members each home holds.
        generation: iterations between draws.
        learners: how many homes learn in each generation; all other seats play members of other homes as they are at its beginning.
        seed: of the run.
    """

    agents: tuple[int, ...]
    homes: tuple[int, ...]
    members: int
    generation: int
    learners: int
    seed: int

    def seats(self, iteration: int) -> dict[int, Seat]:
        """By seat, what happens in the generation of an iteration."""
        generator = stream(self.seed, self.agents[0], Purpose.POPULATION, iteration // self.generation)
        order = generator.permutation(len(self.homes))
        learners = {self.homes[place] for place in order[: self.learners]}
        seats: dict[int, Seat] = {}
        for agent in self.agents:
            # The same numbers are drawn for every seat, so that what one of them does changes nothing for the others.
            place, member = generator.random(2)
            others = [home for home in self.homes if home != agent]
            home = agent if agent in learners else others[int(place * len(others))]
            seats[agent] = Seat(home, int(member * self.members), agent in learners)
        return seats

    def begins(self, iteration: int) -> bool:
        """Whether a generation begins with this iteration."""
        return iteration % self.generation == 0

    def moves(self, home: int, seat: int) -> bool:
        """Whether a policy of ``home`` may ever play at ``seat``."""
        if home == seat or home not in self.homes or seat not in self.agents:
            return False
        return seat not in self.homes or self.learners < len(self.homes)

    def transfers(self, iterations: int) -> Mapping[tuple[int, int], float]:
        """(home, seat) -> how many policies move from one to the other in a run of so many iterations."""
        generations = -(-iterations // self.generation)
        counted = min(generations, _MOST_GENERATIONS)
        moved: Counter[tuple[int, int]] = Counter()
        for number in range(counted):
            for agent, seat in self.seats(number * self.generation).items():
                if not seat.learns:
                    moved[seat.home, agent] += 1
        return {pair: count * generations / counted for pair, count in moved.items()}

    def idle(self, iterations: int) -> Mapping[int, float]:
        """Seat -> in how many of so many iterations it does not learn."""
        generations = -(-iterations // self.generation)
        counted = min(generations, _MOST_GENERATIONS)
        idle: Counter[int] = Counter()
        for number in range(counted):
            length = min(self.generation, iterations - number * self.generation)
            idle.update({agent: length for agent, seat in self.seats(number * self.generation).items() if not seat.learns})
        return {agent: count * generations / counted for agent, count in idle.items()}


def member_seed(seed: int, agent: int, member: int) -> int:
    """The seed of a member of a seat's population: that of the run for member 0, numbers of their own for the others."""
    if member == 0:
        return seed
    return int(stream(seed, agent, Purpose.POPULATION, (1 << 62) + member).integers(1 << 62))
