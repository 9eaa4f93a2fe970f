"""The algorithms, and the agent as a state machine without input or output."""

from netagents.learning.agent import Agent
from netagents.learning.build import make_agent
from netagents.learning.iteration import IterationRecord, make_record
from netagents.learning.ledger import Ledger
from netagents.learning.metrics import METRICS
from netagents.learning.networked import NetworkedAgent
from netagents.learning.setup import Setup, check_fits, make_setup
from netagents.learning.turns import Outgoing, Turn, Turns

__all__ = [
    "METRICS",
    "Agent",
    "IterationRecord",
    "Ledger",
    "NetworkedAgent",
    "Outgoing",
    "Setup",
    "Turn",
    "Turns",
    "check_fits",
    "make_agent",
    "make_record",
    "make_setup",
]
