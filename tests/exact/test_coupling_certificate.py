"""The coupling certificate bounds the exact truncation error, and shows where decay stops."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import (
    Entropy,
    any_kernel,
    line_distances,
    line_msg,
    network_kernel,
    random_kernel,
    random_networked,
    random_policy,
    ring_distances,
    scopes_of,
    wireless_line,
)

from netagents.exact import (
    Coupling,
    ExactValues,
    JointModel,
    certificates,
    coupling,
    local_sensitivity,
    refined_certificates,
    truncation_error,
    uniform_policy,
    windows,
)


def check(kernel, distances, policy, discount, slack=1e-10):
    """The bound holds for every agent and radius; returns (exact, bound) pairs."""
    model = JointModel(kernel, discount)
    evaluation = ExactValues(model, policy)
    q = evaluation.action_values(model.rewards)
    coupled = coupling(kernel, policy)
    pairs = []
    for kappa in range(len(kernel.agents)):
        near = windows(distances, kappa)
        loose, tight = (bound(coupled, discount, coupled.rewards, near) for bound in (certificates, refined_certificates))
        exact = np.array([truncation_error(model, q[i], window) for i, window in enumerate(near)])
        assert np.all(exact <= tight + slack)
        assert np.all(tight <= loose + 1e-9 * np.maximum(1.0, loose))
        pairs += zip(exact, tight, loose, strict=True)
    return pairs


@pytest.mark.parametrize("seed", range(200))
def test_certificate_bounds_the_exact_error_on_random_models(seed):
    """200 models: any scopes, coupled actions, rewards that read neighbours; policies of radius 0, 1 and 2; weak and strong coupling."""
    rng = np.random.default_rng(seed)
    sharpness, discount = rng.uniform(0.05, 1.0), rng.choice([0.5, 0.9])
    family = seed % 4
    if family == 0:
        n, distances = 3, line_distances(3)
        kernel = any_kernel(rng, 3, sharpness=sharpness)
    elif family == 3:
        n, distances = 3, line_distances(3)
        kernel = wireless_line(3, success=rng.uniform(0.1, 1.0))
    else:
        n, distances = 4, ring_distances(4) if seed % 8 < 4 else line_distances(4)
        kernel = network_kernel(rng, distances, couple_actions=family == 2, sharpness=sharpness, own_reward=family == 1)
    policy = random_policy(kernel, scopes_of(distances, int(rng.integers(3))), rng, scale=rng.uniform(0.1, 2.0))
    pairs = check(kernel, distances, policy, discount)
    assert len(pairs) == n * n


def test_policies_that_read_neighbours_carry_influence_that_the_dynamics_do_not_show():
    """Agents whose dynamics are all their own: only what their policies read couples them, and C must contain it."""
    rng = np.random.default_rng(5)
    distances = line_distances(4)
    own = scopes_of(distances, 0)
    kernel = random_kernel(rng, 4, [2] * 4, [2] * 4, own, own)
    for radius in (0, 1):
        policy = random_policy(kernel, scopes_of(distances, radius), rng, scale=2.0)
        coupled = coupling(kernel, policy)
        assert np.count_nonzero(coupled.dynamics - np.diag(np.diag(coupled.dynamics))) == 0
        errors = [exact for exact, _, _ in check(kernel, distances, policy, 0.9)[:4]]
        assert (max(errors) < 1e-12) == (radius == 0)
        assert (certificates(coupled, 0.9, coupled.rewards[:1], [(0,)])[0] > 0.0) == (radius == 1)


@pytest.mark.parametrize("kind", ["line", "ring"])
@pytest.mark.parametrize("rho", [0.3, 0.9, 1.5])
def test_coupling_of_random_networked_is_the_matrix_it_was_built_from(kind, rho):
    environment = random_networked(kind, 5, rho=rho, task_seed=2)
    kernel = environment.kernel()
    coupled = coupling(kernel, uniform_policy(kernel))
    np.testing.assert_allclose(coupled.combined, environment.coupling_matrix(), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(coupled.combined, coupled.dynamics)
    assert coupled.spectral_radius <= rho + 1e-12
    for i, signal in enumerate(coupled.rewards):
        np.testing.assert_allclose(signal.joint, np.eye(5)[i], rtol=0, atol=1e-12)


def coupling_of(matrix):
    """A coupling whose combined matrix is given and whose parts say no more than it does."""
    nothing = np.zeros_like(matrix)
    return Coupling(matrix, matrix, matrix, nothing, matrix, ())


def test_certificate_is_the_stated_series():
    rng = np.random.default_rng(1)
    matrix = rng.uniform(0.0, 0.25, (4, 4))
    signal = local_sensitivity(4, 1, np.array([[0.0, 3.0], [1.0, -2.0]]))
    assert [delta[1] for delta in signal] == [5.0, 5.0, 3.0]
    assert signal.joint.tolist() == [0.0, 5.0, 0.0, 0.0]
    outside, power, total = np.array([0.0, 0.0, 1.0, 1.0]), np.eye(4), 0.0
    for t in range(400):
        total += 0.9**t * float((power @ outside)[1]) * 5.0
        power = power @ matrix
    assert certificates(coupling_of(matrix), 0.9, [signal], [(0, 1)])[0] == pytest.approx(total, rel=1e-12)
    assert certificates(coupling_of(matrix), 0.9, [signal], [(0, 1, 2, 3)])[0] == 0.0
    everything = coupling_of(np.full((4, 4), 1.0))
    assert certificates(everything, 0.9, [signal], [(0, 1)])[0] == float("inf")
    assert refined_certificates(everything, 0.9, [signal], [(0, 1)])[0] == pytest.approx(5.0 * 0.9 / 0.1, rel=1e-9)


def test_divergence_out_of_reach_does_not_spoil_the_bound():
    matrix = np.array([[0.5, 0.2, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 5.0]])
    assert np.isfinite(certificates(coupling_of(matrix), 0.9, [local_sensitivity(3, 0, np.eye(2))], [(0,)])[0])


def test_shadow_rewards_have_certificates_of_their_own():
    rng = np.random.default_rng(9)
    distances = line_distances(4)
    kernel = network_kernel(rng, distances, sharpness=0.5)
    policy = random_policy(kernel, scopes_of(distances, 1), rng)
    model, coupled = JointModel(kernel, 0.9), coupling(kernel, policy)
    evaluation = ExactValues(model, policy)
    for i in range(4):
        shadow = Entropy(0.9).gradient(evaluation.local_occupancies()[i])
        q = evaluation.action_values(model.local_signal(i, shadow)[None])[0]
        signal = local_sensitivity(4, i, shadow)
        for kappa in range(4):
            window = windows(distances, kappa)[i]
            assert truncation_error(model, q, window) <= refined_certificates(coupled, 0.9, [signal], [window])[0] + 1e-12


def test_fresh_actions_wash_out_the_past_in_the_refined_certificate():
    """LineMsg under uniform policies: influence passes only from state to state, with probability 1 - coupling per hop."""
    kernel = line_msg(6, coupling=0.8)
    coupled, distances = coupling(kernel, uniform_policy(kernel)), line_distances(6)
    near = [windows(distances, kappa)[0] for kappa in range(5)]
    bounds = refined_certificates(coupled, 0.99, [coupled.rewards[0]] * 5, near)
    assert np.all(bounds[1:] < 0.2 * bounds[:-1])
    assert np.all(bounds[2:] > 0.1 * bounds[1:-1])


def ring_certificates(rho, n=8, discount=0.9):
    kernel = random_networked("ring", n, rho=rho, task_seed=4, own_share=0.2).kernel()
    coupled = coupling(kernel, uniform_policy(kernel))
    near = [windows(ring_distances(n), kappa)[0] for kappa in range(n // 2)]
    return [bound(coupled, discount, [coupled.rewards[0]] * len(near), near) for bound in (certificates, refined_certificates)]


def test_decay_stops_past_rho_of_one_over_gamma():
    weak, strong = ring_certificates(0.5), ring_certificates(1.0 / 0.9 + 0.3)
    assert all(np.isfinite(weak[0]))
    ratios = np.divide(weak[0][1:], weak[0][:-1])
    assert np.all(ratios < 0.6)
    assert all(np.isinf(strong[0]))
    # The refined bound stays finite but hardly falls with the radius.
    assert strong[1][-1] > 0.3 * strong[1][0]


def test_exact_truncation_error_also_decays_more_slowly_past_the_threshold():
    decays = []
    for rho in (0.5, 1.0 / 0.9 + 0.3):
        kernel = random_networked("ring", 6, rho=rho, task_seed=4, own_share=0.2).kernel()
        policy = random_policy(kernel, scopes_of(ring_distances(6), 0), np.random.default_rng(0), 2.0)
        model = JointModel(kernel, 0.9)
        q = ExactValues(model, policy).action_values(model.rewards)
        errors = [max(truncation_error(model, q[i], windows(ring_distances(6), kappa)[i]) for i in range(6)) for kappa in range(3)]
        decays.append(errors[2] / errors[0])
    assert decays[0] < 0.1
    assert decays[1] > 2.0 * decays[0]
