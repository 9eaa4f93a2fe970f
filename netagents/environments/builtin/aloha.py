"""Localized ALOHA: the baseline that learned policies for wireless access must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netagents.environments.builtin.access_points import OUTSIDE
from netagents.environments.builtin.wireless import EARLIEST, WirelessAccess
from netagents.environments.networked_mdp import FloatArray
from netagents.errors import ExperimentError
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

GRID: tuple[float, ...] = tuple(k / 20 for k in range(1, 21))
"""The transmission probabilities that :func:`best_aloha` tries."""


@dataclass(frozen=True, slots=True)
class AlohaResult:
    """The best transmission probability of a grid and what it earns.

    Attributes:
        p_tx: probability of sending when there is a packet.
        value: mean over copies and agents of ``sum_t discount^t r_t``.
        standard_error: of ``value``, over copies.
    """

    p_tx: float
    value: float
    standard_error: float


def aloha(environment: WirelessAccess, p_tx: float) -> list[FloatArray]:
    """Localized ALOHA as one table of action probabilities per agent, ``(|S_i|, |A_i|)``.

    With a packet, a user sends with probability ``p_tx``, always the one that expires first, to an access point y chosen in
    proportion to (y's chance of success) / (y's number of users).  Without, it waits (arXiv 2006.06555, experiments).

    Raises:
        ExperimentError: ``p_tx`` is no probability.
    """
    if not 0.0 <= p_tx <= 1.0:
        raise ExperimentError(f"p_tx {p_tx}", where="ALOHA baseline", fix="use a probability between 0 and 1")
    values = [chance / len(users) for chance, users in zip(environment.chances, environment.layout.clients(), strict=True)]
    tables = []
    for i in range(environment.spec.n):
        meanings = environment.named(i)
        table = np.zeros((2**environment.deadline, len(meanings)))
        for queue in range(2**environment.deadline):
            first = (queue & -queue).bit_length() - 1
            shares = np.array([values[y] if y != OUTSIDE and slot in (first, EARLIEST) else 0.0 for slot, y in meanings])
            if queue > 0 and shares.sum() > 0.0:
                table[queue] = p_tx * shares / shares.sum()
            table[queue, 0] += 1.0 - table[queue].sum()
        tables.append(table)
    return tables


def sampled_returns(environment: WirelessAccess, tables: Sequence[FloatArray], *, copies: int, seed: int) -> FloatArray:
    """Per copy, the mean over agents of ``sum_t discount^t r_t`` over the environment's own horizon, ``(copies,)``.

    Args:
        environment: with its published horizon and discount.
        tables: one table of action probabilities per agent, ``(|S_i|, |A_i|)``.
        copies: episodes, all advanced at once.
        seed: all tables evaluated with the same seed meet the same luck.
    """
    spec = environment.spec
    # Each purpose of evaluation has its own counter: 0 starts, 1 dynamics, 2 actions.
    start, dynamics, acting = (stream(seed, ENVIRONMENT_OWNER, Purpose.EVALUATION, k) for k in range(3))
    steps = [np.cumsum(table, axis=1)[:, :-1] for table in tables]
    state = environment.reset(start.random((copies, *spec.reset_noise)))
    total = np.zeros(copies)
    for t in range(spec.horizon):
        luck = acting.random((copies, spec.n, 1))
        actions = [(luck[:, i] >= steps[i][own]).sum(axis=1) for i, own in enumerate(environment.observe(state))]
        state, rewards, _, _ = environment.step(state, actions, dynamics.random((copies, *spec.step_noise)))
        total += spec.discount**t * rewards.mean(axis=1)
    return total


def best_aloha(environment: WirelessAccess, *, grid: Sequence[float] = GRID, copies: int = 2_000, seed: int = 0) -> AlohaResult:
    """The best transmission probability on a grid, by simulation with common random numbers."""
    results = []
    for p_tx in grid:
        returns = sampled_returns(environment, aloha(environment, p_tx), copies=copies, seed=seed)
        results.append(AlohaResult(p_tx, float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(copies))))
    return max(results, key=lambda result: result.value)
