"""The derivative of the exact objective by finite differences, and how far truncated gradients are from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.exact import ExactValues, JointModel, compare_gradients, learning_signals, objective, softmax_policy, windows
from netagents.exact.joint_policy import policy_contexts
from netagents.exact.truncated_gradient import truncated_gradient
from netagents.learning.prepared_experiment import Prepared
from netagents.messages import RadiusKind
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.studies.exact_errors import utilities_of

FloatArray = NDArray[np.float64]

STEP = 1e-3
SPREAD = 0.5
"""Standard deviation of the logits at which gradients are compared: uniform policies are a special point."""


def truncation_against_differences(prepared: Prepared, kappas: Sequence[int]) -> list[float]:
    """Per radius, |truncated gradient - d F / d logits| / |d F / d logits| with perfect critics, at seeded random policies.

    The derivative is that of the objective alone, by central differences of fourth order: neither the policy gradient theorem nor a
    critic has a part in it.

    Args:
        prepared: of an experiment whose model is small.
        kappas: radii of critics and gradients.
    """
    setup, experiment = prepared.setup, prepared.experiment
    kernel = prepared.environment.kernel()
    model = JointModel(kernel, setup.discount)
    scopes = tuple(setup.reach[RadiusKind.POLICY].window(agent) for agent in range(setup.n))
    draw = stream(experiment.seed, ENVIRONMENT_OWNER, Purpose.INITIALISATION, 0)
    shapes = zip(policy_contexts(kernel, scopes), kernel.action_sizes, strict=True)
    logits = [SPREAD * draw.standard_normal(shape) for shape in shapes]
    utilities, weight = utilities_of(setup), experiment.learning.task_weight

    def evaluation_at(tables: Sequence[FloatArray]) -> ExactValues:
        return ExactValues(model, softmax_policy(kernel, scopes, tables))

    def moved(agent: int, where: tuple[int, ...], step: float) -> float:
        tables = [table.copy() for table in logits]
        tables[agent][where] += step
        return objective(evaluation_at(tables), utilities, weight)

    slopes = [np.empty_like(table) for table in logits]
    for agent, table in enumerate(slopes):
        for where in np.ndindex(table.shape):
            one, two = (moved(agent, where, step) - moved(agent, where, -step) for step in (STEP, 2.0 * STEP))
            table[where] = (8.0 * one - two) / (12.0 * STEP)
    evaluation = evaluation_at(logits)
    signals = learning_signals(evaluation, utilities, weight)
    q = evaluation.action_values(signals)
    hops = setup.topology.hops.matrix()
    errors = []
    for kappa in kappas:
        near = windows(hops, kappa)
        errors.append(compare_gradients(truncated_gradient(evaluation, signals, q, near, near), slopes)[0])
    return errors
