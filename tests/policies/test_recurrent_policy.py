"""Recurrent policies: acting in numpy, training in torch, and an independent implementation say the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from netagents.environments.feature_encoders import WindowEncoder
from netagents.environments.spaces import Box, Discrete, Space
from netagents.experiment.policy_settings import GruPolicySettings
from netagents.learning.algorithms.trained_policy import Sequences, read_by, trained_policy
from netagents.policies.neural_policy_builder import build_neural_policy
from netagents.policies.recurrent_policy import RecurrentPolicy
from netagents.policies.torch_gru import TrainedGru

STEPS, COPIES = 11, 5
FINITE, BOX = Discrete(3), Box((2,), -1.0, 1.0)


def made(action: Space, units: int = 16) -> RecurrentPolicy:
    generator = np.random.default_rng(0)
    spaces = (Discrete(4), Discrete(4))
    policy = build_neural_policy(
        GruPolicySettings(units=units), (0, 1), spaces, action, 0, WindowEncoder(), False, 2.5, generator, "agent 0"
    )
    assert isinstance(policy, RecurrentPolicy)
    # Weights of a policy that has learned something.
    policy.load(policy.weights + 0.3 * generator.standard_normal(policy.weights.shape).astype(np.float32))
    return policy


def played(policy: RecurrentPolicy, seed: int = 1) -> np.ndarray:
    """(T, B, F + U) contexts of an episode."""
    generator = np.random.default_rng(seed)
    memory, contexts = policy.initial_memory(COPIES), []
    for _ in range(STEPS):
        contexts.append(policy.next_context(memory, [generator.integers(0, 4, COPIES) for _ in range(2)]))
        memory = policy.memory_of(contexts[-1])
    return np.stack(contexts)


def test_a_step_is_that_of_the_usual_gru() -> None:
    policy = made(FINITE)
    contexts, size, units = played(policy), policy.reader.size, policy.units
    weights = policy.gru.weights(policy.weights)
    usual = torch.nn.GRU(size, units).double()
    with torch.no_grad():
        usual.weight_ih_l0.copy_(torch.from_numpy(weights.read.weight.T.astype(np.float64)))
        usual.bias_ih_l0.copy_(torch.from_numpy(weights.read.bias.astype(np.float64)))
        usual.weight_hh_l0.copy_(torch.from_numpy(weights.remembered.T.astype(np.float64)))
        usual.bias_hh_l0.copy_(torch.from_numpy(np.concatenate([np.zeros(2 * units), weights.candidate_bias])))
        expected = usual(torch.from_numpy(contexts[:, :, :size].astype(np.float64)))[0].numpy()
    np.testing.assert_allclose(contexts[:, :, size:], expected, rtol=0, atol=2e-6)
    # It remembers: the last memory depends on the first observation.
    assert np.abs(played(policy)[-1] - contexts[-1]).max() == 0.0
    changed = contexts[0].copy()
    changed[:, :size] = np.roll(changed[:, :size], 1, axis=1)
    memory = policy.gru.step(weights, changed[:, :size], policy.initial_memory(COPIES))
    for context in contexts[1:]:
        memory = policy.gru.step(weights, context[:, :size], memory)
    assert np.abs(memory - contexts[-1][:, size:]).max() > 1e-3


@pytest.mark.parametrize("action", [FINITE, BOX])
def test_training_sees_the_outputs_that_acting_had(action: Space) -> None:
    policy = made(action)
    contexts = played(policy)
    net = trained_policy(policy, 1e-3, None, 0)
    assert isinstance(net, TrainedGru)
    everything = read_by(policy, contexts, np.ones((STEPS, COPIES), dtype=np.bool_))
    acted = policy.outputs(contexts.reshape(STEPS * COPIES, -1))
    np.testing.assert_allclose(everything.outputs(net).detach().numpy(), acted, rtol=0, atol=3e-6)
    # Some copies, and of each only the steps that count; what comes after an end is not seen.
    trained_on = np.arange(STEPS)[:, None] < np.array([11, 3, 0, 7, 1])
    part = read_by(policy, contexts, trained_on)
    assert isinstance(part, Sequences)
    copies = torch.tensor([3, 1, 2])
    rows = part.rows(copies).numpy()
    np.testing.assert_allclose(part.outputs(net, copies).detach().numpy(), part.outputs(net).detach().numpy()[rows], rtol=0, atol=1e-6)
    np.testing.assert_allclose(part.outputs(net).detach().numpy(), acted.reshape(STEPS, COPIES, -1)[trained_on], rtol=0, atol=3e-6)
    assert sorted(rows) == sorted(np.flatnonzero(np.isin(np.nonzero(trained_on)[1], [3, 1, 2])))
    later = contexts.copy()
    later[7:, 3] = 9.0
    np.testing.assert_array_equal(
        read_by(policy, later, trained_on).outputs(net, copies).detach().numpy(), part.outputs(net, copies).detach().numpy()
    )
    drawn = part.minibatches(np.random.default_rng(0), 5, 2)
    assert all(bool(part.chosen[each].any()) for each in drawn)
    assert sorted(int(copy) for each in drawn for copy in each) == sorted([0, 1, 3, 4] * 2)


def test_gradients_through_time_are_those_of_finite_differences() -> None:
    policy = made(FINITE, units=5)
    contexts = played(policy)
    net = trained_policy(policy, 1e-3, None, 0)
    net.flat = net.flat.detach().double().requires_grad_()
    features = torch.from_numpy(contexts[:, :, : policy.reader.size].swapaxes(0, 1).astype(np.float64))
    zeros = torch.zeros

    def last(flat: torch.Tensor) -> torch.Tensor:
        net.flat = flat
        return net.along(features)[:, -1].square().sum()  # type: ignore[union-attr]

    torch.zeros = lambda *shape, **kinds: zeros(*shape, **{"dtype": torch.float64, **kinds})  # type: ignore[assignment]
    try:
        weights = net.flat
        (gradient,) = torch.autograd.grad(last(weights), weights)
        for place in np.random.default_rng(0).integers(0, gradient.shape[1], 12):
            step = torch.zeros_like(gradient)
            step[0, place] = 1e-5
            with torch.no_grad():
                slope = float(last(weights + step) - last(weights - step)) / 2e-5
            assert float(gradient[0, place]) == pytest.approx(slope, rel=1e-5, abs=1e-8)
    finally:
        torch.zeros = zeros


def test_observations_alone_do_not_decide() -> None:
    policy = made(FINITE)
    with pytest.raises(ValueError, match="from what it remembers"):
        policy.context([np.zeros(2, dtype=np.int64)] * 2)
