"""Exact information between inputs and actions of a categorical policy on a batch, and its gradient with respect to the logits.

A policy's own probabilities are known, so that nothing need be learned: with pbar = (1/N) sum_i pi(. | h_i),

    (1)  I = (1/N) sum_i KL( pi(. | h_i) || pbar )
    (2)  dI / dz_ia = (1/N) pi(a | h_i) [ log(pi(a | h_i) / pbar(a)) - KL( pi(. | h_i) || pbar ) ]

for logits z.  (1) is the mutual information of the batch's index and the action: exact for an input that is uniform on the batch, and at
most min(ln |A|, ln N).  In (2) the derivative through pbar is included; it vanishes from dI/dpi because pbar minimises the mean divergence.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.measures.information.conditional_model import FloatArray, log_softmax


class ExactInformation(NamedTuple):
    """Equations (1) and (2) on a batch.

    Attributes:
        value: I, nats.
        per_sample: (N,) KL(pi(. | h_i) || pbar); their mean is ``value``.
        gradient: (N, |A|) dI/dz; zero at masked actions.
        marginal: (|A|,) pbar.
    """

    value: float
    per_sample: FloatArray
    gradient: FloatArray
    marginal: FloatArray

    @property
    def entropy_of_marginal(self) -> float:
        """H(pbar), nats: the largest value that I could have with this marginal."""
        present = self.marginal[self.marginal > 0]
        return float(-(present * np.log(present)).sum())


def exact_information(logits: NDArray[Any]) -> ExactInformation:
    """Information between inputs and actions of one agent's batch.

    Args:
        logits: (N, |A|), or log-probabilities; minus infinity at masked actions.

    Raises:
        ValueError: NaN, plus infinity, or a row without any action.
    """
    log_probabilities = log_softmax(logits)
    probabilities = np.exp(log_probabilities)
    marginal = probabilities.mean(axis=0)
    log_ratio = np.zeros(probabilities.shape)
    with np.errstate(divide="ignore"):
        np.subtract(log_probabilities, np.log(marginal), out=log_ratio, where=probabilities > 0)
    per_sample = np.asarray((probabilities * log_ratio).sum(axis=1))
    gradient = probabilities * (log_ratio - per_sample[:, None]) / len(probabilities)
    return ExactInformation(float(per_sample.mean()), per_sample, gradient, marginal)
