"""What an agent is born with: its place in the graph, its spaces and its settings."""

from __future__ import annotations

from dataclasses import dataclass

from netagents.environments.contract import EnvironmentSpec
from netagents.environments.spaces import discrete_size
from netagents.errors import CapacityError
from netagents.experiment import Experiment
from netagents.messages import Kind, RadiusKind, radius_of
from netagents.policies.softmax_table import check_table
from netagents.topology import Reach, Topology, spread_radius
from netagents.utilities import build_utility


@dataclass(frozen=True)
class Setup:
    """Everything that is fixed before the first iteration and the same for all agents.

    Attributes:
        experiment: the settings.
        topology: the graph.
        spec: the environment's facts.
        reach: neighbourhoods under each of the three radii.
        horizon: H. discount: gamma.
    """

    experiment: Experiment
    topology: Topology
    spec: EnvironmentSpec
    reach: dict[RadiusKind, Reach]
    horizon: int
    discount: float

    @property
    def n(self) -> int:
        """Number of agents."""
        return self.spec.n

    @property
    def batch(self) -> int:
        """Parallel copies B."""
        return self.experiment.learning.batch

    def state_sizes(self, agents: tuple[int, ...]) -> tuple[int, ...]:
        """Number of local states of each of ``agents``."""
        return tuple(discrete_size(self.spec.state_spaces[j], f"state space of agent {j}") for j in agents)

    def action_sizes(self, agents: tuple[int, ...]) -> tuple[int, ...]:
        """Number of actions of each of ``agents``."""
        return tuple(discrete_size(self.spec.action_spaces[j], f"action space of agent {j}") for j in agents)

    def heard(self, kind: Kind, agent: int) -> tuple[int, ...]:
        """The agents whose ``kind`` messages ``agent`` hears, ascending."""
        radius = radius_of(kind)
        return () if radius is None else self.reach[radius].heard(agent)

    def audience(self, kind: Kind, agent: int) -> tuple[int, ...]:
        """The agents that need ``kind`` messages of ``agent``, ascending."""
        radius = radius_of(kind)
        return () if radius is None else self.reach[radius].audience(agent)


LARGEST_BATCH_BYTES = 8 << 30


def make_setup(experiment: Experiment, topology: Topology, spec: EnvironmentSpec) -> Setup:
    """Work out neighbourhoods, horizon and discount; refuse what cannot fit into memory.

    Raises:
        ExperimentError: a per-agent radius has the wrong length.
        CapacityError: the traces of one agent's neighbourhood would not fit.
    """
    reach = {
        kind: Reach(topology.hops, spread_radius(experiment.radius(kind.value), topology.n, f"kappa_{kind.value}")) for kind in RadiusKind
    }
    learning = experiment.learning
    horizon = spec.horizon if learning.horizon is None else learning.horizon
    discount = spec.discount if learning.discount is None else learning.discount
    widest = max(len(reach[RadiusKind.CRITIC].window(i)) for i in range(topology.n))
    needed = horizon * learning.batch * 8 * (4 + 2 * widest)
    if needed > LARGEST_BATCH_BYTES:
        raise CapacityError(
            f"one agent's batch of {learning.batch} copies x {horizon} steps x {widest} neighbours needs {needed / 2**30:.3g} GiB",
            where="learning.batch",
            fix=f"use learning.batch={max(1, learning.batch * LARGEST_BATCH_BYTES // needed)} or a smaller horizon",
        )
    return Setup(experiment, topology, spec, reach, horizon, discount)


def check_fits(setup: Setup) -> None:
    """Refuse a setup in which some agent's policy, critic or utility could not be built, before anything is started.

    Raises:
        CapacityError: a policy table is too large; the line gives its size and what to use instead.
        EnvironmentMismatchError: a space has no table.
        UtilityError: a utility does not fit the agent's local spaces.
    """
    for agent in range(setup.n):
        window = setup.reach[RadiusKind.POLICY].window(agent)
        (actions,) = setup.action_sizes((agent,))
        (states,) = setup.state_sizes((agent,))
        check_table(setup.state_sizes(window), actions, f"agent {agent}")
        build_utility(setup.experiment.utility, agent, states, actions, setup.discount)
