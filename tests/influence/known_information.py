"""Distributions whose mutual information is known: exactly where returns are discrete, by numerical integration for Gaussian mixtures."""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.special import xlogy
from scipy.stats import norm


def discrete_information(tables: np.ndarray) -> float:
    """Information between a uniform choice of a row and a draw from that row's distribution, in nats: H(R) - H(R | choice).

    Args:
        tables: ``(K, values)`` probabilities.
    """
    pooled = tables.mean(axis=0)
    return float(-xlogy(pooled, pooled).sum() + xlogy(tables, tables).sum(axis=1).mean())


def gaussian_information(means: np.ndarray, sd: float) -> float:
    """Information between a uniform choice k and R ~ N(means[k], sd^2), in nats: h(R) by integration, minus h(R | k) in closed form."""

    def integrand(x: float) -> float:
        density = norm.pdf(x, means, sd).mean()
        return float(-xlogy(density, density))

    edges = np.unique(np.concatenate([means - 9 * sd, means, means + 9 * sd]))
    pieces = [quad(integrand, a, b, epsabs=1e-11, epsrel=1e-11, limit=200)[0] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return float(np.sum(pieces) - 0.5 * np.log(2.0 * np.pi * np.e * sd * sd))
