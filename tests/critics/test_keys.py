"""Keys are a bijection on (states, actions) of the window, in one word or in several."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netagents.critics import WindowKeys

WINDOWS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=20)


def columns(rng: np.random.Generator, sizes: list[int], rows: int) -> list[np.ndarray]:
    return [rng.integers(0, size, rows).astype(np.uint8) for size in sizes]


@given(WINDOWS, st.integers(0, 2**32 - 1))
def test_equal_keys_mean_equal_contents_and_actions_can_be_read_and_replaced(window: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    state_sizes, action_sizes = [s for s, _ in window], [a for _, a in window]
    keys = WindowKeys(range(len(window)), state_sizes, action_sizes)
    states, actions = columns(rng, state_sizes, 60), columns(rng, action_sizes, 60)
    encoded = keys.encode(states, actions)
    rows = np.stack([*states, *actions], axis=1)
    unique, inverse, counts = keys.distinct(encoded)
    assert len(unique) == len(np.unique(rows, axis=0))
    assert np.array_equal(unique[inverse], encoded)
    assert np.array_equal(np.bincount(inverse, minlength=len(unique)), counts)
    for member, own in enumerate(actions):
        assert np.array_equal(keys.own_actions(encoded, member), own)
        other = [np.zeros_like(a) if m == member else a for m, a in enumerate(actions)]
        assert np.array_equal(keys.with_action(encoded, member, 0), keys.encode(states, other))


def test_the_widest_window_of_the_wireless_grid_takes_several_words() -> None:
    keys = WindowKeys(range(18), [4] * 18, [9] * 18)
    assert keys.total == 36**18
    assert not keys.is_integer
    assert keys.words == 2
