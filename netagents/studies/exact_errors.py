"""The exact side of a radius study: truncation and gradient errors, and how much of a learned critic's error a radius can mend.

Where the experiment's own model is small enough it is used; otherwise a smaller copy of the same experiment (fewer agents on the
same kind of graph), and the report says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments import NetworkedMDP, discrete_size
from netagents.errors import CapacityError, EnvironmentMismatchError, NetagentsError
from netagents.exact import (
    ExactValues,
    JointModel,
    Truncated,
    exact_experiment,
    exact_gradient,
    fixed_point,
    joint_policy_of,
    split_error,
    windows,
)
from netagents.exact.experiment_tables import has_tables
from netagents.exact.joint_model import required_bytes
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.setup import Setup
from netagents.policies import SoftmaxTable
from netagents.records.column_table import ColumnTable
from netagents.studies.study_specification import diameter
from netagents.utilities import Utility, build_utility

FloatArray = NDArray[np.float64]

MEMORY = 40 << 20
"""A model that needs more than this is replaced by a smaller one: tables of all radii should take seconds."""
FROZEN = 1e-12
"""Step size of a policy that stays where it is while critics learn."""


@dataclass(frozen=True)
class Oracle:
    """What is known exactly.

    Attributes:
        tables: ``exact_truncation``, ``exact_gradient`` and ``exact_split``; empty when nothing could be computed.
        note: which model they are of, or why there are none.
    """

    tables: dict[str, ColumnTable]
    note: str


def consult(base: Experiment, kappas: Sequence[int], iterations: int = 20) -> Oracle:
    """Exact tables of the experiment, or of the largest smaller copy that fits.

    Args:
        base: self-contained.
        kappas: radii; those beyond the model's diameter are left out.
        iterations: of training before the trained policies are looked at.
    """
    if base.uses_networks:
        return Oracle({}, "no exact values: the policies are networks, and exact methods know tables")
    if not has_tables(base):
        return Oracle({}, "no exact values: agents have incentives, interventions or terms of a signal that exact methods do not know")
    aged = base.information == "aged"
    try:
        experiment, changed = _that_fits(base.model_copy(update={"information": "fresh"}))
    except NetagentsError as error:
        return Oracle({}, f"no exact values: {error.what}")
    prepared = prepare(experiment)
    setup, kernel = prepared.setup, prepared.environment.kernel()
    radii = [kappa for kappa in range(diameter(setup.topology) + 1) if kappa in kappas or changed]
    widest = max(radii)
    trained = _train(experiment, widest, iterations, None)
    tables: dict[str, list[dict[str, Any]]] = {"exact_truncation": [], "exact_gradient": []}
    for policies, logits in (("untrained", None), ("trained", [policy.logits for policy in trained])):
        exact = exact_experiment(_with_radius(experiment, widest), None, logits, kappas=radii)
        for name in ("truncation", "gradient"):
            table = exact[name]
            tables[f"exact_{name}"] += [{"policies": policies, **dict(zip(table.columns, row, strict=True))} for row in table.rows]
    discount = setup.discount
    evaluation = ExactValues(JointModel(kernel, discount), joint_policy_of(_untrained(setup)))
    split = [_split(experiment, evaluation, kappa, 1) for kappa in radii]
    named = {name: _table(rows) for name, rows in {**tables, "exact_split": split}.items()}
    size = f"{setup.n} agents, {kernel_size(prepared.environment)}"
    which = f"a smaller copy of the experiment ({changed}; {size})" if changed else f"the experiment itself ({size})"
    late = ", with fresh information" if aged else ""
    return Oracle(named, f"exact values are of {which}{late}")


def kernel_size(environment: NetworkedMDP) -> str:
    """How many joint states and actions a model has, in words."""
    spec = environment.spec
    states = prod(discrete_size(space, "state space") for space in spec.state_spaces)
    actions = prod(discrete_size(space, "action space") for space in spec.action_spaces)
    return f"{states:,} joint states, {actions:,} joint actions"


def exact_squared_norm(setup: Setup, environment: NetworkedMDP, policies: Sequence[SoftmaxTable], bound: float) -> float:
    """Squared norm of the exact gradient at the present policies, without what the projection onto [-bound, bound] would undo."""
    evaluation = ExactValues(JointModel(environment.kernel(), setup.discount), joint_policy_of(policies))
    gradient = exact_gradient(evaluation, utilities_of(setup), setup.experiment.learning.task_weight)
    total = 0.0
    for table, policy in zip(gradient, policies, strict=True):
        outward = ((policy.logits >= bound) & (table > 0.0)) | ((policy.logits <= -bound) & (table < 0.0))
        total += float((np.where(outward, 0.0, table) ** 2).sum())
    return total


def utilities_of(setup: Setup) -> list[Utility]:
    """Every agent's utility."""
    names = []
    for agent in range(setup.n):
        (states,), (actions,) = setup.state_sizes((agent,)), setup.action_sizes((agent,))
        names.append(build_utility(setup.agents[agent].utility, agent, states, actions, setup.discount))
    return names


def _that_fits(base: Experiment) -> tuple[Experiment, str]:
    """The experiment, or a copy with fewer agents, and what was changed.

    Raises:
        EnvironmentMismatchError: the environment has no exact model.
        CapacityError: none fits.
    """
    settings = base.topology
    n = getattr(settings, "n", None)
    smaller: list[tuple[dict[str, Any], str]] = [({}, "")]
    if n is not None and settings.kind in ("line", "ring", "star", "complete"):
        smaller += [({"topology.n": m}, f"topology.n={m} instead of {n}") for m in range(min(n - 1, 7), 2, -1)]
    elif settings.kind == "access_grid":
        smaller.append(({"topology.rows": 2, "topology.columns": 3}, "a 2 x 3 access grid"))
        smaller.append(({"topology.rows": 2, "topology.columns": 3, "topology.users": 1}, "a 2 x 3 access grid, one user per cell"))
        smaller.append(({"topology.rows": 2, "topology.columns": 2, "topology.users": 1}, "a 2 x 2 access grid, one user per cell"))
    elif base.environment.kind in ("sis", "random_networked"):
        smaller += [({"topology": {"kind": "ring", "n": m}}, f"a ring of {m} agents instead of its graph") for m in (7, 6, 5)]
    for words, changed in smaller:
        try:
            prepared = prepare(load_experiment(base, words).experiment)
            if not prepared.environment.spec.capabilities.enumerable:
                raise EnvironmentMismatchError(f"environment '{prepared.environment.spec.name}' cannot be enumerated")
            if _small(prepared.environment) and required_bytes(prepared.environment.kernel()) <= MEMORY:
                return prepared.experiment, changed
        except CapacityError:
            continue
    raise CapacityError("the model is too large, and no smaller copy of it fits")


def _small(environment: NetworkedMDP) -> bool:
    """Whether the joint tables could fit, asked before the kernel is made."""
    spec = environment.spec
    states = prod(discrete_size(space, "state space") for space in spec.state_spaces)
    actions = prod(discrete_size(space, "action space") for space in spec.action_spaces)
    return 8 * (3 * states * states + (5 * spec.n + 3) * states * actions) <= MEMORY


def _with_radius(experiment: Experiment, kappa: int, **learning: Any) -> Experiment:
    words: dict[str, Any] = {"kappa": kappa, "kappa_critic": None, "kappa_gradient": None}
    if experiment.kappa_policy is None:
        # What the actor reads is fixed while critics are compared.
        words["kappa_policy"] = min(1, kappa)
    return load_experiment(experiment, words | {f"learning.{name}": value for name, value in learning.items()}).experiment


def _train(experiment: Experiment, kappa: int, iterations: int, learning_rate: float | None) -> list[SoftmaxTable]:
    changes: dict[str, Any] = {"iterations": iterations}
    if learning_rate is not None:
        changes["learning_rate"] = learning_rate
    prepared = prepare(_with_radius(experiment, kappa, **changes))
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for _ in network.run(0, iterations):
        pass
    return [agent.policy for agent in network.agents if isinstance(agent.policy, SoftmaxTable)]


def _untrained(setup: Setup) -> list[SoftmaxTable]:
    return [policy for policy in map(setup.policy, range(setup.n)) if isinstance(policy, SoftmaxTable)]


def _split(experiment: Experiment, evaluation: ExactValues, kappa: int, iterations: int) -> dict[str, Any]:
    """Fit critics of one radius to one batch of untrained policies, and split their error."""
    widest = diameter(prepare(experiment).topology)
    frozen = _with_radius(experiment, widest, iterations=iterations, learning_rate=FROZEN)
    words = {"kappa_critic": kappa, "kappa_gradient": kappa, "kappa_policy": frozen.radius("policy"), "learning.critic.solver": "lstd"}
    variant = load_experiment(frozen, words).experiment
    prepared = prepare(variant)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for agent in network.tabular_agents:
        agent.reads_task = True
    for _ in network.run(0, iterations):
        pass
    model = evaluation.model
    weights = evaluation.visits(prepared.setup.horizon)
    exact = evaluation.action_values(model.rewards)
    near = windows(prepared.topology.hops.matrix(), kappa)
    parts = []
    for agent, window in zip(network.tabular_agents, near, strict=True):
        keys = np.arange(agent.keys.total, dtype=np.int64)
        slots = agent.table.find(keys)
        visited = (slots >= 0) & (agent.table.age(slots, iterations) <= iterations)
        values = np.where(visited, agent.table.values[0][slots], np.nan)
        shape = (*prepared.setup.state_sizes(window), *prepared.setup.action_sizes(window))
        learned = Truncated(model, window, values.reshape(shape))
        try:
            limit = fixed_point(evaluation, model.rewards[agent.index][None], window, weights)[0]
        except CapacityError:
            continue
        error = split_error(learned, limit, exact[agent.index], weights)
        spread = float(exact[agent.index].max() - exact[agent.index].min())
        parts.append((error.statistical / spread, error.truncation / spread, error.total / spread))
    statistical, truncation, total = np.mean(parts, axis=0) if parts else (np.nan, np.nan, np.nan)
    return {"kappa": kappa, "statistical": float(statistical), "truncation": float(truncation), "total": float(total)}


def _table(rows: Sequence[dict[str, Any]]) -> ColumnTable:
    return ColumnTable({name: np.array([row[name] for row in rows]) for name in rows[0]})
