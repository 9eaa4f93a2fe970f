"""Neural policies: numpy acts as torch trains, gradients are those of finite differences, draws follow the stated distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments.feature_encoders import WindowEncoder
from netagents.environments.spaces import Box, Discrete
from netagents.errors import EnvironmentMismatchError, NumericalError
from netagents.experiment.policy_settings import MlpPolicySettings
from netagents.learning.algorithms.neural_policy_update import Decisions, log_probability
from netagents.learning.algorithms.trained_policy import Steps
from netagents.policies.mlp import ALIGNMENT, MlpLayout, aligned
from netagents.policies.neural_policy import CategoricalPolicy, GaussianPolicy, NeuralPolicy
from netagents.policies.neural_policy_builder import build_neural_policy
from netagents.policies.torch_mlp import TrainedMlp, repeatable_torch, tensor
from netagents.policies.window_reader import ActionReader, WindowReader


def policy_of(action: Discrete | Box, marked: bool = False, seed: int = 0, activation: str = "tanh") -> NeuralPolicy:
    described = MlpPolicySettings.model_validate({"hidden": [16, 8], "activation": activation})
    generator = np.random.default_rng(seed)
    policy = build_neural_policy(described, (1, 2, 4), (Discrete(3),) * 3, action, 1, WindowEncoder(), marked, 2.5, generator, "agent 2")
    # The first output weights are small on purpose; tests want outputs that differ.
    policy.load(policy.weights + 0.3 * generator.standard_normal(policy.weights.shape).astype(np.float32))
    return policy


def states_of(copies: int, seed: int = 1) -> list[Any]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 3, copies).astype(np.uint8) for _ in range(3)]


def trained(policy: NeuralPolicy) -> TrainedMlp:
    return TrainedMlp(policy.layout, [policy.weights], 1e-3, None, "policy", 0)


@settings(max_examples=25, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 20), max_size=3),
    inputs=st.integers(1, 9),
    outputs=st.integers(1, 5),
    activation=st.sampled_from(["tanh", "relu"]),
    copies=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_the_forward_pass_in_numpy_is_that_of_torch(
    hidden: list[int], inputs: int, outputs: int, activation: Any, copies: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    layout = MlpLayout((inputs, *hidden, outputs), activation, extra=2)
    weights = [layout.first_weights(generator, 1.0) for _ in range(copies)]
    features = generator.standard_normal((11, inputs)).astype(np.float32)
    together = TrainedMlp(layout, weights, 1e-3, None, "test", 0)(tensor(features)).detach().numpy()
    for copy, flat in enumerate(weights):
        np.testing.assert_allclose(layout.forward(layout.layers(flat), features), together[copy], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("action", [Discrete(4), Box((2,), -1.0, 3.0)], ids=["categorical", "gaussian"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradients_of_the_log_probability_are_those_of_finite_differences(action: Any, activation: str) -> None:
    import torch

    policy = policy_of(action, activation=activation)
    context = policy.context(states_of(7))
    generator = np.random.default_rng(3)
    categorical = isinstance(policy, CategoricalPolicy)
    taken = torch.from_numpy(generator.integers(0, 4, 7)) if categorical else tensor(generator.standard_normal((7, 2)))
    decisions = Decisions(Steps(tensor(context)), taken, None, tensor(np.ones(7)), tensor(np.ones(7)))
    net = trained(policy)
    # In float64: the same code, with differences that rounding does not drown.
    net.flat = net.flat.detach().double().requires_grad_()
    decisions = decisions._replace(read=Steps(tensor(context).double()), taken=taken if categorical else taken.double())
    drawn = None if categorical else log_probability(net, policy, decisions).drawn.detach()  # type: ignore[union-attr]

    def value() -> Any:
        result = log_probability(net, policy, decisions, drawn)
        return result.log_probability.sum() + 0.3 * result.entropy.sum()

    (gradient,) = torch.autograd.grad(value(), net.flat)
    step = 1e-6
    flat = net.flat.detach().clone()
    for place in np.random.default_rng(4).choice(flat.shape[1], 40, replace=False):
        ends = []
        for sign in (1.0, -1.0):
            moved = flat.clone()
            moved[0, place] += sign * step
            net.flat = moved
            ends.append(float(value()))
        assert float(gradient[0, place]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-6)


def test_draws_follow_the_probabilities_and_spare_what_is_not_legal() -> None:
    policy = policy_of(Discrete(4))
    assert isinstance(policy, CategoricalPolicy)
    states = [np.repeat(column, 40_000) for column in states_of(2)]
    context, noise = policy.context(states), policy.noise(np.random.default_rng(0), 1, 80_000)[0]
    drawn, probabilities = policy.act(context, noise).reshape(2, -1), policy.probabilities_at(context)[::40_000]
    for row in range(2):
        np.testing.assert_allclose(np.bincount(drawn[row], minlength=4) / 40_000, probabilities[row], atol=0.01)
    mask = np.tile(np.array([True, False, True, False]), (80_000, 1))
    legal = policy.act(context, noise, mask).reshape(2, -1)
    for row in range(2):
        expected = probabilities[row] * mask[0] / (probabilities[row] * mask[0]).sum()
        np.testing.assert_allclose(np.bincount(legal[row], minlength=4) / 40_000, expected, atol=0.01)
    assert np.array_equal(policy.greedy(context)[::40_000], probabilities.argmax(axis=1))
    assert set(policy.greedy(context, ~mask)) <= {1, 3}


def test_no_probability_vanishes_however_large_the_weights_are() -> None:
    policy = policy_of(Discrete(4))
    assert isinstance(policy, CategoricalPolicy)
    policy.load(policy.weights * 1e4)
    smallest = np.exp(-2.5) / (np.exp(-2.5) + 3 * np.exp(2.5))
    assert policy.probabilities_at(policy.context(states_of(50))).min() >= smallest * (1 - 1e-6)


@pytest.mark.parametrize("bound", [2.5, 60.0, 5000.0])
def test_logits_far_apart_neither_overflow_nor_lose_the_legal_actions(bound: float) -> None:
    policy = policy_of(Discrete(4))
    assert isinstance(policy, CategoricalPolicy)
    policy.logit_bound = np.float32(bound)
    policy.load(policy.weights * 300)
    context = policy.context(states_of(50))
    logits = policy.logits(context).astype(np.float64)
    assert np.abs(logits).max() > 0.9 * min(bound, 200.0)
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert policy.probabilities_at(context) == pytest.approx(expected / expected.sum(axis=1, keepdims=True), rel=1e-5, abs=1e-12)
    # Only the least likely action is legal: it is drawn all the same.
    mask = np.arange(4) == logits.argmin(axis=1)[:, None]
    assert np.array_equal(policy.act(context, np.full(50, 0.999), mask), logits.argmin(axis=1))


def test_gaussian_actions_stay_in_the_box_and_torch_finds_what_was_drawn() -> None:
    policy = policy_of(Box((2,), -1.0, 3.0))
    assert isinstance(policy, GaussianPolicy)
    context = policy.context(states_of(500))
    noise = policy.noise(np.random.default_rng(0), 1, 500)[0]
    actions = policy.act(context, noise)
    assert actions.dtype == np.float64
    assert actions.shape == (500, 2)
    assert (actions.min(), actions.max()) == (-1.0, 3.0)
    net = trained(policy)
    result = log_probability(
        net, policy, Decisions(Steps(tensor(context)), tensor(noise), None, tensor(np.ones(500)), tensor(np.ones(500)))
    )
    assert result.drawn is not None
    np.testing.assert_allclose(policy.executed(result.drawn.detach().numpy()), actions, atol=1e-5)
    # N(u; mu, sigma) with u = mu + sigma z: -z^2/2 - log sigma - log(2 pi)/2, summed.
    by_hand = (-0.5 * noise**2 - np.log(policy.deviation) - 0.5 * np.log(2 * np.pi)).sum(axis=1)
    np.testing.assert_allclose(result.log_probability.detach().numpy(), by_hand, rtol=1e-4, atol=1e-4)


def test_missing_neighbours_are_marked_and_what_they_would_have_said_is_not_read() -> None:
    policy = policy_of(Discrete(4), marked=True)
    near = np.array([[True, False], [True, True], [False, True]])
    states = states_of(2)
    context = policy.context(states, near)
    assert policy.reader.size == 3 * 3 + 2
    other = [column.copy() for column in states]
    other[0][1] = (other[0][1] + 1) % 3
    other[2][0] = (other[2][0] + 1) % 3
    assert np.array_equal(context, policy.context(other, near))
    other[0][0] = (other[0][0] + 1) % 3
    assert not np.array_equal(context, policy.context(other, near))


def test_the_lookup_reads_as_the_view_does() -> None:
    spaces, states = (Discrete(3),) * 3, states_of(20)
    reader = WindowReader(WindowEncoder(), spaces, 1, marked=False)
    assert np.array_equal(reader.read(states), WindowEncoder().features(states, spaces, 1).astype(np.float32))
    mixed = (Discrete(3), Discrete(4), Box((2,), 0.0, 1.0))
    values = [*states[:2], np.random.default_rng(0).random((20, 2))]
    assert WindowReader(WindowEncoder(), mixed, 0, marked=False).read(values).shape == (20, 9)


def test_actions_are_read_member_by_member() -> None:
    reader = ActionReader((Discrete(3), Box((2,), -1.0, 1.0)))
    box = np.array([[0.5, -1.0], [1.0, 0.0]])
    features = reader.read([np.array([2, 0]), box], np.array([[True, True], [True, False]]))
    assert features.tolist() == [[0, 0, 1, 0.5, -1.0], [1, 0, 0, 0, 0]]
    assert features[:, reader.columns[1]].tolist() == [[0.5, -1.0], [0.0, 0.0]]


def test_a_weight_that_is_not_finite_is_refused_and_names_the_agent() -> None:
    policy = policy_of(Discrete(4))
    broken = policy.weights.copy()
    broken[5] = np.nan
    with pytest.raises(NumericalError, match="agent 2: a weight of the policy is not finite"):
        policy.load(broken)
    with pytest.raises(ValueError, match="shape"):
        policy.load(broken[:-1])


def test_a_box_of_actions_needs_bounds() -> None:
    with pytest.raises(EnvironmentMismatchError, match="agent 2: an unbounded box of actions"):
        policy_of(Box((2,), -np.inf, np.inf))


def test_weights_and_features_begin_at_aligned_addresses() -> None:
    policy = policy_of(Discrete(4))
    assert policy.weights.ctypes.data % ALIGNMENT == 0
    assert all(aligned((n, 3)).ctypes.data % ALIGNMENT == 0 for n in range(1, 40))


def test_acting_gives_the_same_bits_wherever_features_and_weights_lie() -> None:
    policy = policy_of(Discrete(4))
    context = policy.context(states_of(33))
    outputs = policy.outputs(context)
    for offset in (4, 12, 36):
        shifted = [unaligned(array, offset) for array in (policy.weights, context)]
        layers = policy.layout.layers(shifted[0])
        assert np.array_equal(policy.layout.forward(layers, shifted[1]), outputs)


def unaligned(array: Any, offset: int) -> Any:
    raw = np.empty(array.nbytes + 128, dtype=np.uint8)
    first = -raw.ctypes.data % 64 + offset
    copy = raw[first : first + array.nbytes].view(np.float32).reshape(array.shape)
    copy[:] = array
    return copy


def test_training_leaves_the_programs_own_choice_of_threads_as_it_was() -> None:
    import torch

    threads = torch.get_num_threads()
    with repeatable_torch():
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
