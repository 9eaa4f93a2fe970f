"""Checks of claims about power regularization: what agents that reckon with deviations have learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.exact import ExactValues, JointModel, JointPolicy, Regularization, regularized_values
from netagents.experiment import Experiment, load_experiment
from netagents.intervals import Interval, run_interval
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.policies import TabularPolicy
from netagents.studies.power_study import power_study

Source = str | Mapping[str, Any]
FloatArray = NDArray[np.float64]
RESAMPLES = 2000
HOP, BYTES = 3, 5
"""Columns of a record's ledger; no hop is the way to the server and the monitor."""


def played_probability(source: Source, overrides: Sequence[str], agent: int, actions: Sequence[int]) -> float:
    """The probability with which one agent plays some actions after training, in the first row of its table."""
    policy = trained_policies(load_experiment(source, overrides).experiment)[0][agent]
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
    resamples = generator.integers(0, seeds, (2, RESAMPLES, seeds))
    drawn = samples[0][resamples[0]].std(axis=1, ddof=1) - samples[1][resamples[1]].std(axis=1, ddof=1)
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
    policies, model = trained_policies(experiment)
    tables = tuple(policy.probabilities.copy() for policy in policies)
    evaluation = ExactValues(model, JointPolicy(tuple(policy.window for policy in policies), tables))
    values = evaluation.values(model.rewards) @ model.initial
    priced = regularized_values(evaluation, Regularization(1.0, aggregate="mean")) @ model.initial
    return float(values.sum()), float((values - priced).sum())


def utility_difference(source: Source, overrides: Sequence[str], price: float, seeds: int = 8) -> Interval:
    """U = task return - lambda power that PRIM ends with less what SBPR does, by seed, as a share of what PRIM ends with."""
    base = load_experiment(source, overrides).experiment
    shares = []
    for seed in range(seeds):
        reached = []
        for settings in (prim(price), sbpr(price)):
            task, power = exact_outcome(Experiment.model_validate({**base.model_dump(mode="json"), **settings, "seed": seed}))
            reached.append(task - price * power)
        shares.append((reached[0] - reached[1]) / abs(reached[0]))
    return run_interval(shares)


def penalty_bytes(source: Source, overrides: Sequence[str], price: float) -> float:
    """Payload bytes between agents of a whole run at a price of power less those of the run without one."""
    study = power_study(source, overrides, lambdas=[price], seeds=[0])
    sent = []
    for setting in study.settings:
        prepared = prepare(setting.at(0))
        network = InProcessNetwork(prepared.setup, prepared.environment)
        ledgers = [record.ledger for record in network.run(0, setting.experiment.learning.iterations)]
        sent.append(sum(int(ledger[ledger[:, HOP] > 0, BYTES].sum()) for ledger in ledgers))
    return float(sent[1] - sent[0])


def trained_policies(experiment: Experiment) -> tuple[list[TabularPolicy], JointModel]:
    """The tables that a run ends with, and its exact model; the same run is not made twice."""
    key = experiment.model_dump_json()
    if key not in _FINISHED:
        prepared = prepare(experiment)
        network = InProcessNetwork(prepared.setup, prepared.environment)
        for _ in network.run(0, experiment.learning.iterations):
            pass
        policies = [agent.policy for agent in network.tabular_agents]
        _FINISHED[key] = policies, JointModel(prepared.environment.kernel(), prepared.setup.discount)
    return _FINISHED[key]


_FINISHED: dict[str, tuple[list[TabularPolicy], JointModel]] = {}
"""Several claims rest on the same runs."""
