"""Penalties per sample: each mode equals its definition, `as_released` equals a transcription of what the released code computes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from netagents.measures.information import (
    PUBLISHED_STEPS,
    RELEASED_STEPS,
    CategoricalConditional,
    ConditionalSettings,
    ConditionalTrainer,
    GaussianConditional,
    enumerate_information,
    exact_densities,
    exact_gaussian_densities,
    exact_gaussian_values,
    exact_information,
    exact_values,
    log_softmax,
    moment_bound,
    published_values,
    released_inputs,
    released_labels,
    released_values,
)
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream


def generator_of(number: int) -> np.random.Generator:
    return stream(number, ENVIRONMENT_OWNER, Purpose.STATISTICS, 4)


def team(samples: int, agents: int, actions: int) -> tuple[np.ndarray, np.ndarray]:
    generator = generator_of(1)
    actions_taken = generator.integers(0, actions, (samples, agents))
    return actions_taken, np.eye(actions)[actions_taken]


def test_exact_values_are_the_expectation_over_actions_of_log_pi_over_its_marginal() -> None:
    logits = 2.0 * generator_of(2).standard_normal((9, 4))
    values, log_pi = exact_values(logits), log_softmax(logits)
    log_marginal = np.log(np.exp(log_pi).mean(axis=0))
    for i in range(9):
        assert values[i] == pytest.approx(math.fsum(math.exp(log_pi[i, a]) * (log_pi[i, a] - log_marginal[a]) for a in range(4)))
    assert values.mean() == pytest.approx(exact_information(logits).value)


def test_published_values_are_defined_sample_by_sample() -> None:
    log_q = np.maximum(log_softmax(4.0 * generator_of(3).standard_normal((12, 5))), math.log(1e-3))
    actions = generator_of(4).integers(0, 5, 12)
    model = CategoricalConditional(log_softmax(4.0 * generator_of(3).standard_normal((12, 5))))
    frequency = [np.mean(actions == a) for a in range(5)]
    expected = [log_q[i, actions[i]] - sum(frequency[a] * log_q[i, a] for a in range(5)) for i in range(12)]
    np.testing.assert_allclose(published_values(model, actions), expected, rtol=1e-12)


def test_a_factorised_q_gives_the_sum_of_the_agents_values() -> None:
    """Against the N x N form of the team's q over all joint actions."""
    actions_taken, _ = team(40, 3, 4)
    log_q = log_softmax(generator_of(5).standard_normal((40 * 3, 4))).reshape(40, 3, 4)
    joint = np.array([[sum(log_q[i, k, actions_taken[j, k]] for k in range(3)) for j in range(40)] for i in range(40)])
    per_agent = [published_values(CategoricalConditional(log_q[:, k]), actions_taken[:, k], log_floor=None) for k in range(3)]
    np.testing.assert_allclose(np.sum(per_agent, axis=0), np.diag(joint) - joint.mean(axis=1), atol=1e-12)


def test_released_values_are_those_of_the_released_computation() -> None:
    """Cross-entropy of every pair of inputs and labels, labels by arg-max over the concatenated one-hot actions; torch as the reference."""
    actions_taken, one_hots = team(30, 3, 4)
    logits = generator_of(6).standard_normal((30, 12))
    flat = torch.from_numpy(one_hots.reshape(30, 12))
    tall = torch.from_numpy(logits).repeat_interleave(30, dim=0)
    table = -torch.nn.functional.cross_entropy(tall, flat.argmax(dim=1).repeat(30), reduction="none").reshape(30, 30)
    np.testing.assert_allclose(released_values(logits, one_hots), (table.diag() - table.mean(dim=1)).numpy(), atol=1e-12)
    np.testing.assert_array_equal(released_labels(one_hots), actions_taken[:, 0])


def test_the_released_value_does_not_see_anybody_but_the_first_agent() -> None:
    _, one_hots = team(30, 3, 4)
    logits = generator_of(6).standard_normal((30, 12))
    shuffled = one_hots.copy()
    shuffled[:, 1:] = np.roll(one_hots[:, 1:], 7, axis=0)
    np.testing.assert_array_equal(released_values(logits, shuffled), released_values(logits, one_hots))
    shuffled[:, 0] = np.roll(one_hots[:, 0], 7, axis=0)
    assert not np.allclose(released_values(logits, shuffled), released_values(logits, one_hots))


def test_released_inputs_are_the_state_and_a_constant() -> None:
    state = generator_of(7).standard_normal((6, 1, 5))
    marked = np.concatenate([np.broadcast_to(state, (6, 3, 5)), np.broadcast_to(np.eye(3), (6, 3, 3))], axis=2)
    np.testing.assert_allclose(released_inputs(marked), np.concatenate([state[:, 0], np.full((6, 3), 1 / 3)], axis=1))


def test_real_actions_under_a_gaussian_q_follow_the_released_pairwise_form() -> None:
    mean, raw, y = generator_of(8).standard_normal((3, 25, 4))
    log_variance = np.tanh(raw)
    squares = (y[None, :, :] - mean[:, None, :]) ** 2
    negative = -squares.mean(axis=1) / 2.0 / np.exp(log_variance)
    positive = -((mean - y) ** 2) / 2.0 / np.exp(log_variance)
    values = published_values(GaussianConditional(mean, log_variance), y)
    np.testing.assert_allclose(values, positive.sum(axis=1) - negative.sum(axis=1), atol=1e-6)


def test_centred_values_have_no_mean_and_the_same_differences() -> None:
    _, one_hots = team(30, 3, 4)
    logits, policy = generator_of(6).standard_normal((30, 12)), generator_of(9).standard_normal((30, 4))
    mean, log_std = generator_of(10).standard_normal((2, 30, 2))
    actions = one_hots[:, 0].argmax(axis=1)
    model = CategoricalConditional(log_softmax(policy))
    pairs = [
        (
            released_values(logits, one_hots, centre=centre),
            exact_values(policy, centre=centre),
            exact_gaussian_values(mean, log_std, centre=centre),
            published_values(model, actions, centre=centre),
        )
        for centre in (False, True)
    ]
    for raw, centred in zip(*pairs, strict=True):
        assert centred.mean() == pytest.approx(0.0, abs=1e-12)
        np.testing.assert_allclose(np.diff(centred), np.diff(raw), atol=1e-12)
    assert pairs[0][2].mean() == pytest.approx(moment_bound(mean, log_std).value)


def test_published_values_see_every_agent_and_released_ones_the_first() -> None:
    """Agent 0 acts at random and agent 1 as the state says: the published team value is agent 1's divergence, the released one nothing."""
    policy = np.exp(log_softmax(3.0 * np.eye(4)))
    exact = enumerate_information(np.full(4, 0.25), policy)
    generator = generator_of(11)
    own = [ConditionalTrainer(ConditionalSettings("categorical", 4, 4, (16,), 2e-2, PUBLISHED_STEPS, 64), 0, agent) for agent in range(2)]
    together = ConditionalTrainer(ConditionalSettings("categorical", 6, 8, (16,), 2e-2, RELEASED_STEPS, 64), 0, 2)
    for iteration in range(150):
        states = generator.integers(0, 4, 400)
        second = (generator.random((400, 1)) > policy[states].cumsum(axis=1)[:, :-1]).sum(axis=1)
        actions = np.stack([generator.integers(0, 4, 400), second], axis=1)
        x, one_hots = np.eye(4)[states], np.eye(4)[actions]
        marked = np.concatenate([np.broadcast_to(x[:, None], (400, 2, 4)), np.broadcast_to(np.eye(2), (400, 2, 2))], axis=2)
        for agent, trainer in enumerate(own):
            trainer.fit(x, actions[:, agent], iteration)
        together.fit(released_inputs(marked), released_labels(one_hots), iteration)
    published = [published_values(trainer.model(x), actions[:, agent]).mean() for agent, trainer in enumerate(own)]
    assert published[1] == pytest.approx(exact.club, rel=0.2)
    assert abs(published[0]) < 0.05
    team_model = together.model(released_inputs(marked))
    assert abs(released_values(team_model.log_probabilities, one_hots).mean()) < 0.05


def test_shapes_that_do_not_fit_are_named() -> None:
    _, one_hots = team(30, 3, 4)
    with pytest.raises(ValueError, match=r"logits of shape \(30, 4\).*expected \(30, 12\)"):
        released_values(np.zeros((30, 4)), one_hots)


def test_the_policy_gradient_of_densities_is_the_gradient_of_the_information() -> None:
    logits = 1.5 * generator_of(21).standard_normal((7, 4))
    policy = np.exp(log_softmax(logits))
    densities = np.stack([exact_densities(logits, np.full(7, a)) for a in range(4)], axis=1)
    # E over actions of density times score, (1/N) sum_a pi(a|h_i) density(h_i, a) (1[a = b] - pi(b|h_i)).
    scored = policy * (densities - (policy * densities).sum(axis=1, keepdims=True)) / 7
    np.testing.assert_allclose(scored, exact_information(logits).gradient, atol=1e-15)
    np.testing.assert_allclose((policy * densities).sum(axis=1), exact_values(logits), rtol=1e-12)
    # The divergences themselves, which do not depend on the action, give no gradient at all.
    assert exact_values(logits).std() > 0.1


def test_an_action_that_the_policy_excludes_has_the_mean() -> None:
    logits = np.array([[0.0, 0.0, -np.inf], [0.0, 1.0, 2.0]])
    assert exact_densities(logits, np.array([2, 0]))[0] == pytest.approx(exact_values(logits)[0])


def test_gaussian_densities_have_the_moment_bound_as_their_mean() -> None:
    generator = generator_of(22)
    mean, log_std = generator.standard_normal((40, 2)), np.array([-0.5, 0.2])
    drawn = mean + np.exp(log_std) * generator.standard_normal((4000, 40, 2))
    result = np.mean([exact_gaussian_densities(mean, log_std, each).mean() for each in drawn])
    assert result == pytest.approx(moment_bound(mean, np.broadcast_to(log_std, mean.shape)).value, rel=0.01)
