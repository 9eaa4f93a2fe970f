"""Information that each neighbour's messages carry into an agent's actions, from the agent's own policy.

With m_j the message of neighbour j and h the rest of what the policy reads, a corrupted message is one drawn from its own marginal, that
is from another moment of the batch.  On a batch

    (1)  J_j = E KL( pi(. | h, m_j) || E_m' pi(. | h, m') )       nats
    (2)  D_j = E TV( pi(. | h, m_j), pi(. | h, m'_j) )            share of probability that one corrupted message moves
    (3)  G_j = P( argmax pi(. | h, m_j) != argmax pi(. | h, m'_j) )   how often it changes what a greedy agent does

J_j is the bottleneck of neighbour j's messages: 0 where the agent does not lean on them.  It equals the conditional mutual information
I(a; m_j | h) where m_j does not depend on h, and is in general the causal influence of Janzing et al. (2013).  For real actions the
policies are Gaussians of one deviation: (1) takes the mean of the divergences to single corrupted policies, which bounds it from above,
and (3) is the distance between the two means in units of half the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.measures.information.conditional_model import FloatArray
from netagents.policies import Policy, TabularPolicy
from netagents.policies.neural_policy import BoxPolicy, CategoricalPolicy

MOST_VALUES = 64
"""Messages with at most this many different values are averaged over exactly; others by draws."""


class MessageInformation(NamedTuple):
    """What corrupted messages do to an agent's actions.

    Attributes:
        information: J, nats.
        movement: D, in [0, 1].
        changed: G; for boxes the mean distance that the greedy action moves, half the box being 1.
    """

    information: float
    movement: float
    changed: float


class Received(NamedTuple):
    """N moments of one agent: what its policy reads.

    Attributes:
        states: one array with first axis N per agent of the policy's window.
        near: (m, N) who of the window is there; None where nobody can be missing.
        mask: (N, A) legal actions; None where all are.
    """

    states: Sequence[NDArray[Any]]
    near: NDArray[np.bool_] | None = None
    mask: NDArray[np.bool_] | None = None


def message_information(
    policy: Policy, received: Received, members: Sequence[int], generator: np.random.Generator, draws: int = 8
) -> MessageInformation:
    """What is lost when the messages of some members of the window are corrupted together.

    Args:
        policy: the agent's.
        received: by it.
        members: places in the window, not the agent's own.
        generator: of the corrupted messages.
        draws: corrupted messages per moment, where they are not averaged over exactly.

    Raises:
        ValueError: the policy is of a kind whose distribution is not known.
    """
    clean = distribution(policy, received)
    weights, corrupted = _corrupted(policy, received, members, generator, draws)
    if isinstance(policy, BoxPolicy):
        from scipy.special import erf

        precision = 1.0 / np.square(clean[:, policy.dimensions :])
        squares = [(precision * np.square((clean - each)[:, : policy.dimensions])).sum(axis=1) for each in corrupted]
        mean_square = np.tensordot(weights, np.stack(squares), axes=1)
        # Gaussians of equal covariance at distance d: KL = d^2 / 2, TV = erf(d / sqrt(8)).
        moved = np.tensordot(weights, erf(np.sqrt(np.stack(squares) / 8.0)), axes=1)
        means = [np.clip(each[:, : policy.dimensions], -1.0, 1.0) for each in (clean, *corrupted)]
        distances = np.stack([np.sqrt(np.square(each - means[0]).sum(axis=1)) for each in means[1:]])
        return MessageInformation(
            float(mean_square.mean() / 2.0), float(moved.mean()), float(np.tensordot(weights, distances, axes=1).mean())
        )
    together = np.stack(corrupted)
    mixture = np.tensordot(weights, together, axes=1)
    ratio = np.divide(clean, mixture, out=np.ones(clean.shape), where=clean > 0)
    divergence = (clean * np.log(ratio)).sum(axis=1)
    moved = np.tensordot(weights, 0.5 * np.abs(together - clean).sum(axis=2), axes=1)
    changed = np.tensordot(weights, (together.argmax(axis=2) != clean.argmax(axis=1)).astype(np.float64), axes=1)
    return MessageInformation(max(float(divergence.mean()), 0.0), float(moved.mean()), float(changed.mean()))


def distribution(policy: Policy, received: Received) -> FloatArray:
    """(N, A) probabilities of legal actions, or (N, 2 m) means and deviations.

    Raises:
        ValueError: the policy is of a kind whose distribution is not known.
    """
    context = policy.context(received.states, received.near)
    if isinstance(policy, TabularPolicy):
        return np.asarray(policy.probabilities[context])
    if not isinstance(policy, (CategoricalPolicy, BoxPolicy)):
        raise ValueError(f"the distribution of a {type(policy).__name__} is not known")
    probabilities = policy.probabilities_at(context)
    if received.mask is not None:
        probabilities = probabilities * received.mask
        probabilities = np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))
    return probabilities


def _corrupted(
    policy: Policy, received: Received, members: Sequence[int], generator: np.random.Generator, draws: int
) -> tuple[FloatArray, list[FloatArray]]:
    """Weights and (N, ...) distributions under corrupted messages; a missing member's message stays missing."""
    if len(members) == 1 and received.near is None and np.issubdtype(received.states[members[0]].dtype, np.integer):
        values, counts = np.unique(received.states[members[0]], return_counts=True)
        if len(values) <= MOST_VALUES:
            changed = [_with(received, members, [np.full_like(received.states[members[0]], value)]) for value in values]
            return counts / counts.sum(), [distribution(policy, each) for each in changed]
    samples = len(received.states[0])
    parts = []
    for _ in range(draws):
        other = generator.permutation(samples)
        parts.append(distribution(policy, _with(received, members, [received.states[member][other] for member in members])))
    return np.full(draws, 1.0 / draws), parts


def _with(received: Received, members: Sequence[int], messages: Sequence[NDArray[Any]]) -> Received:
    states = list(received.states)
    for member, message in zip(members, messages, strict=True):
        states[member] = message
    return received._replace(states=states)
