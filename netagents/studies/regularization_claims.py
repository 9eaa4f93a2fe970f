"""Checks of the claims about power regularization: where learned policies switch in RELY, and what a price leaves of true power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from netagents.environments.games.rely import ALONE, FIRST_HUB, SECOND_HUB, SPLIT, switch_points
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.games import RelyRules
from netagents.experiment.signal_settings import Aggregate
from netagents.intervals import Interval, run_interval
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.launchers.launch import launch
from netagents.learning.prepared_experiment import prepare
from netagents.studies.power_sources import branched_power
from netagents.studies.power_study import NONE, aggregate_of, power_study
from netagents.studies.power_tables import share_of_return
from netagents.studies.true_power import TruePower, enumerable, true_power

RULES = RelyRules(self_reward=0.0, split_cost=0.3, wage=2.0)
HUBS = (FIRST_HUB, SECOND_HUB)
TOLERANCE = 0.1
CERTAIN = 0.8
"""Probability from which on an action is what a leaf has learned."""


def rely_wrong_side(source: str | Mapping[str, Any], overrides: Sequence[str]) -> float:
    """At how many of six prices, a tenth below and above each closed form of RELY, a leaf has learned anything but what it says."""
    at = switch_points(RULES)
    expected = [
        ("sum", at.rely_to_self, HUBS, (ALONE,)),
        ("max", at.rely_to_split, HUBS, (SPLIT,)),
        ("max", at.split_to_self, (SPLIT,), (ALONE,)),
    ]
    wrong = 0
    for aggregate, price, below, above in expected:
        for factor, actions in ((1.0 - TOLERANCE, below), (1.0 + TOLERANCE, above)):
            wrong += _leaf(source, overrides, factor * price, aggregate, "realized", actions) < CERTAIN
    return float(wrong)


def rely_of_state_alone(source: str | Mapping[str, Any], overrides: Sequence[str]) -> float:
    """How often a leaf still relies on hubs at three times the price at which it should stop, where the penalty is ex-ante power."""
    return _leaf(source, overrides, 3.0 * switch_points(RULES).rely_to_self, "sum", "ex_ante", HUBS)


def _leaf(
    source: str | Mapping[str, Any], overrides: Sequence[str], price: float, aggregate: str, variant: str, actions: Sequence[int]
) -> float:
    loaded = load_experiment(source, overrides)
    term = {"kind": "power", "lambda": price, "aggregate": aggregate, "variant": variant, "start": 15, "ramp": 15}
    changes = {"environment.rules": RULES.model_dump(), "signals": [term]}
    experiment = load_experiment(loaded.experiment, changes).experiment
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    list(network.run(0, experiment.learning.iterations))
    policy: Any = network.agents[-1].policy
    return float(policy.probabilities[0][list(actions)].sum())


def power_left(
    source: str | Mapping[str, Any],
    overrides: Sequence[str],
    price: float,
    method: str = "prim",
    seeds: int = 5,
    what: Literal["power", "return", "truncation"] = "power",
) -> Interval:
    """The share of true power, of the exact task return, or of the error of TD's limit, that a price leaves, by seed.

    Power is that of the experiment's own aggregate.
    """
    outcomes = exact_outcomes(source, overrides, price, seeds, method)
    if what == "power":
        return run_interval([regularized.power / plain.power for plain, regularized in outcomes])
    if what == "truncation":
        return run_interval([regularized.reading / plain.reading for plain, regularized in outcomes])
    return run_interval([share_of_return(regularized.task, plain.task, float("nan")) for plain, regularized in outcomes])


def exact_outcomes(
    source: str | Mapping[str, Any], overrides: Sequence[str], price: float, seeds: int, method: str = "prim"
) -> list[tuple[TruePower, TruePower]]:
    """By seed, what is true without a price and at one; power of the experiment's own aggregate."""
    study = power_study(source, overrides, lambdas=[price], methods=[method], seeds=range(seeds))
    outcomes = []
    for seed in range(seeds):
        trained = {setting.values["method"]: _trained(setting.at(seed), aggregate_of(study)) for setting in study.settings}
        outcomes.append((trained[NONE], trained[method]))
    return outcomes


def branched_left(
    source: str | Mapping[str, Any],
    overrides: Sequence[str],
    price: float,
    states: int,
    seeds: int = 5,
    what: Literal["power", "return"] = "power",
) -> Interval:
    """The same for ``prim`` where the model cannot be enumerated: power by branching, the return of frozen policies."""
    study = power_study(source, overrides, lambdas=[price], seeds=range(seeds))
    shares = []
    with TemporaryDirectory() as folder:
        for seed in range(seeds):
            values_of_method = {}
            for setting in study.settings:
                key = setting.at(seed).model_dump_json(), states
                if key not in _BRANCHED:
                    finished = launch(load_experiment(setting.at(seed)), path=Path(folder) / f"{setting.values['method']}-{seed}")
                    _BRANCHED[key] = branched_power(finished, states, aggregate_of(study))
                values_of_method[setting.values["method"]] = _BRANCHED[key][what]
            shares.append(values_of_method["prim"] / values_of_method[NONE] if values_of_method[NONE] > 0.0 else float("nan"))
    return run_interval(shares)


_BRANCHED: dict[tuple[str, int], dict[str, float]] = {}
_FOUND: dict[tuple[str, str], TruePower] = {}
"""Several claims rest on the same runs."""


def _trained(experiment: Experiment, aggregate: Aggregate) -> TruePower:
    key = experiment.model_dump_json(), aggregate
    if key not in _FOUND:
        prepared = prepare(experiment)
        network = InProcessNetwork(prepared.setup, prepared.environment)
        list(network.run(0, experiment.learning.iterations))
        policies = [np.array(agent.arrays()["policy.logits"]) for agent in network.agents]
        loaded = [prepared.setup.policy(agent) for agent in range(prepared.setup.n)]
        for policy, logits in zip(loaded, policies, strict=True):
            policy.load(logits)
        _FOUND[key] = true_power(enumerable(prepared), prepared.setup, loaded, aggregate)
    return _FOUND[key]
