"""Checks of claims about robustness: what an information penalty does to clean returns and to those under the exact worst adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from netagents.exact import JointModel, JointPolicy, observed_policy
from netagents.exact.information_bound import attacked_returns, bound_terms, clean_return, greedy
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.load import resolved
from netagents.intervals import Interval, run_interval
from netagents.launchers.in_process import InProcessNetwork
from netagents.learning.prepare import Prepared, prepare
from netagents.policies import TabularPolicy

Source = str | Mapping[str, Any]
NO_DISCOUNT = 1.0 - 1e-12
"""Returns are sums over the horizon; exact models want a discount below 1."""


class ExactReturns(NamedTuple):
    """Undiscounted returns of greedy policies: clean, and the victims' under the worst adversary, mean over its seats."""

    clean: float
    attacked: float


def penalty_clean(source: Source, overrides: Sequence[str], weight: float, seeds: int = 10) -> Interval:
    """Clean return with a penalty of lambda = ``weight`` over that without, by seed."""
    pairs = [(exact_returns(_with(source, overrides, weight, k)), exact_returns(_with(source, overrides, 0.0, k))) for k in range(seeds)]
    return run_interval([penalised.clean / plain.clean for penalised, plain in pairs])


def penalty_attacked(source: Source, overrides: Sequence[str], weight: float, seeds: int = 10) -> Interval:
    """Return of the victims of the exact worst adversary with a penalty less that without, by seed."""
    pairs = [(exact_returns(_with(source, overrides, weight, k)), exact_returns(_with(source, overrides, 0.0, k))) for k in range(seeds)]
    return run_interval([penalised.attacked - plain.attacked for penalised, plain in pairs])


def bound_violation(source: Source, overrides: Sequence[str], weight: float, seeds: int = 5) -> Interval:
    """sum_t (r_t - lambda I_t) of clean play less the return under the worst adversary: above 0 the bound is broken."""
    found = []
    for seed in range(seeds):
        model, policy, prepared = learned(_with(source, overrides, weight, seed))
        contexts = prepared.environment.observe(np.ascontiguousarray(model.state_digits.T))
        terms = bound_terms(model, policy, contexts, prepared.setup.horizon)
        found.append(terms.right_side(weight) - float(terms.attacked.min()))
    return run_interval(found)


def exact_returns(experiment: Experiment) -> ExactReturns:
    """Train, and solve for the worst adversary."""
    model, policy, prepared = learned(experiment)
    horizon = prepared.setup.horizon
    return ExactReturns(clean_return(model, greedy(policy), horizon), float(attacked_returns(model, greedy(policy), horizon).mean()))


def learned(experiment: Experiment) -> tuple[JointModel, JointPolicy, Prepared]:
    """What agents with tables learn, as a joint policy of the exact model."""
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for _ in network.run(0, experiment.learning.iterations):
        pass
    model = JointModel(prepared.environment.kernel(), NO_DISCOUNT)
    tables = [agent.policy.probabilities for agent in network.agents if isinstance(agent.policy, TabularPolicy)]
    return model, observed_policy(prepared.environment, model, tables), prepared


def _with(source: Source, overrides: Sequence[str], weight: float, seed: int) -> Experiment:
    experiment = load_experiment(source, overrides).experiment
    term = {"kind": "information", "weight": -weight}
    return Experiment.model_validate({**resolved(experiment), "seed": seed, "signals": [term]})
