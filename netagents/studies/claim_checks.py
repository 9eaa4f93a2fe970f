"""How claims are checked: each function gives one number from an experiment, with its interval where chance has a part in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.exact import decay_rate, exact_experiment
from netagents.experiment import Experiment, load_experiment
from netagents.intervals import Interval, run_interval, standard_half_width
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.launchers.launch import launch
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.records.run_reader import Run
from netagents.studies.cost_model import predict
from netagents.studies.crash_returns import play_frozen
from netagents.studies.derivative import truncation_against_differences
from netagents.studies.exact_power_claims import (
    deviation_identity,
    estimate_of_no_power,
    least_power,
    power_reading_error,
    price_as_probability,
)
from netagents.studies.failure_claims import failure_gain, fifth_percentile_gain
from netagents.studies.influence_claims import (
    allocation_correlation,
    allocation_gain,
    allocation_rank,
    allocation_selection,
    influence_on_the_left,
    influence_ratio,
    plugin_without_influence,
    radii_ahead,
    radii_kept,
)
from netagents.studies.information_claims import (
    bounds_out_of_order,
    club_over_information,
    club_ratio,
    exact_error,
    learned_club_ratio,
    young_club_excess,
)
from netagents.studies.power_claims import penalty_bytes, played_probability, spread_difference, utility_difference
from netagents.studies.regularization_claims import branched_left, power_left, rely_of_state_alone, rely_wrong_side
from netagents.studies.robustness_claims import (
    bound_violation,
    greedy_return,
    penalty_attacked,
    penalty_clean,
    penalty_temperature,
    robust_q_gain,
    study_measure,
)

FloatArray = NDArray[np.float64]
Source = str | Mapping[str, Any]
Measure = Literal["team_return", "discounted_return", "violation"]
Measured = float | Interval
"""What a check gives: a number that is exact or the same on every machine, or one with an interval over seeds or episodes."""

SEEDS = 5
LAST = 5
"""Iterations at the end over which a trained value is averaged."""


LEARNED = 1e-3
"""Logits that have moved less than this have learned nothing."""


class Trained(NamedTuple):
    """What one training run recorded, by iteration.

    Attributes:
        team_return, discounted_return: (K,) per agent.
        violation: (K,) summed over the agents whose constraints are broken, as SPDAC plots it; NaN without constraints.
    """

    team_return: FloatArray
    discounted_return: FloatArray
    violation: FloatArray

    def final(self, measure: Measure = "team_return") -> float:
        """Mean over the last :data:`LAST` iterations."""
        values: FloatArray = getattr(self, measure)
        return float(values[-LAST:].mean())


_FINISHED: dict[tuple[str, Path | None], Trained] = {}
"""Runs that this process has made: several claims rest on the same ones."""


def train(experiment: Experiment, base: Path | None = None) -> Trained:
    """One training run, in this process; the same one again is not made twice."""
    key = experiment.model_dump_json(), base
    if key not in _FINISHED:
        _FINISHED[key] = _train(experiment, base)
    return _FINISHED[key]


def _train(experiment: Experiment, base: Path | None) -> Trained:
    prepared = prepare(experiment, base)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    records = list(network.run(0, experiment.learning.iterations))
    returns, discounted = (np.array([getattr(record, name) for record in records]) for name in ("team_return", "discounted_return"))
    violations = np.array([np.maximum(record.column("violation"), 0.0).sum() for record in records])
    return Trained(returns, discounted, violations)


def untrained_return(source: Source, overrides: Sequence[str], copies: int = 4096, discounted: bool = False) -> Interval:
    """Return per agent of policies that choose every action equally often, over episodes."""
    prepared = _prepare(source, overrides)
    policies = [prepared.setup.policy(agent) for agent in range(prepared.setup.n)]
    returns = play_frozen(prepared.setup, prepared.environment, policies, copies)
    mean, error = (returns.discounted, returns.discounted_error) if discounted else (returns.plain, returns.error)
    value, half = float(mean.mean()), float(standard_half_width(error * np.sqrt(copies), copies))
    return Interval(value, value - half, value + half, copies)


def trained_return(source: Source, overrides: Sequence[str], seeds: int = SEEDS, measure: Measure = "team_return") -> Interval:
    """Return per agent (or another measure) after training, over seeds."""
    loaded = load_experiment(source, overrides)
    return run_interval([train(_with(loaded.experiment, seed=seed), loaded.base).final(measure) for seed in range(seeds)])


def one_trained_return(source: Source, overrides: Sequence[str]) -> float:
    """The same of the experiment's own seed alone: a number that repeats, and no statement about other seeds."""
    loaded = load_experiment(source, overrides)
    return train(loaded.experiment, loaded.base).final()


def gain_of_radius(source: Source, overrides: Sequence[str], small: int, large: int, seeds: int = SEEDS, radius: str = "kappa") -> Interval:
    """How much more a larger radius brings after training, by seed; ``radius`` may be one of the three."""
    return _difference(source, overrides, {radius: large}, {radius: small}, seeds)


def price_of_age(source: Source, overrides: Sequence[str], seeds: int = SEEDS) -> Interval:
    """Return per agent that is lost when policies read states as many steps old as they are hops away, by seed."""
    return _difference(source, overrides, {"information": "fresh"}, {"information": "aged"}, seeds)


def relayed_share(source: Source, overrides: Sequence[str], of: Literal["direct", "hops"] = "direct") -> float:
    """Payload that agents with relay routing counted on their links, as processes, over what the ledger of direct links says.

    With ``of: hops`` each message of the ledger counts once per hop, as if it were handed on by itself.
    """
    loaded = load_experiment(source, overrides)

    def run(folder: str, **changes: Any) -> Run:
        return launch(replace(loaded, experiment=_with(loaded.experiment, **changes)), path=Path(folder))

    with TemporaryDirectory() as folder:
        direct = run(f"{folder}/direct", **{"runtime.launcher": "in_process"})
        relay = run(f"{folder}/relay", routing="relay", **{"runtime.launcher": "local"})
        counted = next(event["carried"] for event in reversed(relay.events) if "carried" in event)
        sent = sum(size * (hop if of == "hops" else 1) for *_, hop, _, size in direct.ledger.links.tolist() if hop > 0)
    return float(sum(size for _, size in counted["kinds"].values()) / sent)


def gradient_error(source: Source, overrides: Sequence[str], kappa: int) -> float:
    """Relative error of the truncated gradient of one radius, with perfect critics, against finite differences of the exact objective."""
    return truncation_against_differences(_prepare(source, overrides), [kappa])[0]


def gradient_error_ratio(source: Source, overrides: Sequence[str], largest: int) -> float:
    """The largest of error(kappa + 1) / error(kappa) for kappa below ``largest``: below 1 every hop brings the gradient closer."""
    errors = np.array(truncation_against_differences(_prepare(source, overrides), range(largest + 1)))
    return float((errors[1:] / errors[:-1]).max())


def truncation_decay(source: Source, overrides: Sequence[str], largest: int) -> float:
    """Factor per hop of the exact truncation error of untrained policies."""
    loaded = load_experiment(source, overrides)
    tables = exact_experiment(loaded.experiment, loaded.base, kappas=list(range(largest + 1)))
    errors = [float(cell) for cell in tables["truncation"].column("supremum")]
    return decay_rate(range(largest + 1), errors)


def muted_difference(
    source: Source, overrides: Sequence[str], mute: Sequence[str] = ("state", "trace", "shadow_reward", "truncated_q")
) -> float:
    """Largest difference in any logit between muting messages and a radius of zero.

    Infinite where the tables differ in shape, NaN where nothing was learned that could differ.
    """
    base = load_experiment(source, overrides).experiment
    muted = _logits(_with(base, mute=list(mute)))
    alone = _logits(_with(base, kappa=0, kappa_policy=None, kappa_critic=None, kappa_gradient=None))
    if max(float(np.abs(table).max()) for table in alone) < LEARNED:
        return float("nan")
    if any(muted_one.shape != alone_one.shape for muted_one, alone_one in zip(muted, alone, strict=True)):
        return float("inf")
    return max(float(np.abs(muted_one - alone_one).max()) for muted_one, alone_one in zip(muted, alone, strict=True))


def predicted_bytes_difference(source: Source, overrides: Sequence[str]) -> float:
    """Payload bytes of the ledger minus those predicted, over a whole run."""
    prepared = _prepare(source, overrides)
    iterations = prepared.experiment.learning.iterations
    network = InProcessNetwork(prepared.setup, prepared.environment)
    sent = sum(int(record.ledger[:, 5].sum()) for record in network.run(0, iterations))
    return float(sent - sum(flow.payload for flow in predict(prepared.setup).total(iterations).values()))


CHECKS: dict[str, Callable[..., Measured]] = {
    check.__name__: check
    for check in (
        untrained_return,
        trained_return,
        one_trained_return,
        gain_of_radius,
        price_of_age,
        relayed_share,
        gradient_error,
        gradient_error_ratio,
        truncation_decay,
        muted_difference,
        predicted_bytes_difference,
        influence_on_the_left,
        influence_ratio,
        plugin_without_influence,
        allocation_correlation,
        allocation_rank,
        allocation_gain,
        allocation_selection,
        radii_ahead,
        radii_kept,
        rely_wrong_side,
        rely_of_state_alone,
        power_left,
        branched_left,
        played_probability,
        spread_difference,
        utility_difference,
        penalty_bytes,
        deviation_identity,
        price_as_probability,
        least_power,
        power_reading_error,
        estimate_of_no_power,
        failure_gain,
        fifth_percentile_gain,
        penalty_clean,
        penalty_attacked,
        bound_violation,
        penalty_temperature,
        robust_q_gain,
        greedy_return,
        study_measure,
        club_ratio,
        learned_club_ratio,
        bounds_out_of_order,
        club_over_information,
        young_club_excess,
        exact_error,
    )
}
"""By name, as ``docs/claims.yaml`` uses them."""


def _prepare(source: Source, overrides: Sequence[str]) -> Prepared:
    loaded = load_experiment(source, overrides)
    return prepare(loaded.experiment, loaded.base)


def _with(experiment: Experiment, **changes: Any) -> Experiment:
    return load_experiment(experiment, changes).experiment


def _difference(source: Source, overrides: Sequence[str], first: Mapping[str, Any], second: Mapping[str, Any], seeds: int) -> Interval:
    """Final return with the first changes less that with the second, over seeds that both share."""
    loaded = load_experiment(source, overrides)
    pairs = (
        [train(_with(loaded.experiment, seed=seed, **changes), loaded.base).final() for changes in (first, second)] for seed in range(seeds)
    )
    return run_interval([better - worse for better, worse in pairs])


def _logits(experiment: Experiment) -> list[FloatArray]:
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for _ in network.run(0, experiment.learning.iterations):
        pass
    return [agent.policy.logits for agent in network.tabular_agents]
