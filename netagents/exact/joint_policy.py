"""A joint policy as plain tables, and the softmax logits behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel
from netagents.errors import EnvironmentMismatchError
from netagents.policies import SoftmaxTable

FloatArray = NDArray[np.float64]
Scopes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class JointPolicy:
    """pi(a|s) = prod_i pi_i(a_i | s_j for j in scopes[i]).

    Attributes:
        scopes: for each agent the agents whose local states it reads, ascending, itself included.
        tables: for each agent ``(X_i, |A_i|)`` probabilities; row x numbers the scope's local states, the last agent of the scope
            varying fastest (C order).
    """

    scopes: Scopes
    tables: tuple[FloatArray, ...]


def policy_contexts(kernel: FactoredKernel, scopes: Scopes) -> tuple[int, ...]:
    """Number of rows X_i of each agent's table."""
    return tuple(prod(kernel.state_sizes[j] for j in scope) for scope in scopes)


def softmax_policy(kernel: FactoredKernel, scopes: Scopes, logits: Sequence[FloatArray]) -> JointPolicy:
    """pi_i(a|x) = exp(theta_i[x, a]) / sum_b exp(theta_i[x, b]).

    Args:
        logits: ``(X_i, |A_i|)`` for each agent.
    """
    tables = []
    for table in logits:
        weights = np.exp(table - table.max(axis=1, keepdims=True))
        tables.append(weights / weights.sum(axis=1, keepdims=True))
    policy = JointPolicy(tuple(tuple(scope) for scope in scopes), tuple(tables))
    check_policy(kernel, policy)
    return policy


def uniform_policy(kernel: FactoredKernel, scopes: Scopes | None = None) -> JointPolicy:
    """Every action equally likely; each agent reads its own state unless ``scopes`` says otherwise."""
    read = scopes or tuple((i,) for i in range(len(kernel.agents)))
    sizes = zip(policy_contexts(kernel, read), kernel.action_sizes, strict=True)
    return softmax_policy(kernel, read, [np.zeros(shape) for shape in sizes])


def joint_policy_of(policies: Sequence[SoftmaxTable]) -> JointPolicy:
    """What softmax tables play right now, one per agent in agent order."""
    return JointPolicy(tuple(policy.window for policy in policies), tuple(policy.probabilities.copy() for policy in policies))


def check_policy(kernel: FactoredKernel, policy: JointPolicy) -> None:
    """Refuse a policy that does not fit the model.

    Raises:
        EnvironmentMismatchError: wrong number of agents, a scope that is not ascending or lacks its own agent, a table of the
            wrong shape, or rows that are no distributions.
    """
    n = len(kernel.agents)
    if len(policy.scopes) != n or len(policy.tables) != n:
        raise EnvironmentMismatchError(
            f"{len(policy.tables)} tables and {len(policy.scopes)} scopes for {n} agents",
            where="joint policy",
            fix="give one of each per agent",
        )
    for i, (scope, table, contexts) in enumerate(zip(policy.scopes, policy.tables, policy_contexts(kernel, policy.scopes), strict=True)):
        where = f"policy of agent {i}"
        if i not in scope or tuple(sorted(set(scope))) != tuple(scope):
            raise EnvironmentMismatchError(f"scope {scope}", where=where, fix="list the agents it reads, ascending, itself included")
        shape = (contexts, kernel.action_sizes[i])
        if table.shape != shape:
            raise EnvironmentMismatchError(f"a table of shape {table.shape}", where=where, fix=f"its scope and actions need {shape}")
        # Written so that NaN fails as well.
        if not (np.all(table >= 0.0) and np.allclose(table.sum(axis=1), 1.0, rtol=0.0, atol=1e-9)):
            raise EnvironmentMismatchError("a row that is no distribution", where=where, fix="make every row non-negative with sum 1")
