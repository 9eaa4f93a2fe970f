"""Checks of what a price of power buys when somebody fails: exact returns of the others under each kind of failure, by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netagents.exact import ExactValues, JointModel, JointPolicy, best_response
from netagents.exact.exact_power import deviation_values
from netagents.experiment import Experiment
from netagents.intervals import Interval, run_interval
from netagents.learning.prepared_experiment import prepare
from netagents.studies.failure_play import FailurePlay
from netagents.studies.power_claims import trained_policies
from netagents.studies.power_study import NONE, power_study

Source = str | Mapping[str, Any]
FloatArray = NDArray[np.float64]
Kind = Literal["worst", "noop", "random", "adversary", "incentive"]
RATE = 0.1
EPISODES = 256


def failure_gain(source: Source, overrides: Sequence[str], price: float, kind: Kind, seeds: int = 5) -> Interval:
    """What the others return under a failure at a price less without one, by seed: exact discounted values per agent.

    The agent fails whose failure costs the others most where there is no price.

    Args:
        kind: of the failure, from the first step on, as in the failure matrix: ``worst`` with probability 0.1 per step the worst action for
            the others, ``adversary`` and ``incentive`` the best responses against the others and for itself.
    """
    return _gain(source, overrides, price, seeds, lambda experiment: _under_failure(experiment, kind))


def fifth_percentile_gain(source: Source, overrides: Sequence[str], price: float, seeds: int = 5) -> Interval:
    """The same for the 5th percentile of the others' returns in episodes with a single worst action, after a quarter of them."""
    return _gain(source, overrides, price, seeds, _fifth_percentiles)


def _gain(source: Source, overrides: Sequence[str], price: float, seeds: int, values: Callable[[Experiment], FloatArray]) -> Interval:
    study = power_study(source, overrides, lambdas=[price], seeds=range(seeds))
    by_method = {setting.values["method"]: setting for setting in study.settings}
    gains = []
    for seed in range(seeds):
        (whole, failed), (_, priced) = (values(by_method[method].at(seed)) for method in (NONE, "prim"))
        costliest = int((whole - failed).argmax())
        gains.append(float(priced[costliest] - failed[costliest]))
    return run_interval(gains)


def _under_failure(experiment: Experiment, kind: Kind) -> FloatArray:
    """(2, n) what the others earn without and with a failure of each agent."""
    policies, model = trained_policies(experiment)
    present = JointPolicy(tuple(policy.window for policy in policies), tuple(policy.probabilities.copy() for policy in policies))
    return np.array([[_value_of_others(model, present, agent, each) for agent in range(model.n)] for each in (None, kind)])


def _value_of_others(model: JointModel, policy: JointPolicy, agent: int, kind: Kind | None) -> float:
    """Mean value of the others, from the start, where an agent plays something else for good; None: its policy."""
    others = model.rewards[[i for i in range(model.n) if i != agent]].mean(axis=0)
    if kind is None:
        return float(ExactValues(model, policy).values(others[None])[0] @ model.initial)
    actions = model.action_sizes[agent]
    if kind == "adversary":
        return -best_response(model, policy, (agent,), -others).value
    if kind == "noop":
        played = np.zeros((model.S, actions))
        played[:, 0] = 1.0
    elif kind == "random":
        played = np.full((model.S, actions), 1.0 / actions)
    else:
        evaluation = ExactValues(model, policy)
        if kind == "incentive":
            response = best_response(model, policy, (agent,), model.rewards[agent]).actions
            played = np.eye(actions)[response]
        else:
            q = evaluation.action_values(others[None])[0]
            worst = deviation_values(evaluation, q, agent).argmin(axis=1)
            played = (1.0 - RATE) * evaluation.local[agent] + RATE * np.eye(actions)[worst]
    # It may depend on the whole state, whatever it read before.
    scopes, tables = list(policy.scopes), list(policy.tables)
    scopes[agent], tables[agent] = tuple(range(model.n)), played
    failing = ExactValues(model, JointPolicy(tuple(scopes), tuple(tables)))
    return float(failing.values(others[None])[0] @ model.initial)


def _fifth_percentiles(experiment: Experiment) -> FloatArray:
    """(2, n) 5th percentiles of the others' returns without and with a single deviation of each agent."""
    policies, _ = trained_policies(experiment)
    prepared = prepare(experiment)
    begin, agents = prepared.setup.horizon // 4, range(prepared.setup.n)
    play = FailurePlay(prepared.setup, prepared.environment, policies, EPISODES, 1.0)
    returns = [[play.play(agent, "worst", begin, last).returns for agent in agents] for last in (begin, begin + 1)]
    percentiles: FloatArray = np.quantile(np.array(returns), 0.05, axis=2)
    return percentiles
