"""Episodes that are played for an evaluation: their random numbers, apart from those of training, and what agents earn in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.setup import Setup
from netagents.policies import Policy
from netagents.randomness import EVALUATED_COPIES, Purpose, evaluation_seed, stream

EARNED = "episodes.rewards"
"""Component of a frozen agent in runs that play episodes."""


def action_noise(setup: Setup, agent: int, policy: Policy, iteration: int) -> NDArray[np.float64]:
    """(steps + 1, B, ...) the numbers from which an agent draws its actions in an iteration: those of training, or of an evaluation.

    Numbers of an evaluation are drawn for a whole block of copies, so that an episode is the same however many are played.
    """
    steps, copies, episodes = setup.steps + 1, setup.batch, setup.experiment.episodes
    if episodes is None:
        return policy.noise(stream(setup.experiment.seed, agent, Purpose.ACTIONS, iteration), steps, copies)
    generator = stream(evaluation_seed(episodes.seed), agent, Purpose.EVALUATION, iteration)
    # Step by step, as those draw who play in one process.
    return np.ascontiguousarray(np.concatenate([policy.noise(generator, 1, EVALUATED_COPIES)[:, :copies] for _ in range(steps)]))


def earned(rewards: NDArray[np.float64], windows: int) -> NDArray[np.float64]:
    """(windows, B) rewards summed over parts of an episode, in the order of steps.

    Args:
        rewards: (H, B). windows: parts.
    """
    sums = np.zeros((windows, rewards.shape[1]))
    for step, reward in enumerate(rewards):
        sums[step * windows // len(rewards)] += reward
    return sums
