"""Threshold rules for the networked epidemic: the baselines that learned protection must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netagents.environments.builtin.sis_epidemic import NetworkedSis
from netagents.environments.networked_mdp import FloatArray
from netagents.errors import ExperimentError
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """Protect when at least so many neighbours are infected; 0 protects always, a number above every degree never.

    Attributes:
        susceptible: the threshold of agents that are well. infected: of agents that are ill.
    """

    susceptible: int
    infected: int


ALWAYS = ThresholdRule(0, 0)
"""Everybody protects itself all the time."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What a rule earns.

    Attributes:
        rule: the rule.
        value: mean over copies and agents of ``sum_t discount^t r_t``, or of ``sum_t r_t`` for a discount of 1.
        standard_error: of ``value``, over copies.
    """

    rule: ThresholdRule
    value: float
    standard_error: float


def never(environment: NetworkedSis) -> ThresholdRule:
    """The rule by which nobody ever protects itself."""
    above = 1 + max(len(environment.topology.neighbours(i)) for i in range(environment.spec.n))
    return ThresholdRule(above, above)


def rule_returns(
    environment: NetworkedSis, rule: ThresholdRule, *, copies: int = 2_000, seed: int = 0, discount: float = 1.0
) -> FloatArray:
    """Per copy, the mean over agents of ``sum_t discount^t r_t`` over the environment's own horizon, ``(copies,)``.

    Args:
        environment: with its horizon.
        rule: the same for every agent.
        copies: episodes, all advanced at once.
        seed: all rules evaluated with the same seed meet the same luck.
        discount: 1 for the return that runs report.

    Raises:
        ExperimentError: a threshold is negative.
    """
    if min(rule.susceptible, rule.infected) < 0:
        raise ExperimentError(f"{rule}", where="threshold rule", fix="thresholds are numbers of infected neighbours, at least 0")
    spec, n = environment.spec, environment.spec.n
    adjacency = np.zeros((n, n), dtype=np.int64)
    for i in range(n):
        adjacency[i, [int(j) for j in environment.topology.neighbours(i)]] = 1
    # Each purpose of evaluation has its own counter: 0 starts, 1 dynamics.
    start, dynamics = (stream(seed, ENVIRONMENT_OWNER, Purpose.EVALUATION, k) for k in range(2))
    state = environment.reset(start.random((copies, *spec.reset_noise)))
    total = np.zeros(copies)
    for t in range(spec.horizon):
        ill_neighbours = state @ adjacency
        protect = (ill_neighbours >= np.where(state == 1, rule.infected, rule.susceptible)).astype(np.int64)
        actions = list(np.ascontiguousarray(protect.T))
        state, rewards, _, _ = environment.step(state, actions, dynamics.random((copies, *spec.step_noise)))
        total += discount**t * rewards.mean(axis=1)
    return total


def best_threshold(environment: NetworkedSis, *, copies: int = 2_000, seed: int = 0, discount: float = 1.0) -> RuleResult:
    """The best rule among all pairs of thresholds from 0 to one above the largest degree, with common random numbers.

    Rules read exactly what a learned policy with kappa_policy 1 reads.
    """
    above = never(environment).susceptible
    results = []
    for susceptible in range(above + 1):
        for infected in range(above + 1):
            rule = ThresholdRule(susceptible, infected)
            returns = rule_returns(environment, rule, copies=copies, seed=seed, discount=discount)
            results.append(RuleResult(rule, float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(copies))))
    return max(results, key=lambda result: result.value)
