"""Lotteries that decide who is replaced when: pure functions of seed, iteration, step and copy, which every node evaluates for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.intervention_settings import ReplacementSettings, SbprSettings
from netagents.learning.protocol.replaced_actions import NOBODY, Deviations
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

MOST_INTERVENTIONS = 1 << 8
"""More interventions than any experiment has: each has its own counter of each iteration."""


def strikes(
    settings: ReplacementSettings, number: int, seed: int, agent: int, iteration: int, steps: int, copies: int
) -> NDArray[np.bool_]:
    """(T + 1, B) the decisions of an agent that an intervention replaces in an iteration.

    Args:
        settings: of the intervention. number: its place in the experiment's list.
        seed: the run's.
        agent: whose decisions.
        iteration: of the run.
        steps: T. copies: B.
    """
    struck = np.zeros((steps + 1, copies), dtype=np.bool_)
    if settings.covers(iteration) and settings.replaces(agent):
        struck[settings.from_step : settings.until_step] = True
        if settings.probability < 1.0:
            generator = stream(seed, agent, Purpose.LOTTERY, iteration * MOST_INTERVENTIONS + number)
            struck &= generator.random(struck.shape) < settings.probability
    return struck


def draw_deviations(
    settings: SbprSettings, co_players: Mapping[int, tuple[int, ...]], seed: int, iteration: int, steps: int, copies: int
) -> Deviations:
    """The deviations of sample-based power regularization in an iteration.

    Copies are the episodes of the agents in turn, so that each has as many as the others, give or take one.

    Args:
        settings: of SBPR.
        co_players: of each ego those who may deviate; with aggregate ``max`` the ego chooses among them, and the first one is named.
        seed: the run's.
        iteration: of the run.
        steps: T. copies: B.
    """
    probability = settings.probability_at(iteration)
    egos = np.array(sorted(co_players), dtype=np.int64)[(np.arange(copies) + iteration * copies) % len(co_players)]
    counts = np.array([len(co_players[ego]) for ego in egos.tolist()])
    # With the sum each co-player deviates with the probability, one at a time.
    each = counts if settings.aggregate == "sum" else np.ones_like(counts)
    target = np.minimum(probability * each, 1.0)
    drawn = target if settings.sampled is None or probability == 0.0 else np.full(copies, settings.sampled)
    generator = stream(seed, ENVIRONMENT_OWNER, Purpose.LOTTERY, iteration)
    chances = generator.random((steps + 1, copies))
    hit = chances < drawn
    # What is left of a hit's uniform number is uniform as well.
    remainder = np.where(hit, chances, 0.0) / np.where(drawn > 0.0, drawn, 1.0)
    place = np.minimum((remainder * counts).astype(np.int64), counts - 1)
    table = _padded(co_players, egos)
    deviators = table[np.arange(copies), np.where(hit & (settings.aggregate != "max"), place, 0)]
    ratios = np.where(hit, target / np.where(drawn > 0.0, drawn, 1.0), (1.0 - target) / np.where(drawn < 1.0, 1.0 - drawn, 1.0))
    return Deviations(egos, np.where(hit, deviators, NOBODY), ratios, drawn.astype(np.float64), tuple(sorted(co_players)))


def _padded(co_players: Mapping[int, tuple[int, ...]], egos: NDArray[np.int64]) -> NDArray[Any]:
    """(B, m) the co-players of each copy's ego, filled up with NOBODY."""
    table = np.full((len(egos), max(map(len, co_players.values()))), NOBODY, dtype=np.int64)
    for copy, ego in enumerate(egos.tolist()):
        table[copy, : len(co_players[ego])] = co_players[ego]
    return table


def advised_copies(
    settings: SbprSettings, deviations: Deviations, co_players: Mapping[int, tuple[int, ...]], ego: int, co_player: int
) -> NDArray[np.bool_]:
    """(T + 1, B) where an ego tells one of its co-players what to play: where that one deviates; with ``max``, wherever one does."""
    own: NDArray[np.bool_] = deviations.egos == ego
    deviates: NDArray[np.bool_] = deviations.deviators == co_player
    if settings.aggregate == "max" and co_player in co_players.get(ego, ()):
        deviates = deviations.deviators != NOBODY
    return deviates & own
