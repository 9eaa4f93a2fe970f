"""The seat of a population: it holds members that learn in turn, or plays members of other seats, which come as messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ProtocolError
from netagents.learning.protocol.agent_checkpoint import FREE_SHAPES, below
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.population import Seat, member_seed
from netagents.learning.protocol.requests import Outgoing, Turns
from netagents.learning.protocol.setup import Setup
from netagents.learning.roles.frozen_agent import frozen_iteration
from netagents.messages import Kind, PolicyParameters, Report, Snapshot

MakeLearner = Callable[[int, Setup], NetworkedAgent]


class PopulationAgent(NetworkedAgent):
    """One seat of a population.

    In each generation the lottery says which member plays here.  If it is one of this seat's own, it learns, with critics and optimiser of
    its own; if it belongs to another seat, its policy comes from there as a message and plays without learning.

    Args:
        index: i.
        setup: what all agents share.
        make: from an index and a setup to an agent that learns.

    Attributes:
        members: the learners that this seat holds; empty where it only plays.
        policy: what plays now.
    """

    def __init__(self, index: int, setup: Setup, make: MakeLearner) -> None:
        super().__init__(index, setup)
        self.population = setup.populations[index]
        held = self.population.members if index in self.population.homes else 0
        self.members = [make(index, _member_setup(setup, index, member)) for member in range(held)]
        for member in self.members:
            # There is one ledger per process.
            member.ledger = self.ledger
        self._visitor = self.policy

    def iterate(self, iteration: int) -> Turns:
        """One iteration: policies move where a generation begins; then the member that plays here learns, or only plays."""
        seats = self.population.seats(iteration)
        seat = seats[self.index]
        if self.population.begins(iteration):
            yield from self._move_policies(iteration, seats)
        if seat.learns:
            yield from self._learn(iteration, seat)
        else:
            self.policy = self._visitor
            yield from frozen_iteration(self, iteration, _numbers(seat))

    def _learn(self, iteration: int, seat: Seat) -> Turns:
        """An iteration of the member that learns."""
        member = self.members[seat.member]
        self.policy, member.substitute = member.policy, self.substitute
        member.queue(self.take_queue())
        yield from member.iterate(iteration)
        for outgoing in member.take_queue():
            self.queue([self._completed(outgoing, seat)])

    def _move_policies(self, iteration: int, seats: Mapping[int, Seat]) -> Turns:
        """Send the policies of own members to the seats where they play, and wait for the one that plays here."""
        for number, member in enumerate(self.members):
            receivers = tuple(j for j, seat in seats.items() if not seat.learns and seat.home == self.index and seat.member == number)
            if receivers:
                self._emit(Kind.POLICY_PARAMETERS, iteration, 0, policy_parameters(member.policy), receivers)
        own = seats[self.index]
        hosts = () if own.learns else (own.home,)
        if not hosts and not any(not seat.learns and seat.home == self.index for seat in seats.values()):
            return
        messages: Any = yield self._turn(Kind.POLICY_PARAMETERS, iteration, 0, hosts)
        for message in messages:
            self._take_in(message, own)

    def _take_in(self, message: PolicyParameters, seat: Seat) -> None:
        """Play a policy of another seat from now on."""
        policy = self._visitor
        shape = getattr(policy, policy.component).shape
        try:
            policy.load(message.parameters.reshape(shape))
            rest, named = message.statistics, {}
            for name, array in sorted(policy.statistics().items()):
                named[name], rest = rest[: array.size].reshape(array.shape).astype(array.dtype), rest[array.size :]
            policy.restore_statistics(named)
        except ValueError as error:
            raise ProtocolError(f"a policy that does not fit this seat: {error}", where=f"agent {self.index}, from {seat.home}") from error

    def _completed(self, outgoing: Outgoing, seat: Seat) -> Outgoing:
        """What a member sends, in the name of the seat: its report says who it is, and its state is that of all members."""
        message = outgoing.message
        if isinstance(message, Report):
            metrics = message.metrics.copy()
            for name, value in _numbers(seat).items():
                metrics[self.setup.metric_names.index(name)] = value
            return outgoing._replace(message=message._replace(metrics=metrics))
        return outgoing._replace(message=Snapshot(self.arrays())) if isinstance(message, Snapshot) else outgoing

    # -- state that outlives an iteration --------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What plays now, the last visitor, and everything of every member."""
        named = super().arrays()
        visitor = self._visitor
        named[f"visitor.{visitor.component}"] = getattr(visitor, visitor.component)
        named |= {f"visitor.{name}": array for name, array in visitor.statistics().items()}
        for number, member in enumerate(self.members):
            named |= {_name_of(number, name): array for name, array in member.arrays().items() if not name.startswith("ledger.")}
        return named

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        visitor = self._visitor
        visitor.load(arrays[f"visitor.{visitor.component}"])
        visitor.restore_statistics(below("visitor.", arrays))
        self.ledger.restore(arrays["ledger.open"])
        for number, member in enumerate(self.members):
            names = [name for name in member.arrays() if not name.startswith("ledger.")]
            member.restore({**{name: arrays[_name_of(number, name)] for name in names}, "ledger.open": arrays["ledger.open"]})
        self.policy = visitor
        playing = arrays[f"policy.{self.policy.component}"]
        for member in self.members:
            # Whose parameters played last; the lottery says so anew with the next iteration.
            if np.array_equal(getattr(member.policy, member.policy.component), playing):
                self.policy = member.policy


def policy_parameters(policy: Any) -> PolicyParameters:
    """A policy as a message: its parameters and its statistics, each as one vector."""
    statistics = [np.asarray(array, dtype=np.float64).reshape(-1) for _, array in sorted(policy.statistics().items())]
    parameters = getattr(policy, policy.component).reshape(-1)
    return PolicyParameters(np.array(parameters), np.concatenate(statistics) if statistics else np.zeros(0))


def _numbers(seat: Seat) -> dict[str, float]:
    return {"home": float(seat.home), "member": float(seat.member), "learns": float(seat.learns)}


def _name_of(number: int, name: str) -> str:
    """The name of a member's component among those of its seat; what may change its shape keeps the beginning that says so."""
    if name.startswith(FREE_SHAPES):
        first, _, rest = name.partition(".")
        return f"{first}.member.{number}.{rest}"
    return f"member.{number}.{name}"


def _member_setup(setup: Setup, agent: int, member: int) -> Setup:
    """The setup of one member: with a seed of its own, so that members begin and explore differently."""
    experiment = setup.experiment
    own = experiment.model_copy(update={"seed": member_seed(experiment.seed, agent, member)})
    return setup if member == 0 else replace(setup, experiment=own)
