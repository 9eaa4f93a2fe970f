"""Facts of an algorithm: what it learns with, what it takes, which messages it needs and which metrics it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netagents.experiment.policy_settings import BoxActing
from netagents.learning.protocol.agent_metrics import POLICY_METRICS
from netagents.messages import NEIGHBOUR_KINDS, Kind

Parameters = Literal["tables", "networks"]


@dataclass(frozen=True)
class AlgorithmFacts:
    """What an algorithm states about itself, before any agent is made.

    Attributes:
        policies: what its policies may be.
        spaces: the actions that it takes: finite ones alone, or boxes as well.  What a policy can do bounds this further.
        boxes: how its policies act in boxes (``policy.box``), where it takes them.
        masks: whether it may meet actions that are not always legal.
        moving: whether it may meet a graph that moves.
        recurrent: whether it trains policies with memory.
        kinds: messages that its agents exchange.  How far each travels is the radius of its kind; nobody is linked, waited for or
            counted for a kind that is not named here.
        credits: whether ``learning.credit`` says which of its kinds are sent; otherwise all are, in each iteration.
        signals: whether it learns from the learning signal, with utilities, constraints and further terms; else from the task alone.
        deviates: whether it keeps critics that say which action of a co-player is worst for the agent, and learns from such deviations.
        on_policy: whether it learns from the newest batch alone; an algorithm that does not keeps older ones, and needs agents in lockstep.
        metrics: names of the numbers that it reports, beside those of every agent.
    """

    policies: frozenset[Parameters] = frozenset({"tables", "networks"})
    spaces: Literal["finite", "any"] = "finite"
    boxes: BoxActing | None = None
    masks: bool = False
    moving: bool = False
    recurrent: bool = False
    kinds: frozenset[Kind] = frozenset(NEIGHBOUR_KINDS) - {Kind.TARGET_ACTION, Kind.BRANCH_STATE}
    credits: bool = False
    signals: bool = False
    deviates: bool = False
    on_policy: bool = True
    metrics: tuple[str, ...] = POLICY_METRICS


UNKNOWN_ALGORITHM = AlgorithmFacts(spaces="any", masks=True, moving=True, recurrent=True, signals=True, metrics=())
"""Of a class that may not be imported here, as when somebody looks at a run whose code is not trusted: nothing is ruled out."""
