"""The exact tables of an experiment file's model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netagents.environments import build_environment, discrete_size
from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.exact.forecast import Forecast, forecast_tables
from netagents.exact.joint_model import MEMORY_LIMIT, JointModel
from netagents.exact.joint_policy import policy_contexts, softmax_policy
from netagents.exact.oracle_tables import ExactTables, exact_tables
from netagents.experiment import Experiment
from netagents.experiment.intervention_settings import SbprSettings
from netagents.experiment.signal_settings import POWER_TERM
from netagents.topology import Reach, agent_radii, build_topology
from netagents.utilities import build_constraints, build_utility

FloatArray = NDArray[np.float64]


def has_tables(experiment: Experiment) -> bool:
    """Whether exact values know all that agents learn from: tasks, utilities and constraints.

    A power term, or SBPR, prices what the tables show, and they show it without the price.
    """
    alike = all(group.learns_as_all for group in experiment.agents) and not _replaces_actions(experiment)
    return alike and all(term.factor == 0.0 or term.kind == POWER_TERM for term in experiment.signals)


def _replaces_actions(experiment: Experiment) -> bool:
    return any(not isinstance(each, SbprSettings) for each in experiment.interventions)


def _unknown_part(experiment: Experiment) -> str:
    """The setting that exact values know nothing of."""
    if _replaces_actions(experiment):
        return "interventions"
    return "signals" if all(group.learns_as_all for group in experiment.agents) else "agents"


def exact_experiment(
    experiment: Experiment,
    base: Path | None = None,
    logits: Sequence[FloatArray] | None = None,
    *,
    kappas: Sequence[int] | None = None,
    power_steps: int = 3,
    restarts: int = 0,
    memory_limit: int = MEMORY_LIMIT,
    before: Callable[[Forecast], None] | None = None,
) -> ExactTables:
    """The tables of the experiment's environment, utilities, constraints, discount and policy radius; its critic and gradient radii are
    swept.

    Args:
        experiment: the settings.
        base: the folder that the topology's path is relative to.
        logits: of every agent, ``(X_i, |A_i|)``, for instance those that a run learned; uniform policies by default.
        kappas, power_steps, restarts, memory_limit: see :func:`exact_tables`.
        before: told what the tables will take, before they are made and only if they fit.

    Raises:
        EnvironmentMismatchError: the environment has no exact kernel, or the logits do not fit.
        CapacityError: the model would not fit, with the size it would need.
        NetagentsError: the topology or a utility is wrong.
    """
    if logits is not None and experiment.information == "aged":
        raise ExperimentError(
            "exact values are of policies that read present states, and these learned to read aged ones",
            where="information",
            fix="use a run with information: fresh, or untrained policies",
        )
    if not has_tables(experiment):
        raise ExperimentError(
            "exact values are of tasks, utilities and constraints, and this experiment has incentives, interventions or terms of a signal"
            " beside them",
            where=_unknown_part(experiment),
            fix="leave them out to see the exact values of the rest",
        )
    topology = build_topology(experiment.topology, base, experiment.seed)
    if logits is not None and len(logits) != topology.n:
        raise EnvironmentMismatchError(
            f"the policies of {len(logits)} agents do not fit {topology.n} agents", where="--run", fix="take a run of this very experiment"
        )
    environment = build_environment(experiment.environment, topology)
    spec = environment.spec
    if spec.observation_spaces != spec.state_spaces:
        raise EnvironmentMismatchError(
            f"agents of environment '{spec.name}' do not observe their local states",
            fix="exact values are those of policies that read local states",
        )
    kernel = environment.kernel()
    learning = experiment.learning
    discount = spec.discount if learning.gamma is None else learning.gamma
    reach = Reach(topology.hops, agent_radii(experiment, topology.n, "policy"))
    scopes = tuple(reach.window(i) for i in range(topology.n))
    shapes = zip(policy_contexts(kernel, scopes), kernel.action_sizes, strict=True)
    policy = softmax_policy(kernel, scopes, [np.zeros(shape) for shape in shapes] if logits is None else logits)
    sizes = [
        (
            discrete_size(spec.state_spaces[agent], f"state space of agent {agent}"),
            discrete_size(spec.action_spaces[agent], f"action space of agent {agent}"),
        )
        for agent in range(topology.n)
    ]
    hops = topology.hops.matrix()
    if before is not None:
        JointModel(kernel, discount, memory_limit)
        radii = len(kappas) if kappas is not None else int(hops[hops < topology.n].max()) + 1
        before(forecast_tables(kernel, radii))
    return exact_tables(
        kernel,
        hops,
        policy,
        discount,
        utilities=[build_utility(experiment.of_agent(agent).utility, agent, *size, discount) for agent, size in enumerate(sizes)],
        task_weight=learning.task_weight,
        constraints=[build_constraints(experiment.of_agent(agent).constraints, agent, *size, discount) for agent, size in enumerate(sizes)],
        kappas=kappas,
        horizon=spec.horizon if learning.horizon is None else learning.horizon,
        power_steps=power_steps,
        restarts=restarts,
        logit_bound=learning.logit_bound,
        seed=experiment.seed,
        memory_limit=memory_limit,
    )
