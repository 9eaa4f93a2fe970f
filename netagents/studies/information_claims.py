"""Checks of claims about estimators of information: against exact values, closed forms and each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import Interval, mean_interval, run_interval
from netagents.measures.information import (
    CategoricalConditional,
    ConditionalSettings,
    ConditionalTrainer,
    CorrelatedGaussians,
    club_values,
    exact_information,
    likelihood_gain,
    log_softmax,
)
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

Source = str | Mapping[str, Any]
FloatArray = NDArray[np.float64]
DIMENSIONS, BATCH, RATE, LAST = 20, 64, 5e-3, 500
"""Of the published comparison: d, samples per step, Adam's step size, and the last batches that count."""
STATES, ACTIONS = 8, 7
LEVELS, SCALES = (2.0, 4.0, 6.0), (0.25, 0.5, 1.0, 2.0)


def club_ratio(source: Source, overrides: Sequence[str], nats: float, batches: int = 2000) -> Interval:  # noqa: ARG001 - no experiment
    """CLUB with the true conditional over d rho^2 / (1 - rho^2), on correlated Gaussians of ``nats``, over batches of 64."""
    fixture, generator = CorrelatedGaussians(DIMENSIONS, nats), _generator(0, int(nats))
    return mean_interval([_gaussian_club(fixture, generator) / fixture.club for _ in range(batches)])


def learned_club_ratio(source: Source, overrides: Sequence[str], nats: float, steps: int = 4000, seeds: int = 5) -> Interval:  # noqa: ARG001
    """The same with a learned linear q, trained on a fresh batch per step, over seeds."""
    ratios = []
    for seed in range(seeds):
        fixture, generator = CorrelatedGaussians(DIMENSIONS, nats), _generator(1 + seed, int(nats))
        settings = ConditionalSettings("gaussian", DIMENSIONS, DIMENSIONS, (), RATE, 1, BATCH, held_out=0.0)
        trainer, values = ConditionalTrainer(settings, seed, 0), []
        for step in range(steps):
            x, y = fixture.sample(BATCH, generator)
            if step >= steps - LAST:
                values.append(float(club_values(trainer.model(x), y, other_samples=True).mean()))
            trainer.fit(x, y, step)
        ratios.append(float(np.mean(values)) / fixture.club)
    return run_interval(ratios)


def bounds_out_of_order(source: Source, overrides: Sequence[str], batches: int = 400) -> int:  # noqa: ARG001
    """Fixtures in which the likelihood gain, the information and CLUB, means over batches, do not stand in this order."""
    wrong = 0
    for nats in LEVELS:
        fixture, generator = CorrelatedGaussians(DIMENSIONS, nats), _generator(7, int(nats))
        lower, upper = [], []
        for _ in range(batches):
            x, y = fixture.sample(BATCH, generator)
            model = fixture.conditional(x)
            lower.append(likelihood_gain(model, y).value)
            upper.append(float(club_values(model, y, other_samples=True).mean()))
        wrong += not np.mean(lower) <= nats <= np.mean(upper)
    for scale in SCALES:
        generator, lower, upper = _generator(8, int(4 * scale)), [], []
        for _ in range(batches):
            logits, actions = _policy(scale, BATCH, generator)
            policy = CategoricalConditional(log_softmax(logits))
            lower.append(likelihood_gain(policy, actions).value)
            upper.append(float(club_values(policy, actions, other_samples=True).mean()))
        wrong += not np.mean(lower) <= _information(scale) <= np.mean(upper)
    return wrong


def club_over_information(source: Source, overrides: Sequence[str], scale: float = 1.0, batches: int = 200) -> Interval:  # noqa: ARG001
    """CLUB under the policy itself over the exact information, of a softmax policy on Gaussian states, over batches of 64."""
    truth, generator = _information(scale), _generator(9, int(4 * scale))
    ratios = []
    for _ in range(batches):
        logits, actions = _policy(scale, BATCH, generator)
        ratios.append(float(club_values(CategoricalConditional(log_softmax(logits)), actions, other_samples=True).mean()) / truth)
    return mean_interval(ratios)


def young_club_excess(source: Source, overrides: Sequence[str], steps: int = 20, scale: float = 1.0, seeds: int = 5) -> Interval:  # noqa: ARG001
    """CLUB of a q that has made ``steps`` steps of 64 samples at 5e-4 less the exact information, over seeds: below 0 it is no bound."""
    truth, estimates = _information(scale), []
    for seed in range(seeds):
        generator = _generator(10 + seed, steps)
        trainer = ConditionalTrainer(ConditionalSettings("categorical", STATES, ACTIONS, (64,), 5e-4, 1, BATCH, held_out=0.0), seed, 0)
        for step in range(steps):
            states, actions = _states(scale, BATCH, generator)
            trainer.fit(states, actions, step)
        states, actions = _states(scale, 20_000, generator)
        estimates.append(float(club_values(trainer.model(states), actions, other_samples=True).mean()) - truth)
    return run_interval(estimates)


def exact_error(source: Source, overrides: Sequence[str], samples: int = 200) -> float:  # noqa: ARG001
    """Largest difference of mode exact from sum_i sum_a p(a | x_i) log(p(a | x_i) / p(a)) / N, enumerated, over scales."""
    errors = []
    for scale in SCALES:
        logits, _ = _policy(scale, samples, _generator(11, int(4 * scale)))
        total, marginal = 0.0, np.zeros(ACTIONS)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        for row in probabilities:
            marginal += row / samples
        for row in probabilities:
            total += sum(float(p * np.log(p / q)) for p, q in zip(row, marginal, strict=True)) / samples
        errors.append(abs(exact_information(logits).value - total))
    return max(errors)


def _gaussian_club(fixture: CorrelatedGaussians, generator: np.random.Generator) -> float:
    x, y = fixture.sample(BATCH, generator)
    return float(club_values(fixture.conditional(x), y, other_samples=True).mean())


def _states(scale: float, samples: int, generator: np.random.Generator) -> tuple[FloatArray, NDArray[np.int64]]:
    """States (N, 8) and actions (N,) of the policy."""
    states = generator.standard_normal((samples, STATES))
    cumulated = np.exp(log_softmax(_logits(scale, states))).cumsum(axis=1)[:, :-1]
    return states, (generator.random((samples, 1)) > cumulated).sum(axis=1)


def _policy(scale: float, samples: int, generator: np.random.Generator) -> tuple[FloatArray, NDArray[np.int64]]:
    """Logits (N, 7) and actions (N,)."""
    states, actions = _states(scale, samples, generator)
    return _logits(scale, states), actions


def _logits(scale: float, states: FloatArray) -> FloatArray:
    weights = _generator(12, 0).standard_normal((STATES, ACTIONS)) / np.sqrt(STATES)
    return np.asarray(scale * states @ weights)


def _information(scale: float) -> float:
    """I from 100,000 states with the actions summed out."""
    return exact_information(_logits(scale, _generator(13, 0).standard_normal((100_000, STATES)))).value


def _generator(seed: int, part: int) -> np.random.Generator:
    return stream(seed, ENVIRONMENT_OWNER, Purpose.STATISTICS, part)
