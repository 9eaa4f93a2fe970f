"""From a setup to the agent that learns as the settings say."""

from __future__ import annotations

from netagents.experiment.imported_parts import has_foreign_code
from netagents.learning.algorithms.registry import make_algorithm
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.setup import Setup
from netagents.learning.roles.frozen_agent import FrozenAgent
from netagents.learning.roles.population_agent import PopulationAgent
from netagents.randomness import seeded_globally


def make_agent(index: int, setup: Setup) -> NetworkedAgent:
    """Agent ``index`` of a setup."""
    experiment = setup.experiment
    if index in setup.frozen:
        return FrozenAgent(index, setup)
    if not has_foreign_code(experiment):
        return _make_learner(index, setup)
    with seeded_globally(experiment.seed, index):
        return _make_learner(index, setup)


def _make_learner(index: int, setup: Setup) -> NetworkedAgent:
    return PopulationAgent(index, setup, make_algorithm) if index in setup.populations else make_algorithm(index, setup)
