"""From a setup to the agent that learns as the settings say."""

from __future__ import annotations

from netagents.learning.agent import Agent
from netagents.learning.networked import NetworkedAgent
from netagents.learning.setup import Setup


def make_agent(index: int, setup: Setup) -> NetworkedAgent:
    """Agent ``index`` of a setup."""
    if setup.experiment.learning.is_neural:
        from netagents.learning.neural_agent import NeuralAgent

        return NeuralAgent(index, setup)
    return Agent(index, setup)
