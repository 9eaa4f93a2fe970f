"""Gradients that are written out are those of torch's differentiation, to the bit."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.critics.neural_critic import NeuralCritic, Transitions, ValueNetwork
from netagents.environments.feature_encoders import WindowEncoder
from netagents.environments.spaces import Discrete
from netagents.experiment.algorithm_settings import NeuralCriticSettings, PpoSettings
from netagents.experiment.policy_settings import MlpPolicySettings
from netagents.learning.algorithms.neural_policy_update import (
    Decisions,
    Surrogate,
    clipped_surrogate,
    improve,
    log_probability,
    score_surrogate,
)
from netagents.learning.algorithms.trained_policy import Steps
from netagents.policies.mlp import MlpLayout
from netagents.policies.neural_policy_builder import build_neural_policy
from netagents.policies.torch_mlp import TrainedMlp, repeatable_torch, tensor


def mlp_of(copies: int, activation: Any, hidden: tuple[int, ...], extra: int = 0) -> TrainedMlp:
    layout = MlpLayout((5, *hidden, 3), activation, extra)
    generator = np.random.default_rng(copies)
    return TrainedMlp(layout, [layout.first_weights(generator, 0.5) for _ in range(copies)], 0.01, 0.5, "network", 0)


@pytest.mark.parametrize(("copies", "activation", "hidden"), [*product((1, 2), ("tanh", "relu"), ((), (8,), (16, 8)))])
def test_a_perceptrons_gradient_is_the_recorded_one(copies: int, activation: str, hidden: tuple[int, ...]) -> None:
    import torch

    generator = np.random.default_rng(1)
    for rows, extra in ((1, 0), (7, 2), (300, 0)):
        net = mlp_of(copies, activation, hidden, extra)
        for shape in ((rows, 5), (copies, rows, 5)):
            features, slope = tensor(generator.standard_normal(shape)), tensor(generator.standard_normal((copies, rows, 3)))
            with repeatable_torch():
                outputs = [net(features), net(features, net.flat)]
                gradients = [torch.autograd.grad((each * slope).sum(), net.flat)[0] for each in outputs]
            assert torch.equal(*outputs)
            assert torch.equal(*gradients)


def test_layers_follow_the_weights() -> None:
    import torch

    net = mlp_of(1, "tanh", (8,))
    features = tensor(np.ones((2, 5)))
    with torch.no_grad():
        first = net(features)
        net.flat.mul_(0.5)
        assert not torch.equal(net(features), first)
        assert torch.equal(net(features), net(features, net.flat.clone()))


def recorded_fit(critic: ValueNetwork, features: Any, goals: Any, minibatches: int, generator: np.random.Generator) -> None:
    """The fit of a state value as a loss."""
    from netagents.critics.neural_critic import minibatch_indices

    critic.units.follow(goals, [critic.net.flat])
    targets = tensor((goals - critic.units.centre) / critic.units.scale)
    for minibatch in minibatch_indices(generator, len(goals), minibatches, critic.settings.value_epochs):
        difference = critic.net(features[minibatch], critic.net.flat)[0, :, 0] - targets[minibatch]
        critic.net.descend(0.5 * difference.square().mean(), "here")


def recorded_learn(critic: NeuralCritic, batch: Transitions, signal: Any, returns: Any, generator: np.random.Generator) -> float:
    """Temporal differences as a loss."""
    import torch

    critic.units.follow(returns[batch.alive], [critic.net.flat, critic.target])
    centre, scale = critic.units.centre, critic.units.scale
    rewards, weight = (
        tensor((signal + (0.9 * batch.bootstrap - 1.0) * centre).reshape(-1) / scale),
        tensor(0.9 * batch.bootstrap.reshape(-1)),
    )
    halves = batch.halves()
    drawn = [half[generator.integers(0, half.size, (critic.settings.steps, min(critic.settings.minibatch, half.size)))] for half in halves]
    width, error = min(each.shape[1] for each in drawn), 0.0
    for minibatch in torch.from_numpy(np.stack([each[:, :width] for each in drawn], axis=1)):
        with torch.no_grad():
            goal = rewards[minibatch] + weight[minibatch] * critic.net(batch.features[minibatch + batch.copies], critic.target).squeeze(2)
        difference = critic.net(batch.features[minibatch], critic.net.flat).squeeze(2) - goal
        critic.net.descend(0.5 * difference.square().mean(dim=1).sum(), "here")
        error = scale * float(difference.detach().square().mean().sqrt())
        with torch.no_grad():
            critic.target.lerp_(critic.net.flat, critic.settings.tau)
    return error


@given(rows=st.integers(1, 40), hidden=st.sampled_from([[], [8], [32, 32]]), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_critics_learn_as_from_a_loss(rows: int, hidden: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    described = NeuralCriticSettings.model_validate({"hidden": hidden, "steps": 4, "minibatch": 16})
    values = [ValueNetwork(described, 4, np.random.default_rng(0), 0) for _ in range(2)]
    features, goals = tensor(generator.standard_normal((rows, 4))), 3.0 * generator.standard_normal(rows)
    pairs = [NeuralCritic(described, 4, np.random.default_rng(0), "critic", 0) for _ in range(2)]
    alive = generator.random((rows, 3)) < 0.9
    batch = Transitions(tensor(generator.standard_normal((3 * rows + 3, 4))), alive, (generator.random((rows, 3)) < 0.8).astype(float))
    signal, returns = generator.standard_normal((2, rows, 3))
    errors = []
    with repeatable_torch():
        values[0].fit(features, goals, 3, np.random.default_rng(1), "here")
        recorded_fit(values[1], features, goals, 3, np.random.default_rng(1))
        if all(half.size for half in batch.halves()):
            errors.append(pairs[0].learn(batch, signal, returns, 0.9, np.random.default_rng(1), "here"))
            errors.append(recorded_learn(pairs[1], batch, signal, returns, np.random.default_rng(1)))
    for one, other in (values, pairs):
        assert all(np.array_equal(array, other.arrays()[name]) for name, array in one.arrays().items())
    assert len(set(errors)) <= 1


@pytest.mark.parametrize("surrogate", [score_surrogate, clipped_surrogate(0.2)], ids=["score", "clipped"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_categorical_policy_improves_as_from_a_loss(surrogate: Surrogate, masked: bool, weighted: bool) -> None:
    import torch

    generator = np.random.default_rng(5)
    policies = [
        build_neural_policy(
            MlpPolicySettings(hidden=(16,)), range(2), (Discrete(3),) * 2, Discrete(4), 0, WindowEncoder(), False, 2.5,
            np.random.default_rng(0), "agent 0",
        )
        for _ in range(2)
    ]  # fmt: skip
    nets = [TrainedMlp(policy.mlp, [policy.weights], 0.05, 0.5, "policy", 0) for policy in policies]
    context = policies[0].context([generator.integers(0, 3, 50).astype(np.uint8) for _ in range(2)])
    mask = torch.from_numpy(generator.random((50, 4)) < 0.7) if masked else None
    taken = torch.from_numpy(generator.integers(0, 4, 50))
    if mask is not None:
        mask[torch.arange(50), taken] = True
    weight = generator.random(50) + 0.5
    advantage = tensor(generator.standard_normal(50))
    decisions = Decisions(Steps(tensor(context)), taken, mask, advantage, tensor(weight / weight.mean()) if weighted else None)
    described = PpoSettings(minibatches=3)
    with repeatable_torch():
        change = improve(nets[0], policies[0], decisions, described, surrogate, 4, np.random.default_rng(2), "here")
        with torch.no_grad():
            old = log_probability(nets[1], policies[1], decisions)
        squares = []
        for minibatch in decisions.read.minibatches(np.random.default_rng(2), 3, 4):
            part = decisions.part(minibatch)
            now = log_probability(nets[1], policies[1], part, None, nets[1](decisions.read.features[minibatch], nets[1].flat)[0])
            climbed = surrogate.value(now.log_probability, old.log_probability[minibatch], part.advantage)
            climbed = climbed if part.weight is None else part.weight * climbed
            squares.append(nets[1].descend(-climbed.mean(), "here"))
    assert all(np.array_equal(array, nets[1].arrays()[name]) for name, array in nets[0].arrays().items())
    assert change.gradient_sq == squares[0]
    assert change.entropy == old.mean_entropy()
