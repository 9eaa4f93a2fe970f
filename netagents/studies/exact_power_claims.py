"""Checks of what is true of power by definition, on random small games: exact, but for what a minimum over noise does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netagents.exact import (
    ExactValues,
    JointModel,
    Regularization,
    adversarial_values,
    calibrate_power,
    conditional_mean,
    power_matrices,
    regularized_values,
    softmax_policy,
    windows,
)
from netagents.exact.exact_power import ex_ante_power, realized_power
from netagents.exact.power_regularization import aggregated_power
from netagents.experiment import load_experiment
from netagents.intervals import Interval, mean_interval
from netagents.learning.prepared_experiment import prepare
from netagents.measures.power.double_estimator import double_estimate, single_estimate
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

Source = str | Mapping[str, Any]
FloatArray = NDArray[np.float64]
GAMES = 5
SAMPLES = 20_000
SPREAD = 1.5
"""Standard deviation of the logits of random policies."""


def random_games(source: Source, overrides: Sequence[str], games: int) -> Iterator[tuple[ExactValues, FloatArray]]:
    """Random policies in models of an experiment, with the distances of its graph.

    Models are random where ``environment.task_seed`` names one, and else always the same.
    """
    base = load_experiment(source, overrides).experiment
    for seed in range(games):
        changes = {"environment.task_seed": seed} if hasattr(base.environment, "task_seed") else {}
        prepared = prepare(load_experiment(base, changes).experiment)
        kernel = prepared.environment.kernel()
        draw = stream(seed, ENVIRONMENT_OWNER, Purpose.EVALUATION, 0)
        scopes = tuple((agent,) for agent in range(prepared.setup.n))
        sizes = zip(kernel.state_sizes, kernel.action_sizes, strict=True)
        policy = softmax_policy(kernel, scopes, [SPREAD * draw.standard_normal(size) for size in sizes])
        yield ExactValues(JointModel(kernel, prepared.setup.discount), policy), prepared.topology.hops.matrix().astype(np.float64)


def _rules(strength: float) -> Iterator[Regularization]:
    for aggregate, variant in product(("mean", "sum", "max"), ("realized", "ex_ante")):
        yield Regularization(strength, aggregate, variant)  # type: ignore[arg-type]


def deviation_identity(source: Source, overrides: Sequence[str], probability: float = 0.3, games: int = GAMES) -> float:
    """The largest |W - E sum_t gamma^t (r - p agg Power_W)| over games, agents, states, aggregates and variants."""
    largest = 0.0
    for evaluation, _ in random_games(source, overrides, games):
        model = evaluation.model
        for rule in _rules(probability):
            values = adversarial_values(evaluation, rule)
            q = model.rewards + model.discount * model.expected_next(values)
            paid = np.stack([aggregated_power(evaluation, q[i], i, rule) for i in range(model.n)])
            largest = max(largest, float(np.abs(values - evaluation.values(model.rewards - probability * paid)).max()))
    return largest


def price_as_probability(source: Source, overrides: Sequence[str], games: int = GAMES) -> float:
    """The largest ratio, over games and rules, of |W - U| / p^2 at p = 0.001 to that at p = 0.1: bounded if price and chance agree."""
    largest = 0.0
    for evaluation, _ in random_games(source, overrides, games):
        for coarse, fine in zip(_rules(0.1), _rules(0.001), strict=True):
            gaps = [np.abs(adversarial_values(evaluation, rule) - regularized_values(evaluation, rule)).max() for rule in (coarse, fine)]
            if gaps[0] > 0.0:
                largest = max(largest, float(gaps[1] / gaps[0]) * (0.1 / 0.001) ** 2)
    return largest


def least_power(source: Source, overrides: Sequence[str], what: Literal["power", "realized"] = "power", games: int = GAMES) -> float:
    """The least power of anybody over anybody in any state; or the least of mean realized power less ex-ante power."""
    least = np.inf
    for evaluation, _ in random_games(source, overrides, games):
        q = evaluation.action_values(evaluation.model.rewards)
        for i, j in permutations(range(evaluation.model.n), 2):
            before, played = ex_ante_power(evaluation, q[i], j), realized_power(evaluation, q[i], j)
            if what == "power":
                least = min(least, float(before.min()), float(played.min()))
        if what == "realized":
            matrices = power_matrices(evaluation, q)
            least = min(least, float(np.nanmin(matrices.realized - matrices.ex_ante)))
    return float(least)


def power_reading_error(
    source: Source, overrides: Sequence[str], kappa: int, distance: int, extreme: Literal["least", "largest"], games: int = GAMES
) -> float:
    """The relative error of realized power, at one distance, read from critics of radius kappa that are best in the mean square.

    Args:
        extreme: the least or the largest error over the games.
    """
    errors = []
    for evaluation, distances in random_games(source, overrides, games):
        q, weights = evaluation.action_values(evaluation.model.rewards), evaluation.occupancy()
        critics = [conditional_mean(evaluation.model, q[i], window, weights) for i, window in enumerate(windows(distances, kappa))]
        rows = calibrate_power(evaluation, q, critics, distances, kappa)
        errors += [row.error for row in rows if row.distance == distance]
    return float(min(errors) if extreme == "least" else max(errors))


def estimate_of_no_power(
    source: Source,  # noqa: ARG001 - noise alone, of no experiment
    overrides: Sequence[str],  # noqa: ARG001
    actions: int = 6,
    estimator: Literal["single", "double"] = "single",
) -> Interval:
    """What is read where all actions are alike and values have unit noise: mean over samples, in standard deviations of one value."""
    noise = stream(0, ENVIRONMENT_OWNER, Purpose.STATISTICS, 0).standard_normal((2, actions, SAMPLES))
    if estimator == "single":
        return mean_interval(single_estimate(np.sqrt(2.0) * noise[:, 0], np.sqrt(2.0) * noise))  # the mean of the pair has unit noise
    return mean_interval(double_estimate(noise[:, 0], noise))
