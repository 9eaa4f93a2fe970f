"""Mutants of claims: wrong artefacts, functions and experiments, put in the place of those that a check reads."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from netagents.exact import oracle_tables as exact_tables_module
from netagents.experiment import Experiment
from netagents.experiment.load import LoadedExperiment
from netagents.intervals import Interval
from netagents.measures.influence import RankInterval
from netagents.studies import (
    claim_checks,
    derivative,
    failure_claims,
    influence_claims,
    regularization_claims,
    robustness_claims,
)
from netagents.studies.allocation_statistics import Correlation
from netagents.studies.claim_checks import Trained
from netagents.studies.claims import Claim
from netagents.studies.cost_model import predict

CURVES = Path(__file__).parents[2] / "docs" / "neural"


Mutant = Callable[[Claim, pytest.MonkeyPatch], Claim]


Trainer = Callable[[Experiment], float]


def changed(*overrides: str, **parameters: Any) -> Mutant:
    """Another experiment, or other parameters of the check, than the statement is about."""

    def mutant(claim: Claim, _: pytest.MonkeyPatch) -> Claim:
        return claim.model_copy(update={"overrides": (*claim.overrides, *overrides), "parameters": {**claim.parameters, **parameters}})

    return mutant


def replaced(module: Any, name: str, function: Any) -> Mutant:
    """A wrong function where the check uses the right one."""

    def mutant(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> Claim:
        monkeypatch.setattr(module, name, function)
        return claim

    return mutant


def both(first: Mutant, second: Mutant) -> Mutant:
    """One mutant after the other."""
    return lambda claim, monkeypatch: second(first(claim, monkeypatch), monkeypatch)


def trained(value: Trainer) -> Mutant:
    """Training that ends at these values instead of those of the runs."""

    def train(experiment: Experiment, *_: Any) -> Trained:
        curve = np.full(claim_checks.LAST, value(experiment))
        return Trained(curve, curve, curve)

    return replaced(claim_checks, "train", train)


def artefact(name: str) -> Mutant:
    """Training whose runs are the recorded curves of ``docs/neural/NAME.csv``, whatever the experiment is."""

    def train(experiment: Experiment, *_: Any) -> Trained:
        with (CURVES / f"{name}.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["seed"]) == experiment.seed]
        returns = np.array([float(row["team_return"]) for row in rows])
        return Trained(returns, returns, np.array([float(row.get("violation", "nan")) for row in rows]))

    return replaced(claim_checks, "train", train)


def studied(clean: float, attacked: float, time: float) -> Mutant:
    """A study of robustness in which every seed has these gains, of returns of -20, and this ratio of times."""

    def mutant(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> Claim:
        row = {"clean": [-20.0], "attacked": [-20.0], "clean_gain": [clean] * 3 + [5], "attacked_gain": [attacked] * 3 + [5]}
        method = {"rows": [row], "time_ratio": [time] * 3 + [5]}
        monkeypatch.setattr(robustness_claims, "carry_out", lambda *_, **__: None)
        monkeypatch.setattr(robustness_claims, "attack_all", lambda *_, **__: {"methods": [method, method]})
        return claim

    return mutant


def garbage_gradient(evaluation: Any, *_: Any, **__: Any) -> list[Any]:
    return [np.random.default_rng(0).normal(size=table.shape) for table in evaluation.policy.tables]


def blind_gradient(evaluation: Any, signals: Any, q: Any, *_: Any, **keywords: Any) -> list[Any]:
    """The gradient of radius 0 whatever the radius."""
    alone = [(agent,) for agent in range(evaluation.model.n)]
    return UNTOUCHED_GRADIENT(evaluation, signals, q, alone, alone, **keywords)


UNTOUCHED_GRADIENT = derivative.truncated_gradient


UNTOUCHED_RADII = exact_tables_module.compare_radii


def same_error_at_every_radius(*arguments: Any, **keywords: Any) -> Any:
    result = UNTOUCHED_RADII(*arguments, **keywords)
    return [UNTOUCHED_RADII(*arguments, **keywords)[0]] * len(result)


class OneByteMore:
    """A cost model that forgets one byte per iteration."""

    def __init__(self, setup: Any) -> None:
        self._cost = predict(setup)

    def total(self, iterations: int) -> dict[Any, Any]:
        flows = dict(self._cost.total(iterations))
        first = next(iter(flows))
        return {**flows, first: flows[first]._replace(payload=flows[first].payload - iterations)}


def relay_counts(share: float) -> Mutant:
    """Agents that count this share of what the trees carry."""

    def launch(loaded: LoadedExperiment, path: Path) -> Any:
        class Ledger:
            links = np.array([[0, 1, 1, 1, 10, 1000], [0, 1, 2, 2, 10, 1000]])

        class Recorded:
            ledger = Ledger()
            events = ({"carried": {"kinds": {"trace": [20, round(2000 * share)]}}},)

        assert loaded.experiment.routing == path.name
        return Recorded()

    return replaced(claim_checks, "launch", launch)


def level_decay(*_: Any) -> Any:
    """Influence that does not fall with distance."""
    return SimpleNamespace(mean=np.ones(5))


def allocations(correlation: float = 0.0, percentile: float = 0.5, gain: float = 0.0, selected: float | None = None) -> Mutant:
    """An allocation study in which influence is something else to the gain, and largest populations gain this share."""
    rank, best = (
        RankInterval(SimpleNamespace(percentile=each), each, each, 8)  # type: ignore[arg-type]
        for each in (percentile, percentile if selected is None else selected)
    )
    samples = np.ones((3, 4, 8, 3)) + gain * np.array([0.0, 0.5, 1.0])
    result = SimpleNamespace(
        by_gain={"influence": Correlation(correlation, correlation - 0.005, correlation + 0.005, 8)},
        ranks={"published": rank},
        selected={"published": best},
        scenarios=list("abcdefgh"),
        samples=samples,
    )
    return replaced(influence_claims, "allocation_result", lambda *_: result)


def budgeted(share: float) -> Mutant:
    """A study under a budget of bytes in which every choice of radii keeps this share of the return."""
    interval = Interval(share, share - 0.01, share + 0.01, 5)
    rows = [SimpleNamespace(radii=radii, kept=interval, behind=interval) for radii in ("influence", "kappa 1")]
    return both(
        replaced(influence_claims, "carry_out", lambda *_, **__: None),
        replaced(influence_claims, "evaluate_budget", lambda *_, **__: rows),
    )


def branched(power: float, returned: float) -> Mutant:
    """Runs whose price leaves these shares of power and return, by branching."""

    def mutant(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> Claim:
        monkeypatch.setattr(regularization_claims, "_BRANCHED", {})
        monkeypatch.setattr(regularization_claims, "launch", lambda loaded, **_: loaded.experiment)

        def values(experiment: Experiment, *_: Any) -> dict[str, float]:
            paid = any(term.kind == "power" and term.factor != 0.0 for term in experiment.signals)
            return {"power": power, "return": returned} if paid else {"power": 1.0, "return": 1.0}

        monkeypatch.setattr(regularization_claims, "branched_power", values)
        return claim

    return mutant


def priced(power: float = 1.0, task: float = 1.0, truncation: float = 1.0) -> Mutant:
    """Training of which a price leaves these shares of power, return and truncation error."""

    def outcome(experiment: Experiment, *_: Any) -> Any:
        pays = any(term.factor != 0.0 for term in experiment.signals)
        return SimpleNamespace(power=power, task=task, reading=truncation) if pays else SimpleNamespace(power=1.0, task=1.0, reading=1.0)

    return replaced(regularization_claims, "_trained", outcome)


def failing(gain: float) -> Mutant:
    """Teams whose others earn so much more under a failure where they have paid a price."""

    def values(experiment: Experiment, *_: Any) -> Any:
        return np.array([[1.0, 1.0], [0.5, 0.8]]) + gain * (len(experiment.signals) > 0)

    return both(replaced(failure_claims, "_under_failure", values), replaced(failure_claims, "_fifth_percentiles", values))


def shifted(module: Any, name: str, by: float) -> Mutant:
    """A function whose numbers are off by so much."""
    right = getattr(module, name)
    return replaced(module, name, lambda *arguments, **keywords: right(*arguments, **keywords) + by)


UNTOUCHED_LEAF = regularization_claims._leaf


def realized_leaf(source: Any, overrides: Any, price: float, aggregate: str, _: str, actions: Any) -> float:
    """A leaf that pays for realized power, whatever was asked for."""
    return UNTOUCHED_LEAF(source, overrides, price, aggregate, "realized", actions)
