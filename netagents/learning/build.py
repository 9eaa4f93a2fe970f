"""From a setup to the agent that learns as the settings say."""

from __future__ import annotations

from netagents.experiment.own_parts import has_foreign_code
from netagents.learning.agent import Agent
from netagents.learning.networked import NetworkedAgent
from netagents.learning.setup import Setup
from netagents.randomness import seeded_globally


def make_agent(index: int, setup: Setup) -> NetworkedAgent:
    """Agent ``index`` of a setup."""
    experiment = setup.experiment
    if not has_foreign_code(experiment):
        return _make(index, setup)
    with seeded_globally(experiment.seed, index):
        return _make(index, setup)


def _make(index: int, setup: Setup) -> NetworkedAgent:
    if setup.experiment.learning.is_neural:
        from netagents.learning.neural_agent import NeuralAgent

        return NeuralAgent(index, setup)
    return Agent(index, setup)
