"""True power of trained policies on models that can be enumerated, beside what the team earns and what it would lose to deviations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import FiniteNetworkedMDP
from netagents.environments.spaces import Discrete, discrete_size
from netagents.errors import CapacityError, EnvironmentMismatchError
from netagents.exact.decay import truncation_error
from netagents.exact.exact_power import realized_power
from netagents.exact.exact_values import ExactValues
from netagents.exact.joint_model import JointModel, required_bytes
from netagents.exact.joint_policy import JointPolicy
from netagents.exact.power_regularization import Aggregate, Regularization, adversarial_values, combined
from netagents.exact.truncation import fixed_point
from netagents.learning.prepared_experiment import Prepared
from netagents.learning.protocol.setup import Setup
from netagents.messages.message_kinds import RadiusKind
from netagents.policies import Policy, TabularPolicy
from netagents.policies.mixed_radix import MixedRadix
from netagents.policies.neural_policy import CategoricalPolicy

FloatArray = NDArray[np.float64]

LARGEST_MODEL = 1 << 30
"""Bytes that the exact model of a study may need; beyond it power is not taken from linear algebra."""
LARGEST_CONTEXTS = 1 << 16
"""Joint observations of a policy's window up to which a network is written out as a table."""
DEVIATION = 0.1
"""Probability per step that one co-player, drawn at random, plays its worst action, in :attr:`TruePower.deviations`."""


@dataclass(frozen=True)
class TruePower:
    """What is true of one joint policy.

    Attributes:
        task: return per agent over the horizon, undiscounted.
        power: mean over agents and visits of the aggregated realized power of its co-players over an agent.
        matrix: (n, n) mean realized power of j (row) over i; NaN on the diagonal.
        top_share: share of all held power that the strongest agent holds.
        value: mean over agents of the discounted task value from the start.
        deviations: the same where in each step, with probability :data:`DEVIATION`, one co-player plays its worst action; NaN where
            the table for it does not fit.
        spread: mean over agents of the spread of Q along the visits (standard deviation), to compare errors with.
        truncation: mean over agents of the largest error of a critic of the run's radius by what is outside it.
        reading: mean over agents of the root mean square error along the visits of TD's limit at that radius.
    """

    task: float
    power: float
    matrix: FloatArray
    top_share: float
    value: float
    deviations: float
    spread: float
    truncation: float
    reading: float

    def numbers(self) -> dict[str, float]:
        """For a table, with the names that it has there."""
        return {
            "true_return": self.task,
            "true_power": self.power,
            "true_top_share": self.top_share,
            "true_value": self.value,
            "value_with_deviations": self.deviations,
            "q_spread": self.spread,
            "truncation_error": self.truncation,
            "td_truncation_error": self.reading,
        }


def enumerable(prepared: Prepared) -> JointModel:
    """The exact model of an experiment.

    Raises:
        EnvironmentMismatchError, CapacityError: the environment cannot be enumerated, or its model is too large; says why.
    """
    environment, spec = prepared.environment, prepared.setup.spec
    if not isinstance(environment, FiniteNetworkedMDP) or not spec.capabilities.enumerable:
        raise EnvironmentMismatchError(f"environment '{spec.name}' cannot be enumerated", where="exact power")
    if spec.observation_spaces != spec.state_spaces:
        raise EnvironmentMismatchError(f"agents of environment '{spec.name}' do not observe their local states", where="exact power")
    kernel = environment.kernel()
    if required_bytes(kernel) > LARGEST_MODEL:
        raise CapacityError(f"the exact model of {spec.n} agents is too large", where="exact power", fix="use fewer agents")
    return JointModel(kernel, prepared.setup.discount)


def true_power(model: JointModel, setup: Setup, policies: Sequence[Policy], aggregate: Aggregate) -> TruePower:
    """Everything above of some policies.

    Args:
        model: of the environment.
        setup: gives the horizon and the radii.
        policies: one per agent, tables or networks.
        aggregate: how the power of several co-players over one agent becomes a number.
    """
    evaluation = ExactValues(model, as_joint_policy(policies, setup))
    n = model.n
    visits = evaluation.visits(setup.horizon)
    share = visits / visits.sum()
    q = evaluation.action_values(model.rewards)
    matrix = np.full((n, n), np.nan)
    total = 0.0
    for i in range(n):
        powers = [realized_power(evaluation, q[i], j) for j in range(n) if j != i]
        for j, power in zip((j for j in range(n) if j != i), powers, strict=True):
            matrix[j, i] = float((share * power).sum())
        total += float((share * combined(powers, aggregate)).sum()) / n
    held = np.nansum(matrix, axis=1)
    values = evaluation.values(model.rewards) @ model.initial
    try:
        deviating = float((adversarial_values(evaluation, Regularization(DEVIATION)) @ model.initial).mean())
    except CapacityError:
        deviating = float("nan")
    radii = setup.reach[RadiusKind.CRITIC]
    windows = [radii.window(agent) for agent in range(n)]
    means = (share * q).sum(axis=(1, 2))
    spread = np.sqrt((share * (q - means[:, None, None]) ** 2).sum(axis=(1, 2)))
    readings = []
    for i in range(n):
        limit = fixed_point(evaluation, model.rewards[i : i + 1], windows[i], visits)[0].expand()
        known = np.isfinite(limit)
        readings.append(float(np.sqrt((np.where(known, share, 0.0) * np.where(known, limit - q[i], 0.0) ** 2).sum())))
    return TruePower(
        task=float(np.mean([(visits * model.rewards[i]).sum() for i in range(n)])),
        power=total,
        matrix=matrix,
        top_share=float(held.max() / held.sum()) if held.sum() > 0.0 else float("nan"),
        value=float(values.mean()),
        deviations=deviating,
        spread=float(spread.mean()),
        truncation=float(np.mean([truncation_error(model, q[i], windows[i]) for i in range(n)])),
        reading=float(np.mean(readings)),
    )


def as_joint_policy(policies: Sequence[Policy], setup: Setup) -> JointPolicy:
    """Tables of what the policies play at every joint observation of their windows; networks are asked once for each.

    Raises:
        CapacityError: a network's window has too many joint observations.
        EnvironmentMismatchError: a policy neither has a table nor reads finite observations.
    """
    tables = []
    for agent, policy in enumerate(policies):
        if isinstance(policy, TabularPolicy):
            tables.append(policy.probabilities.copy())
            continue
        spaces = [setup.spec.observation_spaces[j] for j in policy.window]
        if not all(isinstance(space, Discrete) for space in spaces) or not isinstance(policy, CategoricalPolicy):
            raise EnvironmentMismatchError(f"the policy of agent {agent} reads vectors", where="exact power")
        sizes = [discrete_size(space, f"observations of agent {j}") for j, space in zip(policy.window, spaces, strict=True)]
        contexts = prod(sizes)
        if contexts > LARGEST_CONTEXTS:
            raise CapacityError(f"the policy of agent {agent} tells {contexts} situations apart", where="exact power")
        radix = MixedRadix(sizes)
        states = [radix.digit(np.arange(contexts), place) for place in range(len(sizes))]
        tables.append(policy.probabilities_at(policy.context(states)))
    return JointPolicy(tuple(policy.window for policy in policies), tuple(tables))
