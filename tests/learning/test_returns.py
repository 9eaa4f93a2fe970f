"""Lambda-returns and generalized advantages against the double sum that defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.learning.algorithms.lambda_returns import lambda_returns
from netagents.learning.protocol.rollout import Rollout
from netagents.messages import ENDED, TERMINATED, TRUNCATED, Step


def advantages_by_double_sum(signal: Any, values: Any, flags: Any, discount: float, decay: float) -> Any:
    """sum_l (gamma lambda)^l delta_{t+l} up to the end of the copy (arXiv 1506.02438, equation 16), one copy and step at a time."""
    steps, copies = signal.shape
    result = np.zeros((steps, copies))
    for copy in range(copies):
        for t in range(steps):
            total, weight = 0.0, 1.0
            for later in range(t, steps):
                if flags[later, copy] & ENDED:
                    break
                ahead = 0.0 if flags[later, copy] & TERMINATED else values[later + 1, copy]
                total += weight * (signal[later, copy] + discount * ahead - values[later, copy])
                weight *= discount * decay
                if flags[later, copy]:
                    break
            result[t, copy] = total
    return result


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 9),
    copies=st.integers(1, 4),
    discount=st.floats(0.1, 0.999),
    decay=st.floats(0.0, 1.0),
    seed=st.integers(0, 10_000),
)
def test_they_are_the_double_sum_wherever_copies_end(steps: int, copies: int, discount: float, decay: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    flags = np.zeros((steps, copies), dtype=np.uint8)
    for copy in range(copies):
        end = generator.integers(0, 2 * steps)
        if end < steps:
            flags[end, copy] = generator.choice([TERMINATED, TRUNCATED])
            flags[end + 1 :, copy] = ENDED
    rewards = np.where(flags & ENDED, 0.0, generator.standard_normal((steps, copies)))
    block = np.zeros((steps + 1, copies), dtype=np.uint8)
    rollout = Rollout(0, block, block.copy(), np.zeros((steps + 1, copies)))
    rollout.observe(Step(block[0], np.zeros(copies), block[0]))
    for step in range(steps):
        rollout.observe(Step(block[0], rewards[step], flags[step]))
    rollout.close()
    values = generator.standard_normal((steps + 1, copies))
    returns = lambda_returns(rollout.rewards, values[1:], rollout.bootstrap, rollout.alive, discount, decay)
    result = (returns - values[:-1]) * rollout.alive
    np.testing.assert_allclose(result, advantages_by_double_sum(rewards, values, flags, discount, decay), atol=1e-10)


def test_with_lambda_zero_the_critic_is_trusted_after_one_step_and_with_one_at_the_end_only() -> None:
    signal, ahead = np.array([[1.0], [2.0], [3.0]]), np.array([[10.0], [20.0], [30.0]])
    alive, bootstrap = np.ones((3, 1), dtype=bool), np.ones((3, 1))
    assert lambda_returns(signal, ahead, bootstrap, alive, 0.5, 0.0)[:, 0].tolist() == [6.0, 12.0, 18.0]
    assert lambda_returns(signal, ahead, bootstrap, alive, 0.5, 1.0)[:, 0] == pytest.approx([1 + 0.5 * 11, 2 + 0.5 * 18, 18])


def test_advantages_are_linear_so_that_those_of_a_sum_are_the_sum_of_those() -> None:
    generator = np.random.default_rng(0)
    alive, bootstrap = np.ones((6, 3), dtype=bool), np.ones((6, 3))
    signals, values = generator.standard_normal((4, 6, 3)), generator.standard_normal((4, 7, 3))
    apart = [lambda_returns(u, v[1:], bootstrap, alive, 0.9, 0.8) - v[:-1] for u, v in zip(signals, values, strict=True)]
    summed = lambda_returns(signals.sum(0), values.sum(0)[1:], bootstrap, alive, 0.9, 0.8) - values.sum(0)[:-1]
    np.testing.assert_allclose(summed, np.sum(apart, axis=0), atol=1e-12)
