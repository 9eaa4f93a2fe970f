"""Scripted marines: uniformly random legal actions, and shooting at the weakest, as baselines for what is learned in ``smax``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from netagents.environments.adapters.smax import OWN, STOP, UNIT, Smax
from netagents.environments.networked_mdp import BoolArray, FloatArray, IntArray

SIGHT, RANGE = 9.0, 5.0
"""How far a marine sees and shoots."""

NORTH, EAST, SOUTH, WEST = 0, 1, 2, 3


class Sight(NamedTuple):
    """What a marine sees of the enemies: health and relative place of each, zeros where it sees none; whether it is alive itself."""

    health: FloatArray
    places: FloatArray
    alive: BoolArray

    @property
    def in_range(self) -> BoolArray:
        """At which enemies it can shoot, ``(B, enemies)``."""
        near: BoolArray = (self.health > 0.0) & ((self.places**2).sum(axis=-1) < RANGE**2)
        return near


def sight(environment: Smax, observation: FloatArray) -> Sight:
    """An observation ``(B, width)``, read."""
    others = observation[:, :-OWN].reshape(len(observation), -1, UNIT)[:, -environment.enemies :]
    return Sight(others[:, :, 0], others[:, :, 1:3] * SIGHT, observation[:, -OWN] > 0.0)


def uniform_legal(environment: Smax, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:
    """Every legal action equally likely: what untrained policies do."""
    actions = []
    for i, observation in enumerate(observed):
        view = sight(environment, observation)
        legal = np.concatenate([np.repeat(view.alive[:, None], STOP, axis=1), np.ones((len(observation), 1), bool), view.in_range], axis=1)
        reached = np.cumsum(legal, axis=1) > np.floor(noise[:, i] * legal.sum(axis=1))[:, None]
        actions.append(np.argmax(reached, axis=1))
    return actions


def shoot_weakest(environment: Smax, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
    """Shoot at the weakest enemy in range; else walk towards the nearest in sight; else walk east, where the enemies come from."""
    actions = []
    for observation in observed:
        view = sight(environment, observation)
        weakest = np.argmin(np.where(view.in_range, view.health, np.inf), axis=1)
        distance = np.where(view.health > 0.0, (view.places**2).sum(axis=-1), np.inf)
        across, up = view.places[np.arange(len(observation)), np.argmin(distance, axis=1)].T
        towards = np.where(np.abs(across) >= np.abs(up), np.where(across >= 0.0, EAST, WEST), np.where(up >= 0.0, NORTH, SOUTH))
        choice = np.where(np.isfinite(distance).any(axis=1), towards, EAST)
        choice = np.where(view.in_range.any(axis=1), STOP + 1 + weakest, choice)
        actions.append(np.where(view.alive, choice, STOP))
    return actions
