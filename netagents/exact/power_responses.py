"""Best responses and equilibria under power regularization: what agents would play to whom power over them costs something.

An agent that values W_i = E sum_t gamma^t (r_i - lambda agg_j Power_W(j -> i)) faces a game against co-players that may misbehave.  With
realized power these know what it plays, its best response is a pure one, and policy iteration finds it.  With ex-ante power they know
only its policy: each improvement is a linear programme in every state (Hoffman and Karp 1966), and the best response may be mixed, as
where an agent that relies on one of two hubs by a coin lets neither be sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.exact.exact_power import deviation_values
from netagents.exact.exact_values import ExactValues
from netagents.exact.joint_model import JointModel
from netagents.exact.joint_policy import JointPolicy
from netagents.exact.power_regularization import Regularization, adversarial_values, aggregated_power, combined

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_ROUNDS = 200
GAIN = 1e-9
"""Relative gain below which a policy is no better than the present one."""
MOST_JOINT_ACTIONS = 1 << 20
"""Of a one-state game whose equilibria are looked for one by one."""


@dataclass(frozen=True, slots=True)
class RegularizedResponse:
    """The best that one agent can do for itself while the others keep their policies.

    Attributes:
        value: W_i from the model's start.
        values: from each joint state, ``(S,)``.
        probabilities: what it plays, ``(S, |A_i|)``.
    """

    value: float
    values: FloatArray
    probabilities: FloatArray


def regularized_response(model: JointModel, policy: JointPolicy, agent: int, rule: Regularization) -> RegularizedResponse:
    """The best response of one agent that knows the joint state, by policy iteration.

    Args:
        model: a small game.
        policy: of everybody; the agent's is where policy iteration starts.
        agent: i.
        rule: how much power costs.

    Raises:
        EnvironmentMismatchError: the price is no probability of at most one deviation per step.
    """
    present = policy
    for _ in range(MOST_ROUNDS):
        evaluation = ExactValues(model, present)
        values = adversarial_values(evaluation, rule, (agent,))[agent]
        q = model.rewards[agent] + model.discount * model.expected_next(values[None])[0]
        improve = _pure if rule.variant == "realized" else _mixed
        best, reached = improve(evaluation, q, agent, rule)
        if (reached - values).max() <= GAIN * max(1.0, float(np.abs(values).max())):
            return RegularizedResponse(float(model.initial @ values), values, evaluation.local[agent])
        present = with_response(model, present, agent, best)
    raise AssertionError("policy iteration of a small game ends")


def with_response(model: JointModel, policy: JointPolicy, agent: int, probabilities: FloatArray) -> JointPolicy:
    """The policy in which one agent plays ``(S, |A_i|)`` probabilities, and the others keep theirs."""
    scopes, tables = list(policy.scopes), list(policy.tables)
    scopes[agent], tables[agent] = tuple(range(model.n)), probabilities
    return JointPolicy(tuple(scopes), tuple(tables))


def response_gaps(model: JointModel, policy: JointPolicy, rule: Regularization) -> FloatArray:
    """What each agent could gain by its best response, ``(n,)``; all zero in an equilibrium."""
    own = adversarial_values(ExactValues(model, policy), rule) @ model.initial
    best = np.array([regularized_response(model, policy, agent, rule).value for agent in range(model.n)])
    return np.maximum(best - own, 0.0)


def response_dynamics(model: JointModel, policy: JointPolicy, rule: Regularization, rounds: int = 50) -> tuple[JointPolicy, FloatArray]:
    """Agents respond in turn until nobody gains; the last policy, and the gaps that are left.

    Nothing says that this ends in an equilibrium: gaps above zero are those of a cycle.
    """
    for _ in range(rounds):
        moved = False
        for agent in range(model.n):
            own = float(adversarial_values(ExactValues(model, policy), rule, (agent,))[agent] @ model.initial)
            response = regularized_response(model, policy, agent, rule)
            if response.value > own + GAIN * max(1.0, abs(own)):
                policy, moved = with_response(model, policy, agent, response.probabilities), True
        if not moved:
            break
    return policy, response_gaps(model, policy, rule)


def pure_equilibria(model: JointModel, rules: Regularization | Sequence[Regularization]) -> IntArray:
    """All pure equilibria of a game with one state, as joint actions ``(K, n)``.

    Played again and again, such a game has what follows in common to all actions, so power is that of one round: nothing bounds the price.

    Args:
        model: the game.
        rules: realized power, for all agents or one each.

    Raises:
        EnvironmentMismatchError: the game has states, or power is ex-ante, which no pure action changes.
        CapacityError: it has too many joint actions.
    """
    if model.S > 1:
        raise EnvironmentMismatchError(f"a game with {model.S} joint states", where="equilibria", fix="use response_dynamics")
    if model.A > MOST_JOINT_ACTIONS:
        raise CapacityError(f"a game with {model.A} joint actions", where="equilibria", fix=f"use one with at most {MOST_JOINT_ACTIONS}")
    each = [rules] * model.n if isinstance(rules, Regularization) else list(rules)
    if any(rule.variant != "realized" for rule in each):
        raise EnvironmentMismatchError("ex-ante power", where="equilibria", fix="use variant realized")
    stable = np.ones(model.action_sizes, dtype=np.bool_)
    for agent, rule in enumerate(each):
        payoff = model.rewards[agent].reshape(model.action_sizes)
        co_players = rule.of(agent, model.n)
        if co_players:
            power = combined([payoff - payoff.min(axis=j, keepdims=True) for j in co_players], rule.aggregate)
            payoff = payoff - rule.strength * power
        stable &= payoff >= payoff.max(axis=agent, keepdims=True) - 1e-12
    return np.argwhere(stable).astype(np.int64)


def _pure(evaluation: ExactValues, q: FloatArray, agent: int, rule: Regularization) -> tuple[FloatArray, FloatArray]:
    """The best action in every state, ``(S, |A_i|)`` zeros and ones, and what it gives, ``(S,)``."""
    regularized_q = q - rule.strength * aggregated_power(evaluation, q, agent, replace(rule, variant="realized"))
    options = deviation_values(evaluation, regularized_q, agent)
    best = options.argmax(axis=1)
    return np.eye(options.shape[1])[best], options.max(axis=1)


def _mixed(evaluation: ExactValues, q: FloatArray, agent: int, rule: Regularization) -> tuple[FloatArray, FloatArray]:
    """The best probabilities in every state, ``(S, |A_i|)``, and what they give: a linear programme per state.

    With x the probabilities, v = x q_0 and w_j <= x q_j[b] for all b: maximise v - lambda agg_j (v - w_j).
    """
    from scipy.optimize import linprog

    model = evaluation.model
    co_players = rule.of(agent, model.n)
    own = deviation_values(evaluation, q, agent)  # (S, |A_i|)
    forced = [_pair_values(evaluation, q, agent, j) for j in co_players]  # each (S, |A_i|, |A_j|)
    size, count = own.shape[1], len(co_players)
    best, reached = np.empty_like(own), np.empty(model.S)
    for state in range(model.S):
        # Variables: x, then w_j, then z, the largest power (max alone).
        gain = np.zeros(size + count + 1)
        gain[:size] = own[state]
        share = rule.strength / count if rule.aggregate == "mean" and count else rule.strength
        if rule.aggregate == "max":
            gain[-1] = -rule.strength
        else:
            gain[:size] -= share * count * own[state]
            gain[size : size + count] = share
        rows = []
        for place, table in enumerate(forced):
            for values in table[state].T:
                row = np.zeros_like(gain)
                row[:size], row[size + place] = -values, 1.0
                rows.append(row)
            if rule.aggregate == "max":
                row = np.zeros_like(gain)
                row[:size], row[size + place], row[-1] = own[state], -1.0, -1.0
                rows.append(row)
        limits = [(0.0, 1.0)] * size + [(None, None)] * count + [(0.0, None)]
        total = np.zeros((1, len(gain)))
        total[0, :size] = 1.0
        solved = linprog(-gain, np.array(rows) if rows else None, np.zeros(len(rows)) if rows else None, total, [1.0], limits)
        assert solved.x is not None, solved.message
        assert solved.fun is not None, solved.message
        x = np.clip(solved.x[:size], 0.0, None)
        best[state], reached[state] = x / x.sum(), -solved.fun
    return best, reached


def _pair_values(evaluation: ExactValues, q: FloatArray, agent: int, other: int) -> FloatArray:
    """E over all others' actions of q for each action of two agents, ``(S, |A_i|, |A_j|)``."""
    model = evaluation.model
    table = q.reshape(model.S, *model.action_sizes)
    for k in reversed(range(model.n)):
        if k not in (agent, other):
            moved = np.moveaxis(table, 1 + k, -1)
            shape = (model.S, *(1,) * (moved.ndim - 2), model.action_sizes[k])
            table = (moved * evaluation.local[k].reshape(shape)).sum(axis=-1)
    return table if agent < other else np.swapaxes(table, 1, 2)
