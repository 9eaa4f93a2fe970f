"""What an agent keeps of a batch: rewards belong to the step before, and ended copies neither act on nor learn from what follows."""

from __future__ import annotations

import numpy as np
import pytest

from netagents.errors import NumericalError
from netagents.learning.rollout import ENDED, TERMINATED, TRUNCATED, Rollout
from netagents.messages import Step


def observe(flags: list[list[int]], rewards: list[list[float]]) -> Rollout:
    copies = len(flags[0])
    states, actions = (np.empty((len(flags) + 1, copies), np.uint8) for _ in range(2))
    rollout = Rollout(3, states, actions, np.empty((len(flags) + 1, copies), np.int64))
    rollout.observe(Step(np.zeros(copies, np.uint8), np.zeros(copies), np.zeros(copies, np.uint8)))
    for step, (its, paid) in enumerate(zip(flags, rewards, strict=True), start=1):
        rollout.observe(Step(np.full(copies, step, np.uint8), np.array(paid), np.array(its, np.uint8)))
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
        seen = np.zeros((2, 4))
        seen[1, 2] = np.inf if step == 2 else 0.0
        rollout.observe(Step(seen, np.zeros(2), np.zeros(2, np.uint8)))
    with pytest.raises(NumericalError, match="agent 5, step 2: observation is not finite"):
        rollout.close()
