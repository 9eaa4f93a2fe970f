"""Scripted foraging: walk to the nearest food in sight and load it, as a baseline for what is learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netagents.environments.adapters.parallel_env import ParallelEnvironment
from netagents.environments.networked_mdp import FloatArray, IntArray

NORTH, SOUTH, WEST, EAST, LOAD = 1, 2, 3, 4, 5


def forage(environment: ParallelEnvironment, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:
    """Load food that is next to oneself; else walk towards the nearest in sight, along the longer of the two ways; else, and one time in
    five, walk anywhere, which also resolves jams.
    """
    foods = int(environment.settings.arguments.get("foods", 3))  # type: ignore[arg-type]
    actions = []
    for i, observation in enumerate(observed):
        food = observation[:, 2 : 2 + 3 * foods].reshape(len(observation), foods, 3)
        own = observation[:, 2 + 3 * foods : 4 + 3 * foods]
        gaps = food[:, :, :2] - own[:, None]
        distance = np.where(food[:, :, 2] > 0.0, np.abs(gaps).sum(axis=2), np.inf)
        nearest = np.argmin(distance, axis=1)
        rows = np.arange(len(observation))
        down, across = gaps[rows, nearest].T
        towards = np.where(np.abs(down) >= np.abs(across), np.where(down > 0, SOUTH, NORTH), np.where(across > 0, EAST, WEST))
        least = distance[rows, nearest]
        anywhere = NORTH + np.floor(noise[:, i] * 4).astype(np.int64)
        stray = np.isinf(least) | ((noise[:, i] * 20 % 1.0) < 0.2)
        actions.append(np.where(least == 1.0, LOAD, np.where(stray, anywhere, towards)).astype(np.int64))
    return actions
