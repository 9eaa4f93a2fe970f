"""Interval of mutual information from held-out samples: likelihood gain below, CLUB above, and warnings where q does not support it.

    lower = (1/N) sum_i [ log q(y_i | x_i) - log phat(y_i) ]                                   (Barber and Agakov 2003)

With q fitted to other samples, E log q(y | x) <= -H(y | x).  For categorical y, phat are the held-out frequencies, whose plug-in entropy
does not exceed H(y) on average: the gain is a lower bound of I, and errs downwards.  For real y, phat is normal with the held-out mean and
variance in each dimension, and the gain can exceed I - E KL(p(y | x) || q) by KL(p(y) || phat): a lower bound where y is close to such a
distribution, not in general.  ``contrastive_values`` (InfoNCE) is a lower bound for any y, but never above ln N.
"""

from __future__ import annotations

from typing import NamedTuple

from netagents.measures.information.conditional_model import LOG_FLOOR, CategoricalConditional, Model, Outcomes
from netagents.measures.information.contrastive_bounds import Estimate, club_estimate, sample_estimate

CLIPPED_SHARE = 0.05
"""A warning is given where more than this share of the pairs is clipped."""


class InformationInterval(NamedTuple):
    """Bounds of I from one held-out batch, nats.

    Attributes:
        lower: likelihood gain of q over the marginal model, with its standard error.
        upper: CLUB over other samples, with its standard error.
        clipped: share of all pairs whose log q is clipped.
        warnings: one line each; empty where nothing speaks against the interval.
    """

    lower: Estimate
    upper: Estimate
    clipped: float
    warnings: tuple[str, ...]


def likelihood_gain(model: Model, outcomes: Outcomes) -> Estimate:
    """The lower bound.

    Args:
        model: q at held-out inputs, fitted to other samples; not clipped.
        outcomes: held out, (N,) or (N, d).
    """
    return sample_estimate(model.log_likelihood(outcomes) - model.marginal(outcomes).log_likelihood(outcomes))


def information_interval(model: Model, outcomes: Outcomes, *, log_floor: float | None = LOG_FLOOR) -> InformationInterval:
    """Both bounds from the same held-out samples.

    Args:
        model: q at held-out inputs, fitted to other samples; not clipped.
        outcomes: held out, (N,) or (N, d).
        log_floor: for CLUB's categorical log q.

    Raises:
        ValueError: fewer than two samples.
    """
    lower, upper = likelihood_gain(model, outcomes), club_estimate(model, outcomes, log_floor=log_floor)
    clipped = 0.0
    if isinstance(model, CategoricalConditional) and log_floor is not None:
        clipped = float((model.log_probabilities < log_floor).mean(axis=0) @ model.frequencies(outcomes))
    return InformationInterval(lower, upper, clipped, _warnings(lower, upper, clipped))


def _warnings(lower: Estimate, upper: Estimate, clipped: float) -> tuple[str, ...]:
    """What the two numbers say about q."""
    lines = []
    if lower.value < 0:
        lines.append(
            f"likelihood gain {lower.value:.4f} is below 0: q predicts held-out outcomes worse than their marginal does; "
            "it is under-trained, over-fitted, or there is no information; give it more steps or fewer weights"
        )
    elif lower.value <= 2.0 * lower.error:
        lines.append(
            f"likelihood gain {lower.value:.4f} is within two standard errors ({lower.error:.4f}) of 0: q has learned nothing measurable"
        )
    if upper.value < 0:
        lines.append(f"CLUB {upper.value:.4f} is below 0, where no information can be: q is under-trained and CLUB is no upper bound")
    if upper.value < lower.value:
        lines.append(
            f"CLUB {upper.value:.4f} is below the likelihood gain {lower.value:.4f}: q is under-trained and CLUB is no upper bound"
        )
    if clipped > CLIPPED_SHARE:
        lines.append(
            f"{clipped:.0%} of the pairs are clipped: the policy is nearly deterministic and CLUB measures the floor; use the exact value"
        )
    return tuple(lines)
