"""Per-sample information I_t of a team's actions, as a reward penalty r_t - lambda I_t needs it, in three modes.

- ``exact``: each agent's own policy; no learned model.  KL(pi(. | h_i) || pbar) does not depend on the action taken, so that as a reward it
  presses on what leads to h_i and not on a_i itself.  The density log pi(a_i | h_i) - log pbar(a_i) has that mean and depends on a_i;
  the policy gradient of a reward of this size is grad I, since E grad log pi(a | h) = 0 and E grad log pbar(a) = 0.
- ``as_published``: each agent's own q(a | x), fitted to recent on-policy samples with :data:`PUBLISHED_STEPS` steps per step of the policy;
  log q(a_i | x_i) - sum_a phat(a) log q(a | x_i).
- ``as_released``: one q for the team, :data:`RELEASED_STEPS` step per step of the policy; the same, unclipped, for the label that the
  released code takes.

For a team whose q factorises over agents, q(a | x) = prod_k q_k(a_k | x_k), the team's value is the sum of the agents' values, so each
agent needs its own history and actions only.  ``as_released`` repeats what the authors' code computes for discrete actions: the arg-max
over the concatenated one-hot actions of all agents, which is always an action of the first agent, as the label of a softmax over all
agents' actions together.  For real actions that code models the concatenated actions of all agents; :func:`published_values` of a Gaussian
q over them is the same number.

All functions are pure.  ``centre`` subtracts the batch's mean, which changes no preference between actions and keeps values from drifting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.measures.information.conditional_model import (
    LOG_FLOOR,
    CategoricalConditional,
    ConditionalModel,
    FloatArray,
    GaussianConditional,
    Outcomes,
    log_softmax,
)
from netagents.measures.information.contrastive_bounds import club_values
from netagents.measures.information.exact_information import exact_information
from netagents.measures.information.gaussian_information import moment_bound

PUBLISHED_STEPS, RELEASED_STEPS = 5, 1
"""Steps of q per step of the policy."""


def exact_values(logits: NDArray[Any], *, centre: bool = False) -> FloatArray:
    """(N,) KL(pi(. | h_i) || pbar) of a categorical policy; the expectation over actions of log pi(a | h_i) - log pbar(a).

    Args:
        logits: (N, |A|) of the agent's policy, minus infinity at masked actions.
        centre: subtract the mean.

    Raises:
        ValueError: NaN, plus infinity, or a row without any action.
    """
    return _centred(exact_information(logits).per_sample, centre)


def exact_densities(logits: NDArray[Any], actions: Outcomes, *, centre: bool = False) -> FloatArray:
    """(N,) log pi(a_i | h_i) - log pbar(a_i) of a categorical policy; for an action that it excludes the mean, :func:`exact_values`.

    Args:
        logits: (N, |A|) of the agent's policy, minus infinity at masked actions.
        actions: (N,) that were executed; one that the policy excludes was not its own.
        centre: subtract the mean.

    Raises:
        ValueError: NaN, plus infinity, or a row without any action.
    """
    exact, rows = exact_information(logits), np.arange(len(actions))
    taken = log_softmax(logits)[rows, actions]
    own = np.isfinite(taken)
    with np.errstate(divide="ignore"):
        marginal = np.log(exact.marginal)[actions]
    return _centred(np.where(own, np.where(own, taken, 0.0) - np.where(own, marginal, 0.0), exact.per_sample), centre)


def exact_gaussian_densities(mean: FloatArray, log_std: FloatArray, drawn: FloatArray, *, centre: bool = False) -> FloatArray:
    """(N,) log pi(u_i | h_i) - log of the Gaussian of the mixture's moments at u_i; its mean over u is :func:`exact_gaussian_values`.

    Args:
        mean: (N, d). log_std: (N, d) or (d,). drawn: (N, d) u, before any clipping or squashing.
        centre: subtract the mean.
    """
    policies = GaussianConditional(mean, np.broadcast_to(2.0 * log_std, mean.shape))
    variance = np.exp(policies.log_variance).mean(axis=0) + mean.var(axis=0)
    mixture = GaussianConditional(np.broadcast_to(mean.mean(axis=0), mean.shape), np.broadcast_to(np.log(variance), mean.shape))
    return _centred(policies.log_likelihood(drawn) - mixture.log_likelihood(drawn), centre)


def exact_gaussian_values(mean: FloatArray, log_std: FloatArray, *, centre: bool = False) -> FloatArray:
    """(N,) KL of each Gaussian policy to the Gaussian of the mixture's moments: an upper bound on average, see ``moment_bound``.

    Args:
        mean: (N, d). log_std: (N, d) or (d,), before any squashing of the actions.
        centre: subtract the mean.

    Raises:
        ValueError: a number is not finite.
    """
    return _centred(moment_bound(mean, log_std).per_sample, centre)


def published_values(
    model: ConditionalModel, actions: Outcomes, *, log_floor: float | None = LOG_FLOOR, centre: bool = False
) -> FloatArray:
    """(N,) I_t of one agent: vCLUB's samples under its own q.

    Args:
        model: q_k at the agent's inputs, frozen.
        actions: (N,) or (N, d) that it took.
        log_floor: of categorical log q.
        centre: subtract the mean.
    """
    return _centred(club_values(model, actions, log_floor=log_floor), centre)


def released_inputs(states: FloatArray) -> FloatArray:
    """(N, F) mean over agents of their states (N, n, F), which hold the global state and a one-hot index."""
    return np.asarray(states.mean(axis=1))


def released_labels(one_hots: NDArray[Any]) -> NDArray[np.int64]:
    """(N,) arg-max over concatenated one-hot actions (N, n, |A|): agent 0's action, since the first of equal entries is taken."""
    return np.asarray(one_hots.reshape(len(one_hots), -1).argmax(axis=1), dtype=np.int64)


def released_values(logits: NDArray[Any], one_hots: NDArray[Any], *, centre: bool = False) -> FloatArray:
    """(N,) the team's I_t as the released code computes it for discrete actions; every agent's target is lowered by lambda times this.

    Args:
        logits: (N, n |A|) of the team's q at :func:`released_inputs`.
        one_hots: (N, n, |A|) actions.
        centre: subtract the mean, which the released code does not do.

    Raises:
        ValueError: the shapes do not fit, or a logit is not finite.
    """
    samples, agents, actions = one_hots.shape
    if logits.shape != (samples, agents * actions):
        raise ValueError(
            f"logits of shape {logits.shape} for one-hot actions of shape {one_hots.shape}; expected {(samples, agents * actions)}"
        )
    model = CategoricalConditional(log_softmax(logits))
    return published_values(model, released_labels(one_hots), log_floor=None, centre=centre)


def _centred(values: FloatArray, centre: bool) -> FloatArray:
    return np.asarray(values - values.mean()) if centre else values
