"""The softmax table draws from its own distribution, indexes in C order and stays within its bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import CapacityError
from netagents.policies import MixedRadix, SoftmaxTable

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(SIZES, st.integers(0, 2**32 - 1))
def test_mixed_radix_numbers_like_ravel_multi_index(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, size, 20).astype(np.uint8) for size in sizes]
    radix = MixedRadix(sizes)
    index = radix.encode(columns)
    assert np.array_equal(index, np.ravel_multi_index(columns, sizes))
    for position, column in enumerate(columns):
        assert np.array_equal(radix.digit(index, position), column)
        replaced = [np.zeros_like(c) if p == position else c for p, c in enumerate(columns)]
        assert np.array_equal(radix.replace(index, position, 0), radix.encode(replaced))


def test_mixed_radix_refuses_what_does_not_fit_into_63_bits() -> None:
    with pytest.raises(ValueError, match="63 bits"):
        MixedRadix([36] * 18)


@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_actions_follow_the_inverse_of_the_cumulative_distribution(actions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    policy = SoftmaxTable((0, 1), (2, 3), actions)
    policy.load(rng.normal(size=(6, actions)))
    context = rng.integers(0, 6, 50)
    uniforms = rng.random(50)
    expected = [
        int(np.searchsorted(np.cumsum(policy.probabilities[x])[:-1], u, side="right")) for x, u in zip(context, uniforms, strict=True)
    ]
    assert policy.act(context, uniforms).tolist() == expected


def test_frequencies_match_probabilities() -> None:
    policy = SoftmaxTable((3,), (1,), 3)
    policy.load(np.array([[0.0, 1.0, -1.0]]))
    drawn = policy.act(np.zeros(200_000, dtype=np.int64), np.random.default_rng(0).random(200_000))
    # Five standard deviations of a frequency over 200 000 draws are below 0.006.
    assert np.bincount(drawn, minlength=3) / 200_000 == pytest.approx(policy.probabilities[0], abs=0.006)


def test_ascent_is_projected_on_the_bound_and_greedy_takes_the_largest_logit() -> None:
    policy = SoftmaxTable((0,), (2,), 2)
    policy.ascend(np.array([[10.0, -10.0], [0.1, 0.3]]), bound=2.5)
    assert policy.logits.tolist() == [[2.5, -2.5], [0.1, 0.3]]
    assert policy.greedy(np.array([0, 1])).tolist() == [0, 1]


def test_a_table_too_large_names_its_size_and_the_remedy() -> None:
    with pytest.raises(CapacityError, match=r"agent 4: .*9 agents needs .* entries .*GiB.*lower kappa_policy"):
        SoftmaxTable(range(9), [16] * 9, 5, where="agent 4")


def test_narrow_indices_are_the_wide_ones_at_the_edges_of_their_dtypes() -> None:
    for sizes in ((1, 256), (256,), (257,), (1, 1), (2, 128), (1, 65_536), (3, 85), (4, 1, 64)):
        radix = MixedRadix(sizes)
        columns = [np.array([0, size - 1], dtype=np.min_scalar_type(size - 1)) for size in sizes]
        assert radix.encode_narrow(columns).tolist() == radix.encode(columns).tolist() == [0, radix.total - 1]


@given(st.lists(st.sampled_from([1, 2, 3, 4, 7, 16, 256]), min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_a_decision_is_the_context_and_the_act(sizes: list[int], actions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if np.prod(sizes) > 100_000:
        sizes = sizes[:2]
    policy = SoftmaxTable(range(len(sizes)), sizes, actions)
    policy.load(rng.normal(size=policy.logits.shape))
    states = [rng.integers(0, size, 33).astype(np.min_scalar_type(size - 1)) for size in sizes]
    states[0] = np.repeat(states[0], 2)[::2]  # not contiguous
    noise = rng.random(33)
    context, drawn = policy.decide(states, noise)
    rows = policy.radix.encode(states)
    assert policy.reads_bytes == (actions == 2 and np.prod(sizes) <= 256)
    if policy.reads_bytes:
        assert policy.decide_on_bytes([state.tobytes() for state in states], noise) == (bytes(context), bytes(drawn))
    assert np.array_equal(context, rows)
    assert np.array_equal(drawn, (noise[:, None] >= np.cumsum(policy.probabilities, axis=1)[rows][:, :-1]).sum(axis=1))
