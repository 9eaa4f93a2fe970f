"""Named tables of everything the oracle knows of one model under one policy, printable and savable."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel
from netagents.exact.constrained_ascent import FEASIBLE, Constraints, constrained_ascent, violations
from netagents.exact.coupling import certificates, coupling, refined_certificates
from netagents.exact.decay import decay_rate
from netagents.exact.exact_power import k_step_power, power_matrices
from netagents.exact.exact_values import ExactValues
from netagents.exact.gradient_ascent import exact_ascent
from netagents.exact.joint_model import MEMORY_LIMIT, JointModel, required_bytes
from netagents.exact.joint_policy import JointPolicy, Scopes
from netagents.exact.radius_comparison import compare_radii
from netagents.exact.team_objective import Utilities, exact_gradient, learning_signals, objective

Cell = str | int | float
Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ExactTable:
    """One table.

    Attributes:
        caption: one line that says what the numbers are.
        columns: names.
        rows: as many cells each; NaN where nothing is known, infinity where a bound diverges.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> list[Cell]:
        """One column, top to bottom."""
        where = self.columns.index(name)
        return [row[where] for row in self.rows]


@dataclass(frozen=True)
class ExactTables:
    """Tables by name, in the order in which they are printed."""

    tables: dict[str, ExactTable] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ExactTable:
        return self.tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def to_json(self) -> str:
        """All tables as strict JSON: NaN is null, infinity the word "inf"."""
        plain = {
            name: {"caption": table.caption, "columns": table.columns, "rows": [[_plain(cell) for cell in row] for row in table.rows]}
            for name, table in self.tables.items()
        }
        return json.dumps(plain, indent=1, allow_nan=False)

    def save(self, directory: Path) -> list[Path]:
        """Write ``exact.json`` and one CSV per table; existing files of these names are replaced.

        Returns:
            The files written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        written = [directory / "exact.json"]
        written[0].write_text(self.to_json() + "\n", encoding="utf-8")
        for name, table in self.tables.items():
            path = directory / f"{name}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(table.columns)
                writer.writerows(table.rows)
            written.append(path)
        return written


def exact_tables(
    kernel: FactoredKernel,
    distances: NDArray[np.generic],
    policy: JointPolicy,
    discount: float,
    *,
    utilities: Utilities = None,
    task_weight: float = 1.0,
    constraints: Constraints = (),
    kappas: Sequence[int] | None = None,
    horizon: int | None = None,
    power_steps: int = 3,
    restarts: int = 0,
    logit_bound: float = 2.5,
    seed: int = 0,
    memory_limit: int = MEMORY_LIMIT,
) -> ExactTables:
    """Everything at once: tables ``model``, ``values``, ``truncation``, ``decay``, ``gradient``, ``power_reading``, ``power``, ``coupling``
    and, where there are any, ``constraints`` and, if asked for, ``ascent``.

    Args:
        kernel, distances: the model, and ``(n, n)`` hops between agents.
        policy: the joint policy under which everything is evaluated.
        utilities, task_weight: the objective F = (1/n) sum [ w task value + f_i(lambda_i) ].
        constraints: of every agent, in the order of agents; only ``constraints`` and ``ascent`` take them into account.
        kappas: radii to compare; default 0 to the largest finite distance.
        horizon: steps of the trajectories that critics learn from: the fixed point is that of batch TD on them.  Default: the
            discounted occupancy of the infinite horizon.
        power_steps: k of k-step power.
        restarts: of exact ascent over policies with this policy's scopes; 0 leaves the table out.
        logit_bound, seed: of the ascent.

    Raises:
        CapacityError: the model would not fit, with the size it would need.
        EnvironmentMismatchError: the policy does not fit the model.
    """
    model = JointModel(kernel, discount, memory_limit)
    evaluation = ExactValues(model, policy)
    hops = np.asarray(distances, dtype=np.float64)
    radii = list(range(int(hops[hops < model.n].max()) + 1)) if kappas is None else list(kappas)
    q = evaluation.action_values(model.rewards)
    tables = {"model": _model(evaluation, utilities, task_weight), "values": _values(evaluation, utilities)}
    constrained = any(constraints)
    if constrained:
        tables["constraints"] = _constraints(evaluation, constraints)
    tables |= _radii(evaluation, q, hops, radii, utilities, task_weight, horizon)
    tables["power"] = _power(evaluation, q, hops, power_steps)
    tables["coupling"] = _coupling(evaluation)
    if restarts > 0 and constrained:
        tables["ascent"] = _constrained(model, policy.scopes, constraints, utilities, task_weight, logit_bound, restarts, seed)
    elif restarts > 0:
        ascent = exact_ascent(model, policy.scopes, utilities, task_weight, bound=logit_bound, restarts=restarts, seed=seed)
        rows = tuple((number, value) for number, value in enumerate(ascent.values))
        tables["ascent"] = ExactTable(
            "F reached by exact projected gradient ascent, per restart; the best is the best known value", ("restart", "objective"), rows
        )
    return ExactTables(tables)


def _model(evaluation: ExactValues, utilities: Utilities, task_weight: float) -> ExactTable:
    model = evaluation.model
    gradient = exact_gradient(evaluation, utilities, task_weight)
    rows: tuple[Row, ...] = (
        ("agents", model.n),
        ("joint states", model.S),
        ("joint actions", model.A),
        ("bytes of joint tables", required_bytes(model.kernel)),
        ("discount", model.discount),
        ("objective", objective(evaluation, utilities, task_weight)),
        ("squared gradient norm", float(sum((table**2).sum() for table in gradient))),
    )
    return ExactTable("the model and the objective of the policy", ("quantity", "value"), rows)


def _values(evaluation: ExactValues, utilities: Utilities) -> ExactTable:
    model = evaluation.model
    tasks = evaluation.values(model.rewards) @ model.initial
    occupancies = evaluation.local_occupancies()
    rows = []
    for i in range(model.n):
        value, shadow = 0.0, 0.0
        if utilities is not None:
            value = utilities[i].value(occupancies[i])
            shadow = float(np.abs(utilities[i].gradient(occupancies[i])).max())
        rows.append((i, float(tasks[i]), value, shadow))
    return ExactTable(
        "per agent: discounted task value, utility, largest shadow reward", ("agent", "task", "utility", "shadow_max"), tuple(rows)
    )


def _constraints(evaluation: ExactValues, constraints: Constraints) -> ExactTable:
    rows = tuple((each.agent, each.number, each.value, each.threshold, each.violation) for each in violations(evaluation, constraints))
    return ExactTable(
        "constraints at the policy's occupancy, the worst first: violated by threshold - value where that is positive",
        ("agent", "constraint", "value", "threshold", "violation"),
        rows,
    )


def _constrained(
    model: JointModel,
    scopes: Scopes,
    constraints: Constraints,
    utilities: Utilities,
    task_weight: float,
    bound: float,
    restarts: int,
    seed: int,
) -> ExactTable:
    ascent = constrained_ascent(model, scopes, constraints, utilities, task_weight, bound=bound, restarts=restarts, seed=seed)
    rows = tuple(
        (number, attempt.value if attempt.feasible else math.nan, attempt.violation) for number, attempt in enumerate(ascent.attempts)
    )
    best = "none was found" if ascent.best is None else f"the best is {ascent.best.value:.6g}"
    return ExactTable(
        f"F reached among policies that meet every constraint (to {FEASIBLE:g}), per restart: {best}; NaN where a restart met not all",
        ("restart", "objective", "violation"),
        rows,
    )


def _radii(
    evaluation: ExactValues,
    q: NDArray[np.float64],
    hops: NDArray[np.float64],
    kappas: list[int],
    utilities: Utilities,
    task_weight: float,
    horizon: int | None,
) -> dict[str, ExactTable]:
    model = evaluation.model
    signals = learning_signals(evaluation, utilities, task_weight)
    plain = utilities is None and task_weight == 1.0
    comparison = compare_radii(evaluation, q, signals, q if plain else evaluation.action_values(signals), hops, kappas, horizon)
    coupled = coupling(model.kernel, evaluation.policy)
    truncation: list[Row] = []
    for radius in comparison:
        bounds = [
            float(bound(coupled, model.discount, coupled.rewards, radius.windows).max()) for bound in (certificates, refined_certificates)
        ]
        errors = (max(radius.supremum), max(radius.placeholder), max(radius.conditional_mean), max(radius.fixed_point))
        truncation.append((radius.kappa, radius.entries, *errors, *bounds))
    columns = ("kappa", "entries", "supremum", "placeholder", "conditional_mean", "fixed_point", "certificate", "refined_certificate")
    table = ExactTable(
        "largest error of the truncated task Q over agents, states and actions, and what bounds it", columns, tuple(truncation)
    )
    rates = tuple((name, decay_rate(kappas, [float(cell) for cell in table.column(name)])) for name in columns[2:])
    gradients = tuple((radius.kappa, g.credit, g.reading, g.relative_error, g.cosine) for radius in comparison for g in radius.gradients)
    readings = tuple((p.kappa, p.distance, p.pairs, p.exact, p.bias, p.error) for radius in comparison for p in radius.power)
    return {
        "truncation": table,
        "decay": ExactTable(
            "factor per hop fitted to each error; 1 means no decay", ("quantity", "rate"), (*rates, ("discount", model.discount))
        ),
        "gradient": ExactTable(
            "truncated against exact gradient, kappa_critic = kappa_gradient = kappa, the policy's own radius fixed",
            ("kappa", "credit", "reading", "relative_error", "cosine"),
            gradients,
        ),
        "power_reading": ExactTable(
            "realized power read from conditional-mean critics, relative to exact power, by distance",
            ("kappa", "distance", "pairs", "exact", "bias", "error"),
            readings,
        ),
    }


def _power(evaluation: ExactValues, q: NDArray[np.float64], hops: NDArray[np.float64], steps: int) -> ExactTable:
    n = evaluation.model.n
    matrices = power_matrices(evaluation, q)
    states = evaluation.state_occupancy()
    longer = k_step_power(evaluation, steps) @ (states / states.sum())
    rows = []
    for j in range(n):
        for i in range(n):
            if i != j:
                distance = int(hops[j, i]) if hops[j, i] < n else -1
                rows.append((j, i, distance, *(float(m[j, i]) for m in (matrices.ex_ante, matrices.realized, matrices.spread, longer))))
    columns = ("holder", "over", "distance", "ex_ante", "realized", "spread", f"{steps}_step")
    return ExactTable(
        "mean power under the discounted occupancy, in units of the second agent's task reward (distance -1: no path)", columns, tuple(rows)
    )


def _coupling(evaluation: ExactValues) -> ExactTable:
    coupled = coupling(evaluation.model.kernel, evaluation.policy)
    n = evaluation.model.n
    rows = tuple((i, *(float(x) for x in coupled.combined[i]), float(coupled.combined[i].sum()), coupled.spectral_radius) for i in range(n))
    columns = ("agent", *(f"from_{j}" for j in range(n)), "row_sum", "spectral_radius")
    return ExactTable("coupling matrix C: how far each agent's state and action can move the next ones of this agent", columns, rows)


def _plain(cell: Cell) -> Cell | None:
    if isinstance(cell, float) and not math.isfinite(cell):
        return None if math.isnan(cell) else "inf"
    return cell
