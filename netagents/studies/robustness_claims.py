"""Checks of claims about robustness: what an information penalty does to clean returns and to those under the exact worst adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from netagents.exact import JointModel, JointPolicy, observed_policy
from netagents.exact.information_bound import attacked_returns, bound_terms, clean_return, greedy
from netagents.exact.robust_q import robust_values, value_under_attack
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.load import resolved
from netagents.intervals import Interval, run_interval
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.policies import TabularPolicy
from netagents.studies.attack_returns import Attack
from netagents.studies.robustness_study import attack_all, robustness_study
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_runs import carry_out
from netagents.studies.study_specification import Study

Source = str | Mapping[str, Any]
ROM_Q_DISCOUNT = 0.9
"""gamma of RoM-Q's authors."""
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
    violations = []
    for seed in range(seeds):
        model, policy, prepared = learned(_with(source, overrides, weight, seed))
        contexts = prepared.environment.observe(np.ascontiguousarray(model.state_digits.T))
        terms = bound_terms(model, policy, contexts, prepared.setup.horizon)
        violations.append(terms.right_side(weight) - float(terms.attacked.min()))
    return run_interval(violations)


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


def penalty_temperature(source: Source, overrides: Sequence[str], weight: float, iteration: int = 10, seeds: int = 5) -> Interval:
    """The metric ``information_temperature``, mean over agents, at an early iteration of training with lambda = ``weight``, over seeds."""
    temperatures = []
    for seed in range(seeds):
        prepared = prepare(_with(source, overrides, weight, seed))
        *_, last = InProcessNetwork(prepared.setup, prepared.environment).run(0, iteration + 1)
        temperatures.append(float(np.mean(last.column("information_temperature"))))
    return run_interval(temperatures)


def robust_q_gain(source: Source, overrides: Sequence[str], probability: float) -> float:
    """Value of greedy play of RoM-Q's values less that of the ordinary ones, where each step is attacked with a probability; exact."""
    loaded = load_experiment(source, overrides)
    model = JointModel(prepare(loaded.experiment, loaded.base).environment.kernel(), ROM_Q_DISCOUNT)
    ordinary, robust = (value_under_attack(model, robust_values(model, coalition).q, probability) for coalition in (0, 1))
    return robust - ordinary


def greedy_return(source: Source, overrides: Sequence[str], seeds: int = 5, episodes: int = 64) -> Interval:
    """Return of the greedy team after training, over seeds."""
    loaded = load_experiment(source, overrides)
    returns = []
    for seed in range(seeds):
        prepared = prepare(load_experiment(loaded.experiment, [f"seed={seed}"]).experiment, loaded.base)
        network = InProcessNetwork(prepared.setup, prepared.environment)
        for _ in network.run(0, prepared.experiment.learning.iterations):
            pass
        team = Attack(prepared.setup, prepared.environment, [agent.policy for agent in network.agents], episodes)
        returns.append(float(team.returns().mean()))
    return run_interval(returns)


def study_measure(
    source: Source,
    overrides: Sequence[str],
    method: str,
    measure: str,
    relative: bool = False,
    seeds: int = 5,
    episodes: int = 64,
    folder: Path | None = None,
) -> Interval:
    """A number of ``netagents study robustness`` for one method beside the backbone: ``attacked_gain``, ``clean_gain`` or ``time_ratio``.

    Args:
        source, overrides: the backbone's file.
        method: ``information LAMBDA`` or a robust relative.
        measure: of ``robustness.json``.
        relative: gains as a share of the backbone's own attacked or clean return.
        seeds: of each method. episodes: of each adversary.
        folder: of a study that goes on; default: a new one.
    """
    word, _, weight = method.partition(" ")
    lambdas, relatives = ([float(weight)], []) if weight else ([], [word])
    study = robustness_study([str(source)], overrides, lambdas=lambdas, relatives=relatives, seeds=range(seeds))
    with TemporaryDirectory() as new:
        directory = StudyDirectory.open_for(folder or Path(new), study)
        carry_out(study, directory, copies=0)
        facts = attack_all(study, directory, [(0,)], _train, budget=None, attackers=1, episodes=episodes)
    backbone, other = facts["methods"]
    measured = other["time_ratio"] if measure == "time_ratio" else other["rows"][0][measure]
    size = abs(backbone["rows"][0][measure.removesuffix("_gain")][0]) if relative else 1.0
    value, low, high = (float("nan") if each is None else each / size for each in measured[:3])
    return Interval(value, low, high, measured[3])


def _train(study: Study, directory: StudyDirectory) -> None:
    carry_out(study, directory, copies=0)


def _with(source: Source, overrides: Sequence[str], weight: float, seed: int) -> Experiment:
    experiment = load_experiment(source, overrides).experiment
    term = {"kind": "information", "weight": -weight}
    return Experiment.model_validate({**resolved(experiment), "seed": seed, "signals": [term]})
