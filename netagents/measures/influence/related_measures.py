"""Related measures of what one agent is to another, to be compared with influence: all are functions of arrays.

Causal influence of an action on another agent's next action (Jaques et al. 2019, arXiv 1810.08647), transfer entropy of actions
(Schreiber 2000), and the overlap of an agent's policy gradients under different co-players.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import FloatArray
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream


def causal_influence(forced: FloatArray, chances: FloatArray) -> float:
    """Mean over states of the mutual information, in nats, between j's action and the action that i takes after it.

    It is E_s sum_b p(b | s) KL( p(a_i | do(b), s) || sum_b' p(b' | s) p(a_i | do(b'), s) ) (arXiv 1810.08647, section 3).

    Args:
        forced: ``(X, |A_j|, |A_i|)`` probabilities of i's next action at each of X states had j played b.
        chances: ``(X, |A_j|)`` probabilities with which j plays b there.

    Raises:
        ExperimentError: the arrays do not go together.
    """
    if forced.ndim != 3 or chances.shape != forced.shape[:2]:
        raise ExperimentError(
            f"probabilities of shapes {forced.shape} and {chances.shape}", where="causal influence", fix="(X, B, A) and (X, B)"
        )
    mixture = (chances[..., None] * forced).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(forced > 0.0, forced * np.log(forced / mixture), 0.0)
    return float((chances * terms.sum(axis=-1)).sum(axis=1).mean())


def transfer_entropy(
    source: NDArray[np.integer], target: NDArray[np.integer], actions: tuple[int, int], *, shuffles: int = 20, seed: int = 0
) -> float:
    """I(target_t+1 ; source_t | target_t) in nats, counted over steps and copies, less its mean when copies are shuffled.

    Args:
        source: ``(T, B)`` actions of j.
        target: ``(T, B)`` actions of i.
        actions: number of actions of j and of i.
        shuffles: of the copies of the source against those of the target, which keep everything but the coupling between the two.
        seed: of the shuffles.

    Raises:
        ExperimentError: fewer than two steps, or arrays of different shapes.
    """
    if source.shape != target.shape or source.ndim != 2 or len(source) < 2:
        raise ExperimentError(f"actions of shapes {source.shape} and {target.shape}", where="transfer entropy", fix="(T, B) each, T >= 2")
    plain = _conditional_information(source, target, actions)
    generator = stream(seed, ENVIRONMENT_OWNER, Purpose.STATISTICS, 4)
    orders = [generator.permutation(source.shape[1]) for _ in range(shuffles)]
    null = [_conditional_information(source[:, order], target, actions) for order in orders]
    return plain - float(np.mean(null)) if null else plain


def _conditional_information(source: NDArray[np.integer], target: NDArray[np.integer], actions: tuple[int, int]) -> float:
    sizes = (actions[1], actions[0], actions[1])
    index = np.ravel_multi_index((target[1:].ravel(), source[:-1].ravel(), target[:-1].ravel()), sizes)
    joint = np.bincount(index, minlength=int(np.prod(sizes))).reshape(sizes) / index.size

    def entropy(table: FloatArray) -> float:
        positive = table[table > 0.0]
        return float(-(positive * np.log(positive)).sum())

    given_context = joint.sum(axis=(0, 1))
    return entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - entropy(joint) - entropy(given_context)


def gradient_overlap(gradients: FloatArray) -> float:
    """Mean cosine between an agent's policy gradients against K different co-players, ``(K, P)``; 1 where all pull the same way.

    Raises:
        ExperimentError: fewer than two gradients.
    """
    if gradients.ndim != 2 or len(gradients) < 2:
        raise ExperimentError(f"gradients of shape {gradients.shape}", where="gradient overlap", fix="(K, P), K >= 2")
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    unit = gradients / np.where(norms > 0.0, norms, 1.0)
    pairs = np.triu_indices(len(gradients), 1)
    return float((unit @ unit.T)[pairs].mean())
