"""The algorithms, and the agent as a state machine without input or output."""

from netagents.learning.agent_builder import make_agent
from netagents.learning.algorithms.truncated_pg import TabularAgent
from netagents.learning.protocol.agent_metrics import METRICS
from netagents.learning.protocol.iteration_record import IterationRecord, make_record
from netagents.learning.protocol.message_ledger import Ledger
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.requests import ExchangeRequest, Outgoing, Turns
from netagents.learning.protocol.setup import Setup, check_fits, make_setup

__all__ = [
    "METRICS",
    "ExchangeRequest",
    "IterationRecord",
    "Ledger",
    "NetworkedAgent",
    "Outgoing",
    "Setup",
    "TabularAgent",
    "Turns",
    "check_fits",
    "make_agent",
    "make_record",
    "make_setup",
]
