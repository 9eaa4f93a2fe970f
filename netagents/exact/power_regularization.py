"""Exact values under power regularization (arXiv 2406.11240): the objective, and what a team earns when somebody misbehaves.

For agent i, co-players j and a price lambda of power,

    U_i = V_i - lambda E sum_t gamma^t agg_j Power(j -> i)          the objective; power is measured with V_i
    W_i = E sum_t gamma^t (r_i - p agg_j Power_W(j -> i))           power is measured with W_i itself

W_i is exactly the value when, in every step, with probability p a co-player plays its worst action for i and everybody returns to the
policy afterwards (:func:`adversarial_values`): with ``mean`` one that is drawn uniformly, with ``sum`` each with probability p, at most
one per step, with ``max`` the one that hurts most.  U and W agree up to O(lambda^2), as does the value when at most one deviation happens
ever.

Both variants of power are known: ``ex_ante``, of a co-player that knows the others' policies, and ``realized``, of one that knows what
the others play in this step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netagents.errors import EnvironmentMismatchError
from netagents.exact.exact_power import deviation_values, ex_ante_power, realized_power
from netagents.exact.exact_values import ExactValues
from netagents.exact.joint_model import JointModel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Aggregate = Literal["mean", "sum", "max"]
Variant = Literal["realized", "ex_ante"]

MOST_ROUNDS = 1_000
"""Policy iteration of the deviators ends after far fewer."""
GAIN = 1e-12
"""Relative loss below which a worse action is no worse than the present one."""


@dataclass(frozen=True, slots=True)
class Regularization:
    """Whose power counts, how, and at which price.

    Attributes:
        strength: lambda, or p where it is read as the probability of a deviation.
        aggregate: of the power of several co-players.
        variant: of power.
        co_players: who they are; None for everybody else.
    """

    strength: float
    aggregate: Aggregate = "mean"
    variant: Variant = "realized"
    co_players: tuple[int, ...] | None = None

    def of(self, agent: int, n: int) -> tuple[int, ...]:
        """The co-players of an agent."""
        co_players = range(n) if self.co_players is None else self.co_players
        return tuple(j for j in co_players if j != agent)

    def check_probability(self, n: int) -> None:
        """Refuse a strength that is no probability of at most one deviation per step.

        Raises:
            EnvironmentMismatchError: says which is the largest.
        """
        most = 1.0
        if self.aggregate == "sum":
            most = 1.0 / max(1, *(len(self.of(agent, n)) for agent in range(n)))
        if not 0.0 <= self.strength <= most:
            raise EnvironmentMismatchError(
                f"p = {self.strength:g} with {self.aggregate} is no probability of at most one deviation per step",
                where="power regularization",
                fix=f"use 0 to {most:g}" + (", or aggregate mean" if self.aggregate == "sum" else ""),
            )


def combined(powers: Sequence[FloatArray], aggregate: Aggregate) -> FloatArray:
    """mean, sum or max over co-players of equally shaped arrays."""
    stacked = np.stack(powers)
    total: FloatArray = stacked.max(axis=0) if aggregate == "max" else stacked.sum(axis=0)
    return total / len(powers) if aggregate == "mean" else total


def aggregated_power(evaluation: ExactValues, q: FloatArray, agent: int, rule: Regularization) -> FloatArray:
    """agg_j Power(j -> i) in every joint state and action, ``(S, A)``; ex-ante power is the same for all actions of a state.

    Args:
        q: Q of the agent, ``(S, A)``.
    """
    model = evaluation.model
    co_players = rule.of(agent, model.n)
    if not co_players:
        return np.zeros((model.S, model.A))
    if rule.variant == "realized":
        return combined([realized_power(evaluation, q, j) for j in co_players], rule.aggregate)
    power = combined([ex_ante_power(evaluation, q, j) for j in co_players], rule.aggregate)
    return np.repeat(power[:, None], model.A, axis=1)


def regularized_values(evaluation: ExactValues, rule: Regularization) -> FloatArray:
    """U_i(s) of every agent, ``(n, S)``: task value less lambda times discounted power, both under the policy."""
    rewards = evaluation.model.rewards
    q = evaluation.action_values(rewards)
    power = np.stack([aggregated_power(evaluation, q[i], i, rule) for i in range(evaluation.model.n)])
    return evaluation.values(rewards - rule.strength * power)


# -- somebody misbehaves -------------------------------------------------------------------------------------------------


def deviated(evaluation: ExactValues, q: FloatArray, agent: int, rule: Regularization) -> FloatArray:
    """The law of the joint action when with probability p a co-player plays its worst action for the owner of q, ``(S, A)``."""
    model, joint = evaluation.model, evaluation.joint
    co_players = rule.of(agent, model.n)
    if not co_players or rule.strength == 0.0:
        return joint
    laws = [_forced(evaluation, q, j, rule.variant) for j in co_players]
    if rule.aggregate == "max":
        realized = rule.variant == "realized"
        measure = realized_power if realized else ex_ante_power
        worst = np.stack([measure(evaluation, q, j) for j in co_players]).argmax(axis=0)
        masks = [worst == place for place in range(len(co_players))]
        parts = [law.moved(where) for law, where in zip(laws, masks, strict=True)]
        return np.asarray((1.0 - rule.strength) * joint + rule.strength * np.sum(parts, axis=0))
    each = rule.strength / (len(co_players) if rule.aggregate == "mean" else 1)
    total: FloatArray = (1.0 - each * len(co_players)) * joint + each * np.sum([law.moved() for law in laws], axis=0)
    return total


@dataclass(frozen=True, slots=True)
class _Forced:
    """What becomes of each joint action when one agent is made to play its worst.

    Attributes:
        joint: pi(a|s), ``(S, A)``.
        becomes: ``(S, A)`` number of the joint action that is played instead.
    """

    joint: FloatArray
    becomes: IntArray

    def moved(self, where: NDArray[np.bool_] | None = None) -> FloatArray:
        """The law after the change, ``(S, A)``; of the states or of the states and actions in ``where`` alone."""
        mass = self.joint if where is None else np.where(where if where.ndim == 2 else where[:, None], self.joint, 0.0)
        states, actions = mass.shape
        places = (np.arange(states)[:, None] * actions + self.becomes).reshape(-1)
        law = np.bincount(places, weights=mass.reshape(-1), minlength=mass.size).reshape(states, actions)
        return law.astype(np.float64)


def _forced(evaluation: ExactValues, q: FloatArray, deviator: int, variant: Variant) -> _Forced:
    """The deviator's worst action: by state, or knowing what the others play."""
    model = evaluation.model
    if variant == "realized":
        worst = q.reshape(model.S, *model.action_sizes).argmin(axis=1 + deviator, keepdims=True)
        actions = np.broadcast_to(worst, (model.S, *model.action_sizes)).reshape(model.S, model.A)
    else:
        actions = np.broadcast_to(deviation_values(evaluation, q, deviator).argmin(axis=1)[:, None], (model.S, model.A))
    digits = [np.broadcast_to(each, (model.S, model.A)) for each in model.action_digits]
    digits[deviator] = actions
    return _Forced(evaluation.joint, np.ravel_multi_index(digits, model.action_sizes).astype(np.int64))


def adversarial_values(evaluation: ExactValues, rule: Regularization, agents: Sequence[int] | None = None) -> FloatArray:
    """W_i(s), ``(n, S)``: deviations happen independently in every step, and deviators know that there will be more.

    The deviators' problem is a Markov decision process of their own; it is solved by policy iteration.

    Args:
        evaluation: of the policy that everybody returns to.
        rule: ``strength`` is p.
        agents: whose values; default everybody's, others get NaN.

    Raises:
        EnvironmentMismatchError: p is no probability of at most one deviation per step.
        CapacityError: the table P(s'|s, a) would not fit.
    """
    model = evaluation.model
    rule.check_probability(model.n)
    ahead = next_state_table(model)
    values = evaluation.values(model.rewards)
    result = np.full((model.n, model.S), np.nan)
    for i in range(model.n) if agents is None else agents:
        value = values[i]
        for _ in range(MOST_ROUNDS):
            q = model.rewards[i] + model.discount * (ahead @ value)
            law = deviated(evaluation, q, i, rule)
            loss = value - (law * q).sum(axis=1)
            if np.abs(loss).max() <= GAIN * max(1.0, float(np.abs(value).max())):
                break
            value = _solved(model, law, model.rewards[i], ahead)
        else:
            raise AssertionError("policy iteration over finitely many policies ends")
        result[i] = value
    return result


def single_deviation_values(evaluation: ExactValues, rule: Regularization) -> FloatArray:
    """Values, ``(n, S)``, when at most one deviation happens ever: with probability p in each step until it has happened.

    Raises:
        EnvironmentMismatchError: p is no probability of at most one deviation per step.
    """
    model = evaluation.model
    rule.check_probability(model.n)
    q = evaluation.action_values(model.rewards)
    values = np.empty((model.n, model.S))
    for i in range(model.n):
        count = len(rule.of(i, model.n))
        share = 0.0 if count == 0 else rule.strength * (count if rule.aggregate == "sum" else 1)
        # What is paid and reached where a deviation happens, with the policy's own value afterwards.
        after = (deviated(evaluation, q[i], i, rule) * q[i]).sum(axis=1) - (1.0 - share) * (evaluation.joint * q[i]).sum(axis=1)
        paid = (1.0 - share) * (evaluation.joint * model.rewards[i]).sum(axis=1) + after
        values[i] = np.linalg.solve(np.eye(model.S) - (1.0 - share) * model.discount * evaluation.transition, paid)
    return values


def next_state_table(model: JointModel) -> FloatArray:
    """P(s'|s, a), ``(S, A, S)``: for games so small that it fits.

    Raises:
        CapacityError: it would not, with its size.
    """
    model.require(16 * model.S * model.S * model.A, f"the table P(s'|s, a) of {model.S} states and {model.A} actions")
    return np.ascontiguousarray(np.moveaxis(model.expected_next(np.eye(model.S)), 0, 2))


def _solved(model: JointModel, law: FloatArray, rewards: FloatArray, ahead: FloatArray) -> FloatArray:
    """Values of a law of the joint action, ``(S,)``."""
    transition = np.einsum("sa,sat->st", law, ahead)
    return np.linalg.solve(np.eye(model.S) - model.discount * transition, (law * rewards).sum(axis=1))
