"""Information of corrupted messages: equal to enumeration for tables, nothing where a policy does not lean on a neighbour."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.environments.feature_encoders import WindowEncoder
from netagents.environments.spaces import Box, Discrete
from netagents.experiment.policy_settings import MlpPolicySettings
from netagents.measures.information import Received, message_information
from netagents.policies import SoftmaxTable
from netagents.policies.neural_policy_builder import build_neural_policy
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream


def generator_of(number: int) -> np.random.Generator:
    return stream(number, ENVIRONMENT_OWNER, Purpose.STATISTICS, 7)


def test_a_neighbour_of_a_table_is_enumerated() -> None:
    generator = generator_of(1)
    policy = SoftmaxTable((0, 1, 2), (2, 3, 2), 3)
    policy.load(generator.standard_normal((12, 3)))
    states = [generator.integers(0, size, 40) for size in (2, 3, 2)]
    result = message_information(policy, Received(states), [1], generator)
    table = policy.probabilities.reshape(2, 3, 2, 3)
    frequency = np.bincount(states[1], minlength=3) / 40
    information = movement = changed = 0.0
    for own, message, other in zip(*states, strict=True):
        clean, corrupted = table[own, message, other], table[own, :, other]
        information += float((clean * np.log(clean / (frequency @ corrupted))).sum()) / 40
        changed += float(frequency @ (corrupted.argmax(axis=1) != clean.argmax())) / 40
        movement += float(frequency @ (0.5 * np.abs(corrupted - clean).sum(axis=1))) / 40
    assert result.information == pytest.approx(information, rel=1e-12)
    assert result.movement == pytest.approx(movement, rel=1e-12)
    assert result.changed == pytest.approx(changed, rel=1e-12)


def test_independent_messages_carry_their_conditional_mutual_information() -> None:
    generator = generator_of(2)
    policy = SoftmaxTable((0, 1), (2, 4), 2)
    policy.load(3.0 * generator.standard_normal((8, 2)))
    own, message = (each.reshape(-1) for each in np.meshgrid(np.arange(2), np.arange(4), indexing="ij"))
    result = message_information(policy, Received([own, message]), [1], generator)
    rows = policy.probabilities.reshape(2, 4, 2)
    expected = np.mean([np.mean(np.sum(r * np.log(r / r.mean(axis=0)), axis=1)) for r in rows])
    assert result.information == pytest.approx(expected, rel=1e-12)


def test_who_does_not_listen_is_not_moved() -> None:
    policy = SoftmaxTable((0, 1), (3, 3), 2)
    policy.load(np.repeat(generator_of(3).standard_normal((3, 2)), 3, axis=0))
    states = [generator_of(4).integers(0, 3, 50) for _ in range(2)]
    assert message_information(policy, Received(states), [1], generator_of(5)) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    assert message_information(policy, Received(states), [0], generator_of(5)).movement > 0.05


@pytest.mark.parametrize("action", [Discrete(3), Box((2,), -1.0, 1.0)], ids=["categorical", "gaussian"])
def test_draws_of_networks_agree_with_a_calculation_by_hand(action: Discrete | Box) -> None:
    generator = generator_of(6)
    spaces = [Box((2,), -1.0, 1.0)] * 2
    policy = build_neural_policy(
        MlpPolicySettings(kind="mlp", hidden=(8,)), (0, 1), spaces, action, 0, WindowEncoder(), False, 10.0, generator, "here"
    )
    policy.load((policy.weights + 0.7 * generator.standard_normal(policy.weights.shape)).astype(np.float32))
    states = [generator.uniform(-1.0, 1.0, (30, 2)) for _ in range(2)]
    result = message_information(policy, Received(states), [1], stream(9, 0, Purpose.STATISTICS, 0), draws=5)
    orders = stream(9, 0, Purpose.STATISTICS, 0)
    clean = policy.probabilities_at(policy.context(states))
    corrupted = [policy.probabilities_at(policy.context([states[0], states[1][orders.permutation(30)]])) for _ in range(5)]
    if isinstance(action, Discrete):
        mixture = np.mean(corrupted, axis=0)
        expected = (clean * np.log(clean / mixture)).sum(axis=1).mean()
        moved = np.mean([0.5 * np.abs(each - clean).sum(axis=1).mean() for each in corrupted])
    else:
        deviation = clean[:, 2:]
        squares = [(((clean - each)[:, :2] / deviation) ** 2).sum(axis=1) for each in corrupted]
        expected = np.mean(squares) / 2.0
        # Total variation of two Gaussians of equal covariance along the line between their means, by integration.
        line = np.linspace(-30.0, 30.0, 60_001)
        density = np.exp(-0.5 * line**2) / np.sqrt(2.0 * np.pi)
        distances = np.sqrt(np.concatenate(squares))
        shifted = [np.exp(-0.5 * (line - d) ** 2) / np.sqrt(2.0 * np.pi) for d in distances]
        moved = np.mean([0.5 * np.abs(each - density).sum() * (line[1] - line[0]) for each in shifted])
    assert result.information == pytest.approx(expected, rel=1e-5)
    assert result.movement == pytest.approx(moved, rel=1e-3)
