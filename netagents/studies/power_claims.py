"""Checks of claims about power regularization: what agents that reckon with deviations have learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.exact import ExactValues, JointModel, JointPolicy, Regularization, regularized_values
from netagents.experiment import Experiment, load_experiment
from netagents.intervals import Interval
from netagents.launchers.in_process import InProcessNetwork
from netagents.learning.prepare import prepare
from netagents.policies import TabularPolicy

Source = str | Mapping[str, Any]
FloatArray = NDArray[np.float64]
RESAMPLES = 2000


def played_probability(source: Source, overrides: Sequence[str], agent: int, actions: Sequence[int]) -> float:
    """The probability with which one agent plays some actions after training, in the first row of its table."""
    policy = _trained(load_experiment(source, overrides).experiment)[0][agent]
    return float(policy.probabilities[0][list(actions)].sum())


def spread_difference(source: Source, overrides: Sequence[str], price: float, seeds: int = 8) -> Interval:
    """Standard deviation over seeds of U = task return - lambda power, of PRIM less that of SBPR, with an interval from resampled seeds."""
    base = load_experiment(source, overrides).experiment
    samples = []
    for settings in (prim(price), sbpr(price)):
        changed = [Experiment.model_validate({**base.model_dump(mode="json"), **settings, "seed": seed}) for seed in range(seeds)]
        outcomes = [exact_outcome(each) for each in changed]
        samples.append(np.array([task - price * power for task, power in outcomes]))
    generator = np.random.default_rng(0)
    chosen = generator.integers(0, seeds, (2, RESAMPLES, seeds))
    drawn = samples[0][chosen[0]].std(axis=1, ddof=1) - samples[1][chosen[1]].std(axis=1, ddof=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(float(samples[0].std(ddof=1) - samples[1].std(ddof=1)), float(low), float(high), seeds)


def prim(price: float) -> dict[str, Any]:
    """PRIM at a price: mean power of all co-players, after 15 iterations of the task alone."""
    return {"signals": [{"kind": "power", "lambda": price, "aggregate": "mean", "start": 15, "ramp": 15}]}


def sbpr(probability: float) -> dict[str, Any]:
    """SBPR that asks for the same, up to terms in the square of the price."""
    return {"interventions": [{"kind": "sbpr", "probability": probability, "aggregate": "mean", "start": 15, "ramp": 15}]}


def exact_outcome(experiment: Experiment) -> tuple[float, float]:
    """(task return, power) of the policies that a run ends with: discounted, exact, sums over agents; power is a mean over co-players."""
    policies, model = _trained(experiment)
    tables = tuple(policy.probabilities.copy() for policy in policies)
    evaluation = ExactValues(model, JointPolicy(tuple(policy.window for policy in policies), tables))
    values = evaluation.values(model.rewards) @ model.initial
    priced = regularized_values(evaluation, Regularization(1.0, aggregate="mean")) @ model.initial
    return float(values.sum()), float((values - priced).sum())


def _trained(experiment: Experiment) -> tuple[list[TabularPolicy], JointModel]:
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for _ in network.run(0, experiment.learning.iterations):
        pass
    policies = [agent.policy for agent in network.tabular_agents]
    return policies, JointModel(prepared.environment.kernel(), prepared.setup.discount)
