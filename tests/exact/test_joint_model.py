"""The joint model multiplies out local tables correctly, whatever their scopes, and refuses what would not fit."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import BruteForce, any_kernel, line_distances, model_and_policy, random_kernel, scopes_of, wireless_line

from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.exact import ExactValues, JointModel, JointPolicy, joint_policy_of, softmax_policy, uniform_policy
from netagents.exact import joint_model as model_module
from netagents.exact.joint_model import required_bytes
from netagents.policies import SoftmaxTable


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), radius=st.integers(0, 2))
def test_transition_rewards_and_expectations_equal_enumeration_for_any_scopes(seed, radius):
    model, policy = model_and_policy(seed, radius=radius)
    evaluation, brute = ExactValues(model, policy), BruteForce(model.kernel, policy, model.discount)
    np.testing.assert_allclose(model.rewards, brute.r, rtol=0, atol=1e-14)
    np.testing.assert_allclose(evaluation.joint, brute.pi, rtol=0, atol=1e-14)
    np.testing.assert_allclose(evaluation.transition, np.einsum("sa,sat->st", brute.pi, brute.P), rtol=0, atol=1e-14)
    np.testing.assert_allclose(model.initial, brute.start, rtol=0, atol=1e-14)
    values = np.random.default_rng(seed).standard_normal((2, model.S))
    np.testing.assert_allclose(model.expected_next(values), np.einsum("sat,kt->ksa", brute.P, values), rtol=0, atol=1e-13)


def test_blocks_of_joint_states_change_nothing(monkeypatch):
    kernel = wireless_line(4)
    policy = uniform_policy(kernel, scopes_of(line_distances(4), 1))
    model = JointModel(kernel, 0.9)
    whole = ExactValues(model, policy)
    values = np.arange(3.0 * model.S).reshape(3, -1)
    expected = model.expected_next(values)
    monkeypatch.setattr(model_module, "BLOCK_ENTRIES", 700)
    np.testing.assert_array_equal(ExactValues(model, policy).transition, whole.transition)
    np.testing.assert_array_equal(model.expected_next(values), expected)


def test_sparse_and_dense_solves_agree(monkeypatch):
    kernel = wireless_line(4, deadline=2)
    policy = uniform_policy(kernel)
    model = JointModel(kernel, 0.9)
    dense = ExactValues(model, policy)
    sparse = ExactValues(model, policy)
    monkeypatch.setattr("netagents.exact.exact_values.SPARSE_FROM", 1)
    monkeypatch.setattr("netagents.exact.exact_values.SPARSE_DENSITY", 1.0)
    assert sparse._factors[0] is not None
    monkeypatch.undo()
    assert dense._factors[0] is None
    right = np.random.default_rng(0).standard_normal((3, model.S))
    for transposed in (False, True):
        np.testing.assert_allclose(sparse.solve(right, transposed), dense.solve(right, transposed), rtol=1e-11, atol=1e-11)


def test_a_model_that_would_not_fit_is_refused_with_its_size_before_anything_is_allocated():
    rng = np.random.default_rng(0)
    n = 16
    own = scopes_of(line_distances(n), 0)
    kernel = random_kernel(rng, n, [2] * n, [2] * n, own, own)
    needed = required_bytes(kernel)
    tracemalloc.start()
    with pytest.raises(CapacityError, match=re.escape(f"needs {needed / 2**30:.3g} GiB")):
        JointModel(kernel, 0.9)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_stated_size_bounds_what_evaluation_really_takes():
    n = 7
    rng = np.random.default_rng(1)
    near, own = scopes_of(line_distances(n), 1), scopes_of(line_distances(n), 0)
    kernel = random_kernel(rng, n, [2] * n, [2] * n, near, own)
    tracemalloc.start()
    model = JointModel(kernel, 0.9)
    evaluation = ExactValues(model, uniform_policy(kernel))
    evaluation.action_values(model.rewards)
    evaluation.occupancy()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Intermediate blocks come on top; they are bounded by a constant.
    assert peak < required_bytes(kernel) + 3 * 8 * model_module.BLOCK_ENTRIES


@pytest.mark.parametrize(
    ("scopes", "tables", "message"),
    [
        (((0,),), (np.full((2, 2), 0.5),), "1 tables and 1 scopes for 2 agents"),
        (((0,), (0,)), (np.full((2, 2), 0.5),) * 2, r"scope \(0,\)"),
        (((0,), (1, 0)), (np.full((2, 2), 0.5), np.full((4, 2), 0.5)), "ascending"),
        (((0,), (0, 1)), (np.full((2, 2), 0.5),) * 2, r"need \(4, 2\)"),
        (((0,), (1,)), (np.full((2, 2), 0.5), np.full((2, 2), 0.6)), "no distribution"),
        (((0,), (1,)), (np.full((2, 2), 0.5), np.full((2, 2), np.nan)), "no distribution"),
    ],
)
def test_policies_that_do_not_fit_are_refused_in_one_line(scopes, tables, message):
    kernel = any_kernel(np.random.default_rng(3), n=2, largest=2)
    with pytest.raises(EnvironmentMismatchError, match=message) as caught:
        ExactValues(JointModel(kernel, 0.9), JointPolicy(scopes, tables))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("discount", [0.0, 1.0, -1.0, float("nan")])
def test_discounts_outside_the_unit_interval_are_refused(discount):
    with pytest.raises(EnvironmentMismatchError, match="discount"):
        JointModel(any_kernel(np.random.default_rng(0), n=1), discount)


def test_softmax_tables_of_agents_become_a_joint_policy_that_reads_the_same_states():
    rng = np.random.default_rng(2)
    kernel = random_kernel(rng, 3, [2, 3, 2], [2, 2, 3], [(0,), (1,), (2,)], [(0,), (1,), (2,)])
    scopes = scopes_of(line_distances(3), 1)
    tables = [SoftmaxTable(scope, [kernel.state_sizes[j] for j in scope], kernel.action_sizes[i]) for i, scope in enumerate(scopes)]
    for table in tables:
        table.load(rng.standard_normal(table.logits.shape))
    model = JointModel(kernel, 0.9)
    for i, result in enumerate(model.local_probabilities(joint_policy_of(tables))):
        context = tables[i].context([model.state_digits[j] for j in scopes[i]])
        np.testing.assert_array_equal(result, tables[i].probabilities[context])
    again = softmax_policy(kernel, scopes, [table.logits for table in tables])
    for first, other in zip(again.tables, joint_policy_of(tables).tables, strict=True):
        np.testing.assert_allclose(first, other, rtol=0, atol=1e-15)
