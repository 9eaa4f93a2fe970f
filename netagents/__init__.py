"""netagents: networked multi-agent reinforcement learning, one process per agent."""

__version__ = "0.1.0"
