"""Metrics: the numbers an agent reports after each iteration; each part of an agent contributes the names of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError

RETURN_METRICS = ("return", "discounted_return")
"""What follows from rewards alone, and is known of an agent that was lost as well."""

BASE_METRICS = (*RETURN_METRICS, "utility", "objective")
"""Of every agent, whatever it learns with."""

POLICY_METRICS = ("gradient_sq", "policy_entropy", "step_size")
"""Of agents that climb a policy gradient."""

TABLE_METRICS = ("bounded_logits", "critic_entries", "critic_evicted", "critic_unevaluated")
"""Of agents with tables for policy and critics."""

CRITIC_METRICS = ("td_change",)
"""Of agents whose critics learn by temporal differences."""

REPLAY_METRICS = ("q_change", "replayed", "robust_gap")
"""Of agents that learn from a replay buffer."""

SHADOW_METRICS = ("shadow_max", "lipschitz", "floor_sensitivity")
"""Of the shadow reward; there where some agent has a utility or a constraint."""

CONSTRAINT_METRICS = ("multiplier", "violation")
"""There where some agent has a constraint."""

PAY_METRICS = ("paid",)
"""There where some agents are paid in a way of their own."""

INTERVENTION_METRICS = ("replaced",)
"""There where interventions may replace actions."""

DEVIATION_METRICS = ("clean_return",)
"""There with sample-based power regularization."""

POPULATION_METRICS = ("home", "member", "learns")
"""There where some agents are seats of a population."""

DESCRIPTIONS: Mapping[str, str] = {
    "return": "mean over copies of the undiscounted sum of own task rewards",
    "discounted_return": "the same, discounted",
    "utility": "f_i at the sampled occupancy",
    "objective": "task_weight * discounted_return + utility, what the agent's share of F is made of",
    "gradient_sq": "squared norm of the estimated truncated gradient, before clipping",
    "policy_entropy": "mean over contexts visited of the entropy of the action distribution, in nats",
    "bounded_logits": "share of logits that lie on the bound theta_max after the update",
    "shadow_max": "largest absolute shadow reward, constraints included",
    "td_change": "root mean square of the last TD sweep's change (learning critic); NaN for least squares",
    "q_change": "root mean square of the last update's temporal differences of the Q-function that is learned from",
    "replayed": "transitions in the replay buffer",
    "robust_gap": "mean by which the last update's targets lie below those without robustness; NaN where it changes none",
    "critic_entries": "entries of the critic visited so far",
    "critic_evicted": "entries that were forgotten to stay within the limit",
    "critic_unevaluated": "share of the batch's steps whose keys the critic has never evaluated and that take their sampled value; 0 unless"
    " evaluation is fresh",
    "lipschitz": "largest change of the shadow reward per change of the occupancy since the last iteration; NaN for a pure task",
    "floor_sensitivity": "relative change of the shadow reward when its floor is halved; NaN for a pure task",
    "multiplier": "sum of the multipliers of the agent's constraints; NaN without constraints",
    "violation": "largest c - g(lambda) over its constraints, negative when all hold; NaN without constraints",
    "paid": "mean over copies of the undiscounted sum of what the agent was paid: its task rewards, or its incentive's",
    "replaced": "share of its steps at which somebody other than the agent's policy chose its action",
    "clean_return": "estimate, without bias, of what return would be if nobody deviated",
    "home": "the seat whose population the policy that played belongs to",
    "member": "which member of that population it is",
    "learns": "1 where it learned, 0 where it only played",
    "step_size": "eta of this iteration",
}
"""What the metrics mean that come with netagents.  Those of a run are :attr:`netagents.learning.protocol.setup.Setup.metric_names`."""


def ordered_union(*groups: Iterable[str]) -> tuple[str, ...]:
    """All names, each once, in the order of their first appearance."""
    return tuple(dict.fromkeys(name for group in groups for name in group))


def metric_vector(names: tuple[str, ...], numbers: Mapping[str, float]) -> NDArray[np.float64]:
    """(M,) an agent's numbers in the order of a run's names; NaN for what the agent does not have.

    Raises:
        ExperimentError: it has a number under a name that no part of the run states.
    """
    strange = [name for name in numbers if name not in names]
    if strange:
        raise ExperimentError(
            f"an agent reports the metric '{strange[0]}', which no part of the run states",
            where="learning.algorithm",
            fix="name it in the metrics of the class that reports it",
        )
    return np.array([numbers.get(name, np.nan) for name in names], dtype=np.float64)
