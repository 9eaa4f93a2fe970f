"""From a setup to the agent that learns as the settings say."""

from __future__ import annotations

from netagents.experiment.imported_parts import has_foreign_code
from netagents.learning.algorithms.registry import make_algorithm
from netagents.learning.interventions.agent_interventions import AgentInterventions
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.setup import Setup
from netagents.learning.roles.frozen_agent import FrozenAgent
from netagents.learning.roles.population_agent import PopulationAgent
from netagents.randomness import seeded_globally


def make_agent(index: int, setup: Setup) -> NetworkedAgent:
    """Agent ``index`` of a setup."""
    experiment = setup.experiment
    if not has_foreign_code(experiment):
        return _made(index, setup)
    with seeded_globally(experiment.seed, index):
        return _made(index, setup)


def _made(index: int, setup: Setup) -> NetworkedAgent:
    agent = _make_role(index, setup)
    if setup.experiment.interventions or setup.experiment.faults:
        agent.interventions = AgentInterventions.of(agent)
        for member in agent.members if isinstance(agent, PopulationAgent) else ():
            member.interventions = agent.interventions
    return agent


def _make_role(index: int, setup: Setup) -> NetworkedAgent:
    if index in setup.frozen:
        return FrozenAgent(index, setup)
    return PopulationAgent(index, setup, make_algorithm) if index in setup.populations else make_algorithm(index, setup)
