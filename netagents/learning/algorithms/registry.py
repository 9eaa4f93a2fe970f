"""Registry of algorithms: what each states about itself, and where its agents' class is.

The four algorithms that come with settings classes of their own have a row here, so that nothing of theirs (torch above all) is loaded
before an agent is made.  All others, those of users first of all, are classes that state their facts themselves:
:attr:`netagents.learning.protocol.networked_agent.NetworkedAgent.facts`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netagents.experiment.algorithm_settings import (
    OWN_ALGORITHMS,
    ActorCriticSettings,
    CustomAlgorithmSettings,
    MaddpgSettings,
    PpoSettings,
    TruncatedPgSettings,
)
from netagents.experiment.base import Settings
from netagents.experiment.settings_of_agents import AgentSettings
from netagents.learning.protocol.agent_metrics import CRITIC_METRICS, POLICY_METRICS, REPLAY_METRICS, TABLE_METRICS
from netagents.learning.protocol.algorithm_facts import UNKNOWN_ALGORITHM, AlgorithmFacts
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.setup import Setup
from netagents.messages import Kind

WHERE = "learning.algorithm.kind"


@dataclass(frozen=True)
class AlgorithmEntry:
    """One algorithm of netagents.

    Attributes:
        settings: its settings class.
        facts: what it states about itself.
        agent: ``package.module:Class`` of its agents, made as ``Class(index, setup)``.
    """

    settings: type[Settings]
    facts: AlgorithmFacts
    agent: str

    @property
    def module(self) -> str:
        """Where the class of its agents is."""
        return self.agent.partition(":")[0]

    def agent_class(self) -> Any:
        """The class of its agents, imported now."""
        return getattr(importlib.import_module(self.module), self.agent.partition(":")[2])


_TABLES = AlgorithmFacts(
    policies=frozenset({"tables"}), credits=True, signals=True, deviates=True, metrics=(*POLICY_METRICS, *TABLE_METRICS, *CRITIC_METRICS)
)
_NETWORKS = AlgorithmFacts(
    policies=frozenset({"networks"}),
    spaces="any",
    boxes="gaussian",
    masks=True,
    moving=True,
    recurrent=True,
    credits=True,
    signals=True,
    deviates=True,
    metrics=(*POLICY_METRICS, *CRITIC_METRICS),
)
_REPLAY = AlgorithmFacts(
    policies=frozenset({"networks"}),
    spaces="any",
    boxes="tanh",
    masks=True,
    moving=True,
    recurrent=True,
    kinds=frozenset({Kind.TRACE, Kind.REWARD, Kind.TARGET_ACTION}),
    signals=True,
    on_policy=False,
    metrics=(*POLICY_METRICS, *CRITIC_METRICS, *REPLAY_METRICS),
)
_ROOM = "netagents.learning.algorithms"

ALGORITHMS: Mapping[str, AlgorithmEntry] = {
    "truncated_pg": AlgorithmEntry(TruncatedPgSettings, _TABLES, f"{_ROOM}.truncated_pg:TabularAgent"),
    "actor_critic": AlgorithmEntry(ActorCriticSettings, _NETWORKS, f"{_ROOM}.actor_critic:ActorCriticAgent"),
    "ppo": AlgorithmEntry(PpoSettings, _NETWORKS, f"{_ROOM}.ppo:PpoAgent"),
    "maddpg": AlgorithmEntry(MaddpgSettings, _REPLAY, f"{_ROOM}.maddpg:MaddpgAgent"),
}
"""Kind -> algorithm."""

FROZEN = AlgorithmFacts(
    spaces="any",
    masks=True,
    moving=True,
    recurrent=True,
    kinds=frozenset({Kind.TRACE, Kind.REWARD}),
    credits=True,
    signals=True,
    metrics=(),
)
"""What a frozen agent states: it learns nothing, and tells what the critics and the pay of others need."""


def algorithm_facts(settings: AgentSettings, *, imports: bool) -> AlgorithmFacts:
    """What the algorithm of an agent states about itself.

    Args:
        settings: the agent's.
        imports: whether code that they name may be imported here; where not, such an algorithm rules nothing out.

    Raises:
        ExperimentError: its class cannot be found, or is no agent's.
    """
    algorithm = settings.learning.algorithm
    if settings.role == "frozen":
        return FROZEN
    if not isinstance(algorithm, CustomAlgorithmSettings):
        return ALGORITHMS[algorithm.kind].facts
    if not imports:
        return UNKNOWN_ALGORITHM
    return OWN_ALGORITHMS.find_class(algorithm.kind, NetworkedAgent, settings.where + WHERE).facts  # type: ignore[type-abstract]


def make_algorithm(index: int, setup: Setup) -> NetworkedAgent:
    """Agent ``index`` of a setup.

    Raises:
        ExperimentError: its class cannot be called with the parameters that the experiment gives.
    """
    settings = setup.agents[index].learning.algorithm
    if isinstance(settings, CustomAlgorithmSettings):
        arguments = {"index": index, "setup": setup}
        return OWN_ALGORITHMS.make(settings.kind, NetworkedAgent, arguments, settings.parameters, setup.agents[index].where + WHERE)  # type: ignore[type-abstract]
    agent: NetworkedAgent = ALGORITHMS[settings.kind].agent_class()(index, setup)
    return agent
