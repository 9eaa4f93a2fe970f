"""Scripted policies: a plain rule for each game, as a baseline for what is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.games.gathering import LEFT, RIGHT, STAY, Gathering, sight_counts
from netagents.environments.games.load_balancing import LoadBalancing
from netagents.environments.games.matrix_grid import FORWARD, INTERACT, STEP_LEFT, STEP_RIGHT, TURN_LEFT, TURN_RIGHT, MatrixGrid
from netagents.environments.games.matrix_grid_sight import AHEAD, ASIDE, FIRST, OTHER, OWN, SECOND, SIDE, beam_cells, unpack
from netagents.environments.games.predator_prey import PREDATORS, PREY, PredatorPrey
from netagents.environments.networked_mdp import FloatArray, IntArray, NetworkedMDP
from netagents.environments.spaces import Discrete

Script = Callable[[Any, Sequence[NDArray[Any]], FloatArray], list[IntArray]]
"""Called with the environment, each agent's observation and uniforms ``(B, n)``; gives one action per agent, ``(B,)``."""


def uniform(environment: NetworkedMDP, observed: Sequence[NDArray[Any]], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
    """Every action equally likely: what untrained policies do."""
    sizes = [space.size for space in environment.spec.action_spaces if isinstance(space, Discrete)]
    return [np.floor(noise[:, i] * size).astype(np.int64) for i, size in enumerate(sizes)]


def meet(environment: Gathering, observed: Sequence[IntArray], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
    """Gathering by sight: who sees nobody walks on, agent 0 to the left and the others to the right; who sees somebody walks to the most
    crowded cell in sight, its own included, and of several to the rightmost, which both ends agree on.
    """
    counts = sight_counts(environment)
    sight = environment.settings.sight
    counts[:, sight] += 1
    aim = 2 * sight - np.argmax(counts[:, ::-1], axis=1)
    alone = counts.sum(axis=1) == 1
    approach = np.sign(aim - sight) + STAY
    return [np.where(alone, LEFT if i == 0 else RIGHT, approach)[observation] for i, observation in enumerate(observed)]


def gather_at_zero(environment: Gathering, observed: Sequence[IntArray], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
    """Gathering by cell: everybody walks to cell 0 by the shorter way."""
    half = environment.settings.cells / 2
    return [np.where(cell == 0, STAY, np.where(cell < half, LEFT, RIGHT)) for cell in observed]


def hunt(environment: PredatorPrey, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:
    """Predators: walk towards the nearest prey in sight, else towards the nearest predator in sight, else at random."""
    sight = environment.settings.sight
    down, across = (axis.ravel() - sight for axis in np.indices((2 * sight + 1, 2 * sight + 1)))
    order = np.argsort(np.maximum(abs(down), abs(across)), kind="stable")
    towards = np.where(abs(down) >= abs(across), np.where(down < 0, 1, 2), np.where(across < 0, 3, 4))
    towards[(down == 0) & (across == 0)] = 0
    actions = []
    for i, observation in enumerate(observed):
        layers = observation.reshape(len(observation), 3, -1)[:, :, order] > 0.0
        choice = np.floor(noise[:, i] * 5).astype(np.int64)
        for layer in (PREDATORS, PREY):  # the later one counts
            nearest = towards[order[np.argmax(layers[:, layer], axis=1)]]
            choice = np.where(layers[:, layer].any(axis=1), nearest, choice)
        actions.append(choice)
    return actions


def execute(environment: LoadBalancing, observed: Sequence[IntArray], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
    """Load balancing: whoever has a job executes one."""
    return [(load >= 1).astype(np.int64) for load in observed]


def collect_and_interact(environment: MatrixGrid, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
    """Matrix games on a grid: take the nearest resource in sight, whichever class; with something in hand, beam at whom the beam can
    reach, else walk towards them; else walk ahead, and turn at walls and now and then.
    """
    ahead, aside = (axis.ravel() for axis in np.mgrid[AHEAD : AHEAD - SIDE : -1, -ASIDE : ASIDE + 1])
    order = np.argsort(abs(ahead) + abs(aside), kind="stable")
    towards = np.where(ahead > 0, FORWARD, np.where(aside < 0, STEP_LEFT, np.where(aside > 0, STEP_RIGHT, TURN_LEFT)))
    beam = beam_cells()
    actions = []
    for i, observation in enumerate(observed):
        layers, held, ready = unpack(observation)
        resources = layers[:, :, FIRST] + layers[:, :, SECOND]
        others = layers[:, :, OTHER:].sum(axis=2)
        blocked = layers[:, OWN - SIDE, 0] > 0.0
        turns = np.where(noise[:, i] < 0.5, TURN_LEFT, TURN_RIGHT)
        choice = np.where(blocked | (np.abs(noise[:, i] - 0.5) < 0.05), turns, FORWARD)
        holds_enough = held.sum(axis=1) > 2.5
        for cells, counts in ((others, holds_enough), (resources, ~holds_enough)):
            nearest = towards[order[np.argmax(cells[:, order] > 0.0, axis=1)]]
            choice = np.where(counts & (cells > 0.0).any(axis=1), nearest, choice)
        choice = np.where(holds_enough & ready & (others[:, beam] > 0.0).any(axis=1), INTERACT, choice)
        actions.append(choice.astype(np.int64))
    return actions


def scripted_returns(environment: NetworkedMDP, script: Script, copies: int, seed: int, horizon: int | None = None) -> FloatArray:
    """Undiscounted returns of a script, mean over agents: ``(copies,)``.  What is paid after the end of a copy or an agent does not count.

    Args:
        environment: which one.
        script: who plays.
        copies: independent episodes.
        seed: of all draws.
        horizon: steps; default the environment's.
    """
    rng = np.random.default_rng(seed)
    spec = environment.spec
    state = environment.reset(rng.random((copies, *spec.reset_noise)))
    total = np.zeros(copies)
    ended = np.zeros((copies, spec.n), dtype=np.bool_)
    for _ in range(spec.horizon if horizon is None else horizon):
        actions = script(environment, environment.observe(state), rng.random((copies, spec.n)))
        outcome = environment.step(state, actions, rng.random((copies, *spec.step_noise)))
        state = outcome.state
        total += np.where(ended, 0.0, outcome.rewards).mean(axis=1)
        over = outcome.terminated | outcome.truncated
        ended |= over if over.ndim == 2 else over[:, None]
    return total
