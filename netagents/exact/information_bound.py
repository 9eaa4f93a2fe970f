"""The bound of MIR2 (arXiv 2310.09833) on a small model, every term exact.

    (1)  J(pi, worst adversary)  >=  sum_t gamma^t ( E[ r_t ] - lambda sum_i I(x_i^t; a_i^t) )

On the left one agent is replaced by the adversary that is worst for the others, who knows the joint state; on the right everything is
from clean play.  x_i^t is what agent i's policy reads at step t.  The published derivation assumes that histories are covered uniformly;
how far they are from it, in clean play and under each adversary, is measured beside it.  For a policy whose actions carry no information
the right side is the clean return whatever lambda is, so that (1) fails wherever an adversary can do harm: :attr:`BoundTerms.least_lambda`
is then infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.exact.best_response import best_response, deviating
from netagents.exact.joint_model import JointModel
from netagents.exact.joint_policy import JointPolicy
from netagents.exact.joint_transition import joint_transition

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BoundTerms:
    """The terms of (1) for one policy; sums over steps are discounted, rewards are means over agents.

    Attributes:
        clean: sum of E[ r_t ], everybody keeping to its policy.
        clean_victims: (n,) the same of the agents other than i.
        attacked: (n,) return of the agents other than i when i is the worst adversary.
        information: (n,) sum over steps of I(x_i^t; a_i^t), nats.
        pooled: (n,) I(x_i; a_i) of all steps' contexts thrown together, nats per step: what a batch measures.
        coverage: (n,) KL(contexts of i in clean play || uniform), nats; 0 where coverage is uniform.
        attacked_coverage: (n, n) the same of agent j's contexts in row i, where i is the adversary; NaN on the diagonal.
        shift: (n, n) total variation between agent j's contexts in clean play and under adversary i; NaN on the diagonal.
    """

    clean: float
    clean_victims: FloatArray
    attacked: FloatArray
    information: FloatArray
    pooled: FloatArray
    coverage: FloatArray
    attacked_coverage: FloatArray
    shift: FloatArray

    def right_side(self, weight: float) -> float:
        """sum_t gamma^t ( E r_t - lambda sum_i I_i^t ) at lambda = ``weight``."""
        return self.clean - weight * float(self.information.sum())

    @property
    def least_lambda(self) -> float:
        """The smallest lambda at which (1) holds; infinite where no lambda is large enough."""
        loss, information = self.clean - float(self.attacked.min()), float(self.information.sum())
        return max(loss, 0.0) / information if information > 1e-12 else (np.inf if loss > 1e-12 else 0.0)


def bound_terms(model: JointModel, policy: JointPolicy, contexts: Sequence[IntArray], horizon: int) -> BoundTerms:
    """All terms of (1).

    Args:
        model: the model.
        policy: of everybody.
        contexts: for each agent ``(S,)`` the number of what it reads in each joint state.
        horizon: steps.

    Raises:
        EnvironmentMismatchError: the policy does not fit the model.
    """
    n, local = model.n, model.local_probabilities(policy)
    sizes = [int(each.max()) + 1 for each in contexts]
    steady = joint_transition(model, local)
    visits = [model.initial]
    for _ in range(horizon - 1):
        visits.append(visits[-1] @ steady)
    weights = model.discount ** np.arange(horizon)
    expected = _expected_rewards(model, local)
    clean = np.array([float(weights @ (np.array(visits) @ each)) for each in expected])
    information, pooled, coverage = np.zeros(n), np.zeros(n), np.zeros(n)
    context_masses = []
    for i in range(n):
        steps = [_joint(visit, contexts[i], local[i], sizes[i]) for visit in visits]
        information[i] = float(weights @ [_information(each) for each in steps])
        together = np.mean(steps, axis=0)
        pooled[i] = _information(together)
        context_masses.append(together.sum(axis=1))
        coverage[i] = _divergence_from_uniform(context_masses[i])
    attacked, victims = np.zeros(n), np.zeros(n)
    attacked_coverage, shift = np.full((n, n), np.nan), np.full((n, n), np.nan)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        victims[i] = float(clean[others].mean())
        worst = best_response(model, policy, (i,), -model.rewards[others].mean(axis=0), horizon)
        attacked[i] = -worst.value
        visit, total = model.initial, np.zeros(model.S)
        for step in range(horizon):
            total += visit / horizon
            visit = visit @ joint_transition(model, model.local_probabilities(deviating(model, policy, (i,), worst.actions[step])))
        for j in others:
            context_mass = np.asarray(np.bincount(contexts[j], weights=total, minlength=sizes[j]), dtype=np.float64)
            attacked_coverage[i, j] = _divergence_from_uniform(context_mass)
            shift[i, j] = 0.5 * float(np.abs(context_mass - context_masses[j]).sum())
    return BoundTerms(float(clean.mean()), victims, attacked, information, pooled, coverage, attacked_coverage, shift)


def attacked_returns(model: JointModel, policy: JointPolicy, horizon: int) -> FloatArray:
    """(n,) discounted return of the agents other than i, mean over them, when i is the worst adversary."""
    returns = np.zeros(model.n)
    for i in range(model.n):
        others = [j for j in range(model.n) if j != i]
        returns[i] = -best_response(model, policy, (i,), -model.rewards[others].mean(axis=0), horizon).value
    return returns


def clean_return(model: JointModel, policy: JointPolicy, horizon: int) -> float:
    """Discounted return of the policy, mean over agents."""
    local = model.local_probabilities(policy)
    transition, reward = joint_transition(model, local), np.mean(_expected_rewards(model, local), axis=0)
    values = np.zeros(model.S)
    for _ in range(horizon):
        values = reward + model.discount * (transition @ values)
    return float(model.initial @ values)


def noisy(policy: JointPolicy, share: float) -> JointPolicy:
    """The policy whose agents each play a uniform action with probability ``share``."""
    return JointPolicy(policy.scopes, tuple((1.0 - share) * table + share / table.shape[1] for table in policy.tables))


def greedy(policy: JointPolicy) -> JointPolicy:
    """The policy that plays the most probable action; ties go to the lowest one."""
    return JointPolicy(policy.scopes, tuple(np.eye(table.shape[1])[table.argmax(axis=1)] for table in policy.tables))


def _expected_rewards(model: JointModel, local: Sequence[FloatArray]) -> list[FloatArray]:
    joint = np.ones((model.S, 1))
    for probabilities in local:
        joint = (joint[:, :, None] * probabilities[:, None, :]).reshape(model.S, -1)
    return [np.asarray((reward * joint).sum(axis=1)) for reward in model.rewards]


def _joint(visit: FloatArray, context: IntArray, probabilities: FloatArray, size: int) -> FloatArray:
    """(X, A) probability of each context and action of one agent."""
    return np.stack([np.bincount(context, weights=visit * each, minlength=size) for each in probabilities.T], axis=1)


def _information(joint: FloatArray) -> float:
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    present = joint > 0
    return max(float((joint[present] * np.log(joint[present] / product[present])).sum()), 0.0)


def _divergence_from_uniform(distribution: FloatArray) -> float:
    present = distribution[distribution > 0]
    return float((present * np.log(present)).sum() + np.log(len(distribution)))
