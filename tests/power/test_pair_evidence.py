"""Evidence about a pair: effects of actions against simulated truths, honest errors, and no effect of what changes meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.measures.power.evidence_group import EvidenceGroup
from netagents.measures.power.pair_evidence import PairEvidence
from netagents.measures.power.reading import FOLDS, PowerReading
from netagents.measures.power.state_values import Samples

EFFECTS = np.array([[0.0, -1.0, 0.5], [0.3, 0.2, -0.4]])
"""Of three actions in two contexts; power is the mean of effect less smallest effect."""


class OnePair:
    """A group of one pair with a window of ten iterations."""

    def __init__(self, context_sizes: tuple[int, ...], actions: int) -> None:
        self.pair = PairEvidence(context_sizes, actions)
        self.group = EvidenceGroup([self.pair], 10)

    def add(self, variables: list[np.ndarray], samples: Samples) -> None:
        self.group.add([variables], samples)

    def reading(self, min_visits: int) -> PowerReading:
        (reading,) = self.group.readings(min_visits)
        return reading


def played_for(
    iterations: int, size: int, generator: np.random.Generator, *, shares: np.ndarray, drift: float = 0.0, effects: np.ndarray = EFFECTS
) -> tuple[OnePair, float]:
    """Evidence of simulated steps with unit noise, and the true power over them; ``shares`` (iterations, 3) of the actions."""
    evidence = OnePair((2,), 3)
    total = weight = 0.0
    for iteration in range(iterations):
        context = generator.integers(0, 2, size)
        action = generator.choice(3, size, p=shares[iteration])
        values = effects[context, action] + drift * iteration + generator.standard_normal(size)
        evidence.add([context, action], Samples(np.arange(size), values, np.arange(size) % FOLDS, size))
        total = 0.9 * total + float((effects[context, action] - effects.min(axis=1)[context]).sum())
        weight = 0.9 * weight + size
        evidence.reading(5)
    return evidence, total / weight


EVEN = np.full((30, 3), 1 / 3)


def test_power_is_read_within_its_error_and_the_error_falls_with_data() -> None:
    errors = []
    for size in (60, 600, 6000):
        within = []
        for seed in range(20):
            evidence, truth = played_for(30, size, np.random.default_rng([size, seed]), shares=EVEN)
            reading = evidence.reading(5)
            within.append(abs(reading.power - truth) <= reading.error)
            assert reading.known == 1.0
        assert sum(within) >= 18
        errors.append(reading.error)
    assert errors[2] < 0.5 * errors[1] < 0.25 * errors[0]


def test_actions_that_do_nothing_have_no_reliable_power() -> None:
    for seed in range(10):
        evidence, _ = played_for(30, 100, np.random.default_rng(seed), shares=EVEN, effects=np.zeros((2, 3)))
        reading = evidence.reading(5)
        assert abs(reading.power) <= reading.error


def test_an_action_that_becomes_rare_while_everything_rises_is_not_taken_for_a_harmful_one() -> None:
    """Without comparing within iterations the last action, known from worse times, would seem to cost what rose meanwhile."""
    late = np.linspace(0.45, 0.02, 30)
    shares = np.stack([(1 - late) / 2, (1 - late) / 2, late], axis=1)
    effects = np.zeros((2, 3))
    evidence, _ = played_for(30, 2000, np.random.default_rng(0), shares=shares, drift=0.5, effects=effects)
    means = evidence.pair.sums.sum(axis=0) / evidence.pair.weights.sum(axis=0)
    assert np.ptp(means) < 0.5
    assert abs(evidence.reading(5).power) < 0.05


def test_visits_count_what_was_compared_and_fade() -> None:
    """Played always, an action is compared with nothing; visits of ten iterations are worth what their weights add up to."""
    generator = np.random.default_rng(3)
    alone = np.tile([1.0, 0.0, 0.0], (30, 1))
    assert played_for(30, 100, generator, shares=alone)[0].reading(1).known == 0.0
    evidence, _ = played_for(30, 300, generator, shares=EVEN)
    per_cell = 50 * (1 - 0.9**30) / 0.1
    assert evidence.reading(5).visits == pytest.approx(per_cell * 2 / 3, rel=0.1)
    assert evidence.reading(5).age == pytest.approx(0.9 / 0.1, rel=0.15)
    before = evidence.reading(5).visits
    evidence.add([np.zeros(0, dtype=np.int64)] * 2, Samples(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64), 0))
    assert evidence.reading(5).visits == pytest.approx(0.9 * before)


def test_a_single_sample_makes_nothing_known() -> None:
    evidence = OnePair((1,), 2)
    action = np.array([0, 1])
    evidence.add([np.zeros(2, dtype=np.int64), action], Samples(np.arange(2), np.array([1.0, 0.0]), np.arange(2), 2))
    reading = evidence.reading(1)
    assert reading.known == 0.0
    assert np.isnan([reading.power, reading.error]).all()


def test_power_that_changes_is_late_and_its_error_says_so() -> None:
    generator = np.random.default_rng(5)
    evidence = OnePair((1,), 2)
    for iteration in range(30):
        strength = 1.0 if iteration < 20 else 3.0
        action = generator.integers(0, 2, 4000)
        values = -strength * action + generator.standard_normal(4000)
        evidence.add([np.zeros(4000, dtype=np.int64), action], Samples(np.arange(4000), values, np.arange(4000) % FOLDS, 4000))
        reading = evidence.reading(5)
        if iteration == 19:
            assert reading.error < 0.05
            assert reading.power == pytest.approx(0.5, abs=0.05)
        if iteration == 25:
            assert reading.error > abs(reading.power - 1.5) / 2
            assert reading.error > 0.25


def test_restored_evidence_goes_on_as_if_nothing_had_happened() -> None:
    evidence, _ = played_for(12, 100, np.random.default_rng(6), shares=EVEN)
    restored = OnePair((2,), 3)
    restored.pair.restore(evidence.pair.arrays())
    assert restored.reading(5) == evidence.reading(5)


def test_pairs_in_a_group_are_read_as_each_alone_to_the_bit() -> None:
    """Pairs of other context sizes beside one another, one of which is never known."""
    generator = np.random.default_rng(7)
    sizes = ((2, 3), (4,), (5, 2, 2))
    together = [PairEvidence(each, 3) for each in sizes]
    group, alone = EvidenceGroup(together, 10), [OnePair(each, 3) for each in sizes]
    for _ in range(25):
        samples = Samples(np.arange(200), generator.standard_normal(200), np.arange(200) % FOLDS, 200)
        variables = [[generator.integers(0, size, 200) for size in (*each, 3)] for each in sizes]
        variables[1][-1][:] = 0
        group.add(variables, samples)
        for own, values in zip(alone, variables, strict=True):
            own.add(values, samples)
        expected = [own.reading(5) for own in alone]
        assert np.array_equal(group.readings(5), expected, equal_nan=True)
    assert [reading.known > 0.0 for reading in expected] == [True, False, True]
    for pair, own in zip(together, alone, strict=True):
        for name, array in pair.arrays().items():
            assert np.array_equal(array, own.pair.arrays()[name])
