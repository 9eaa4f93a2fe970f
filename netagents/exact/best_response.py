"""Best responses: what some agents could gain, or what they could do to others, if everybody else kept to its policy.

Agents who know the joint state and act together face an ordinary Markov decision process when the others' policies are fixed; it is
solved by policy iteration (Howard 1960), or backwards over a horizon.  With their own reward as signal this is the exact best response,
with minus the others' reward the exact worst adversary.

What fits: one ``(S, S)`` transition per evaluation of a :class:`~netagents.exact.joint_model.JointModel`, whose memory limit says so before
anything is made; with a horizon no such table is needed beyond the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import NetworkedMDP
from netagents.errors import EnvironmentMismatchError
from netagents.exact.exact_values import ExactValues
from netagents.exact.joint_model import JointModel
from netagents.exact.joint_policy import JointPolicy

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_ROUNDS = 1_000
"""Policy iteration ends after far fewer."""

GAIN = 1e-10
"""Relative gain below which an action is no better than the present one."""


@dataclass(frozen=True, slots=True)
class BestResponse:
    """The largest value that a group of agents can reach.

    Attributes:
        value: expected discounted sum of the signal from the model's start.
        values: from each joint state, ``(S,)``.
        actions: the group's joint action in each joint state, numbered with the last of the group varying fastest: ``(S,)``, or
            ``(H, S)`` where the horizon is finite.
    """

    value: float
    values: FloatArray
    actions: IntArray


def best_response(
    model: JointModel, policy: JointPolicy, agents: Sequence[int], signal: FloatArray, horizon: int | None = None
) -> BestResponse:
    """The best that ``agents`` can do together, knowing the joint state, for a signal of their own.

    Args:
        model: the model.
        policy: of everybody; that of ``agents`` is where policy iteration starts.
        agents: the group, ascending.
        signal: ``(S, A)``, such as ``model.rewards[i]``, or ``-model.rewards[others].mean(axis=0)`` for the worst adversary.
        horizon: steps; None for the infinite discounted sum.

    Raises:
        EnvironmentMismatchError: the group is empty or not ascending, or the policy does not fit.
    """
    group = tuple(agents)
    if not group or list(group) != sorted({i for i in group if 0 <= i < model.n}):
        raise EnvironmentMismatchError(f"group {group}", where="best response", fix=f"list some of agents 0..{model.n - 1}, ascending")
    local = model.local_probabilities(policy)
    if horizon is not None:
        return _backwards(model, local, group, signal, horizon)
    present = policy
    for _ in range(MOST_ROUNDS):
        evaluation = ExactValues(model, present)
        values = evaluation.values(signal[None])[0]
        options = _options(model, local, group, signal + model.discount * model.expected_next(values[None])[0])
        best = options.argmax(axis=1)
        gain = options[np.arange(model.S), best] - values
        if gain.max() <= GAIN * max(1.0, float(np.abs(values).max())):
            return BestResponse(float(model.initial @ values), values, best.astype(np.int64))
        present = deviating(model, policy, group, best)
    raise AssertionError("policy iteration over finitely many policies ends")


def deviating(model: JointModel, policy: JointPolicy, agents: Sequence[int], actions: IntArray) -> JointPolicy:
    """The policy in which ``agents`` play given joint actions in each joint state, ``(S,)``, and the others keep to theirs."""
    choices = np.unravel_index(actions, [model.action_sizes[i] for i in agents])
    scopes, tables = list(policy.scopes), list(policy.tables)
    for i, own in zip(agents, choices, strict=True):
        scopes[i] = tuple(range(model.n))
        tables[i] = np.eye(model.action_sizes[i])[own]
    return JointPolicy(tuple(scopes), tuple(tables))


def observed_policy(environment: NetworkedMDP, model: JointModel, tables: Sequence[FloatArray]) -> JointPolicy:
    """Policies over what agents observe, as a joint policy over joint states: for environments whose observations are not local states.

    Args:
        environment: its joint state is one column per agent, and what it observes are indices.
        model: of its kernel.
        tables: each agent's ``(observations, |A_i|)`` probabilities.

    Raises:
        EnvironmentMismatchError: a table has the wrong shape.
    """
    observations = environment.observe(np.ascontiguousarray(model.state_digits.T))
    for i, (table, index) in enumerate(zip(tables, observations, strict=True)):
        if table.shape[1:] != (model.action_sizes[i],) or len(table) <= int(index.max()):
            raise EnvironmentMismatchError(f"a table of shape {table.shape}", where=f"policy of agent {i}", fix="one row per observation")
    all_agents = tuple(range(model.n))
    return JointPolicy((all_agents,) * model.n, tuple(table[index] for table, index in zip(tables, observations, strict=True)))


def _backwards(model: JointModel, local: Sequence[FloatArray], group: tuple[int, ...], signal: FloatArray, horizon: int) -> BestResponse:
    values = np.zeros(model.S)
    actions = np.zeros((horizon, model.S), dtype=np.int64)
    for step in reversed(range(horizon)):
        options = _options(model, local, group, signal + model.discount * model.expected_next(values[None])[0])
        actions[step] = options.argmax(axis=1)
        values = options.max(axis=1)
    return BestResponse(float(model.initial @ values), values, actions)


def _options(model: JointModel, local: Sequence[FloatArray], group: tuple[int, ...], table: FloatArray) -> FloatArray:
    """E over the others' actions of a table ``(S, A)``, for each joint action of the group: ``(S, prod |A_i|)``."""
    spread = table.reshape(model.S, *model.action_sizes)
    # From the last agent to the first, so that the axes in front keep their places.
    for k in reversed(range(model.n)):
        if k not in group:
            moved = np.moveaxis(spread, 1 + k, -1)
            spread = (moved * local[k].reshape(model.S, *(1,) * (moved.ndim - 2), -1)).sum(axis=-1)
    return np.ascontiguousarray(spread.reshape(model.S, prod(model.action_sizes[i] for i in group)))
