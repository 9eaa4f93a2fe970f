"""What an agent keeps of a batch: rewards belong to the step before, and ended copies neither act on nor learn from what follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import NumericalError
from netagents.learning.protocol.rollout import Rollout
from netagents.messages import ENDED, TERMINATED, TRUNCATED, Step


def observe(flags: list[list[int]], rewards: list[list[float]]) -> Rollout:
    copies = len(flags[0])
    states, actions = (np.empty((len(flags) + 1, copies), np.uint8) for _ in range(2))
    rollout = Rollout(3, states, actions, np.empty((len(flags) + 1, copies), np.int64))
    rollout.observe(Step(np.zeros(copies, np.uint8), np.zeros(copies), np.zeros(copies, np.uint8)))
    for step, (flag, paid) in enumerate(zip(flags, rewards, strict=True), start=1):
        rollout.observe(Step(np.full(copies, step, np.uint8), np.array(paid), np.array(flag, np.uint8)))
    rollout.close()
    return rollout


def test_a_terminal_step_is_learned_without_bootstrap_and_what_follows_is_not_learned() -> None:
    flags = [[0, 0, 0], [TERMINATED, TRUNCATED, 0], [ENDED, ENDED, 0]]
    rollout = observe(flags, [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [0.0, 0.0, 3.0]])
    assert rollout.alive.tolist() == [[True, True, True], [True, True, True], [False, False, True]]
    assert rollout.bootstrap[:2].tolist() == [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    assert rollout.rewards[:, 2].tolist() == [1.0, 2.0, 3.0]
    assert rollout.states[:, 0].tolist() == [0, 1, 2, 3]
    assert rollout.discounted(0.5)[:, 0].tolist() == [1.0, 0.5, 0.0]
    assert rollout.discounted(0.5)[:, 2].tolist() == [1.0, 0.5, 0.25]


def test_a_reward_that_is_not_finite_names_agent_and_step() -> None:
    with pytest.raises(NumericalError, match="agent 3, step 1: reward is not finite"):
        observe([[0], [0]], [[1.0], [np.nan]])


def test_an_observation_that_is_not_finite_names_agent_and_step() -> None:
    states = np.zeros((3, 2, 4))
    rollout = Rollout(5, states, np.zeros((3, 2)), np.zeros((3, 2, 4)))
    for step in range(3):
        observations = np.zeros((2, 4))
        observations[1, 2] = np.inf if step == 2 else 0.0
        rollout.observe(Step(observations, np.zeros(2), np.zeros(2, np.uint8)))
    with pytest.raises(NumericalError, match="agent 5, step 2: observation is not finite"):
        rollout.close()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 4), st.sampled_from([(), (3,)]), st.integers(0, 2**32 - 1))
def test_steps_may_come_one_by_one_or_several_at_once(groups: list[int], copies: int, shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = sum(groups)
    observations, rewards = rng.random((steps, copies, *shape)), rng.random((steps, copies))
    flags = rng.integers(0, 16, (steps, copies)).astype(np.uint8)
    decisions = rng.integers(0, 200, (2, steps, copies)).astype(np.uint8)
    batches = []
    for sizes in (groups, [1] * steps):
        block = (steps, copies)
        rollout = Rollout(0, np.empty((*block, *shape)), np.empty(block, np.uint8), np.empty(block, np.int64))
        first = 0
        for size in sizes:
            some = slice(first, first + size)
            rollout.observe(Step(observations[some].reshape(-1, *shape), rewards[some].reshape(-1), flags[some].reshape(-1)))
            first += size
        for context, actions in zip(*decisions, strict=True):
            rollout.add_context(context if sizes is groups else context.tobytes())
            rollout.decided(actions if sizes is groups else actions.tobytes())
        rollout.close()
        parts = (rollout.states, rollout.rewards, rollout.alive, rollout.bootstrap, rollout.context, rollout.actions)
        batches.append([part.tolist() for part in parts])
    assert batches[0] == batches[1]
    assert batches[0][0] == observations.tolist()
    assert batches[0][1] == rewards[1:].tolist()
    assert batches[0][4:] == decisions.tolist()
