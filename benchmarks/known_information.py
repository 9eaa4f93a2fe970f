"""Distributions whose mutual information is known: exactly for discrete returns, by numerical integration for Gaussian mixtures."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.integrate import quad
from scipy.special import xlogy

from netagents.measures.influence.estimator import FloatArray


def discrete_information(tables: FloatArray) -> float:
    """Information between a uniform choice of a row and a draw from that row's distribution, in nats: H(R) - H(R | choice).

    Args:
        tables: ``(K, values)`` probabilities.
    """
    pooled = tables.mean(axis=0)
    return float(-xlogy(pooled, pooled).sum() + xlogy(tables, tables).sum(axis=1).mean())


def gaussian_information(means: FloatArray, sd: float) -> float:
    """Information between a uniform choice k and R ~ N(means[k], sd^2), in nats."""
    return _mixture_information(means, np.full(len(means), sd))


def scale_mixture_information(mean: float, sds: FloatArray) -> float:
    """Information between a uniform choice k and R ~ N(mean, sds[k]^2), in nats: eta squared sees nothing of it."""
    return _mixture_information(np.full(len(sds), mean), sds)


def _mixture_information(means: FloatArray, sds: FloatArray) -> float:
    """h(R) by integration minus h(R | k) in closed form."""

    def integrand(x: float) -> float:
        density = (np.exp(-0.5 * ((x - means) / sds) ** 2) / (sds * np.sqrt(2.0 * np.pi))).mean()
        return float(-xlogy(density, density))

    edges = np.unique(np.concatenate([means - 9.0 * sds, means, means + 9.0 * sds]))
    pieces = [quad(integrand, a, b, epsabs=1e-11, epsrel=1e-11, limit=200)[0] for a, b in itertools.pairwise(edges)]
    return float(np.sum(pieces) - 0.5 * np.log(2.0 * np.pi * np.e * sds**2).mean())
