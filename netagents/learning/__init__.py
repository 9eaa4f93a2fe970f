"""The algorithms, and the agent as a state machine without input or output."""

from netagents.learning.agent_builder import make_agent
from netagents.learning.algorithms.truncated_pg import TabularAgent
from netagents.learning.protocol.algorithm_facts import AlgorithmFacts
from netagents.learning.protocol.iteration_record import IterationRecord, make_record
from netagents.learning.protocol.message_ledger import Ledger
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.requests import ExchangeRequest, Outgoing, Turns
from netagents.learning.protocol.setup import Setup
from netagents.learning.setup_builder import check_fits, make_setup, with_imports
from netagents.learning.signals.signal_term import SignalBatch, SignalTerm

__all__ = [
    "AlgorithmFacts",
    "ExchangeRequest",
    "IterationRecord",
    "Ledger",
    "NetworkedAgent",
    "Outgoing",
    "Setup",
    "SignalBatch",
    "SignalTerm",
    "TabularAgent",
    "Turns",
    "check_fits",
    "make_agent",
    "make_record",
    "make_setup",
    "with_imports",
]
