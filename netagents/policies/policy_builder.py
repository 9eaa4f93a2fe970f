"""From settings to the policy of one agent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netagents.errors import ExperimentError
from netagents.experiment.policy_settings import OWN_POLICIES, CustomPolicySettings, PolicySettings
from netagents.foreign.part_values import SUM_TOLERANCE
from netagents.policies.policy import TabularPolicy
from netagents.policies.softmax_table import SoftmaxTable, check_table


def build_policy(
    settings: PolicySettings, window: Sequence[int], state_sizes: Sequence[int], action_size: int, where: str
) -> TabularPolicy:
    """The policy that the settings describe, at parameters of zero.

    Args:
        settings: softmax, or a class of your own.
        window: the agents whose states it reads, ascending, itself included.
        state_sizes: number of local states of each agent in the window.
        action_size: number of own actions.
        where: names the agent in errors.

    Raises:
        CapacityError: the table would be too large.
        ExperimentError: a class of your own cannot be found or called, or gives no probabilities.
    """
    contexts = check_table(state_sizes, action_size, where)
    if not isinstance(settings, CustomPolicySettings):
        return SoftmaxTable(window, state_sizes, action_size, where=where)
    place = f"{where}, policy.kind '{settings.kind}'"
    arguments = {"window": tuple(window), "state_sizes": tuple(state_sizes), "action_size": action_size}
    policy: TabularPolicy = OWN_POLICIES.make(settings.kind, TabularPolicy, arguments, settings.parameters, place)  # type: ignore[type-abstract]
    shape, actual = (contexts, action_size), policy.probabilities
    if policy.logits.shape != shape or actual.shape != shape or actual.dtype != np.float64:
        raise ExperimentError(
            f"its probabilities are {actual.dtype} of shape {actual.shape} and its logits of shape {policy.logits.shape}",
            where=place,
            fix=f"both are float64 of shape {shape}: a row per context, a column per action",
        )
    if not ((actual > 0.0).all() and np.allclose(actual.sum(axis=1), 1.0, rtol=0.0, atol=SUM_TOLERANCE)):
        raise ExperimentError(
            "a row of its probabilities is no distribution", where=place, fix="make every entry positive and every row sum to 1"
        )
    return policy
