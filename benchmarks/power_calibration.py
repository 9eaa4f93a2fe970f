"""What agents measure of power against the truth: ``python -m benchmarks.power_calibration`` runs, prints and writes ``docs/power/``.

Agents train for some iterations, then their policies stand still while power is measured on.  The truth is exact where the model is small
enough (:mod:`netagents.exact`), else by branching (:mod:`benchmarks.branching`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ROOT = Path(__file__).parent.parent
DATA = ROOT / "docs" / "power" / "calibration.csv"
LAST = 10
"""Iterations whose readings are averaged, as reports do."""


class Task(NamedTuple):
    """One experiment to measure power in.

    Attributes:
        name: in tables.
        settings: of the experiment; the step size falls to nothing over the first ``trained`` iterations.
        trained, measured: iterations.
        exact: whether the truth is by linear algebra.
        holders: the agents whose power is branched; empty for all.
    """

    name: str
    settings: dict[str, Any]
    trained: int
    measured: int
    exact: bool
    holders: tuple[int, ...] = ()


class Pair(NamedTuple):
    """Power of j over i: the truth with its standard error, and what i measured."""

    task: str
    seed: int
    j: int
    i: int
    distance: int
    truth: float
    truth_error: float
    power: float
    error: float
    known: float
    visits: float
    near: bool
    impossible: bool
    reliable: bool


def table_task(name: str, environment: dict[str, Any], topology: dict[str, Any], batch: int, step: float, exact: bool, **more: Any) -> Task:
    """A task of agents with tables."""
    trained, measured = more.pop("trained", 10), more.pop("measured", 30)
    holders, learning = more.pop("holders", ()), more.pop("learning", {})
    settings = {
        "environment": environment,
        "topology": topology,
        "kappa": 2,
        "kappa_policy": 1,
        **more,
        "learning": {"batch": batch, "step_size": step, **learning},
    }
    return Task(name, settings, trained, measured, exact, holders)


def neural_task(name: str, environment: dict[str, Any], topology: dict[str, Any], batch: int, exact: bool, **more: Any) -> Task:
    """A task of agents with networks."""
    trained, measured = more.pop("trained", 5), more.pop("measured", 25)
    holders = more.pop("holders", ())
    algorithm = {"kind": "ppo", "policy_rate": 0.003, "critic": {"hidden": [16], "steps": 1, "minibatch": 64}}
    settings = {
        "environment": environment,
        "topology": topology,
        "policy": {"kind": "mlp", "hidden": [16]},
        **more,
        "learning": {"batch": batch, "algorithm": algorithm},
    }
    return Task(name, settings, trained, measured, exact, holders)


SPDAC, QU_LIN = {"kind": "wireless_spdac"}, {"kind": "wireless_qu_lin", "deadline": 2, "arrival": 0.5}
LINE_WIRELESS = {"kind": "import:benchmarks.wireless_line:WirelessLine"}
QUICK = (
    table_task("line_msg, 5 in a row", {"kind": "line_msg"}, {"kind": "line", "n": 5}, 256, 5.0, True, trained=8, measured=16),
    table_task("wireless_spdac 2 x 2", SPDAC, {"kind": "access_grid", "rows": 2, "columns": 2}, 2000, 1e-9, True, kappa=1, kappa_policy=0,
               trained=1, measured=14),
    table_task("sis, ring of 5", {"kind": "sis"}, {"kind": "ring", "n": 5}, 1500, 5.0, True, trained=4, measured=14),
    table_task("random ring of 6", {"kind": "random_networked"}, {"kind": "ring", "n": 6}, 800, 5.0, True, trained=4, measured=14),
    neural_task("wireless line of 4, networks", LINE_WIRELESS, {"kind": "line", "n": 4}, 512, True, kappa=1, kappa_policy=0,
                trained=1, measured=14),
)  # fmt: skip
"""A quick form of the study, which the tests run."""

FULL = (
    table_task("line_msg, 6 in a row", {"kind": "line_msg"}, {"kind": "line", "n": 6}, 256, 5.0, True),
    table_task("wireless_spdac 2 x 2", SPDAC, {"kind": "access_grid", "rows": 2, "columns": 2}, 2000, 50.0, True, kappa=1, kappa_policy=0),
    table_task("wireless_spdac 5 x 5", SPDAC, {"kind": "access_grid", "rows": 5, "columns": 5}, 1000, 50.0, False, kappa=1, kappa_policy=0,
               holders=(6,), measured=20),
    table_task("wireless_qu_lin 3 x 4 x 2", QU_LIN, {"kind": "access_grid", "rows": 3, "columns": 4, "users": 2}, 1000, 200.0, False,
               kappa=1, kappa_policy=0, holders=(0,), measured=20),
    table_task("sis, ring of 6", {"kind": "sis"}, {"kind": "ring", "n": 6}, 1000, 5.0, True),
    *(table_task(f"random ring of 6, model {seed}", {"kind": "random_networked", "task_seed": seed, "rho": 0.5 + 0.25 * seed},
                 {"kind": "ring", "n": 6}, 1000, 5.0, True) for seed in range(3)),
    neural_task("line_msg, 6 in a row, networks", {"kind": "line_msg"}, {"kind": "line", "n": 6}, 96, True, kappa=2, kappa_policy=0),
    neural_task("wireless line of 5, networks", LINE_WIRELESS, {"kind": "line", "n": 5}, 512, True, kappa=1, kappa_policy=1),
    neural_task("wireless_spdac 4 x 4, networks", SPDAC, {"kind": "access_grid", "rows": 4, "columns": 4}, 600, False, kappa=1,
                holders=(5,), measured=20),
    neural_task("sis, ring of 6, networks", {"kind": "sis"}, {"kind": "ring", "n": 6}, 600, True, kappa=2, kappa_policy=0),
)  # fmt: skip


def measure(task: Task, seed: int) -> list[Pair]:
    """Train, measure and compare: a row for every pair that was measured and whose truth is known."""
    from netagents.experiment import load_experiment
    from netagents.launchers.in_process_network import InProcessNetwork
    from netagents.learning.power_facts import power_facts
    from netagents.learning.prepared_experiment import prepare
    from netagents.records.power_readings import mean_reading

    learning = {
        **task.settings["learning"],
        "iterations": task.trained + task.measured,
        "schedule": {"kind": "linear", "over": task.trained, "final": 0.0},
    }
    prepared = prepare(load_experiment({**task.settings, "seed": seed, "learning": learning}).experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    records = list(network.run(0, task.trained + task.measured))
    n, facts = prepared.setup.n, power_facts(prepared.setup)
    readings = [
        np.concatenate([np.column_stack([rows[:, 0], np.full(len(rows), agent), rows[:, 1:]]) for agent, rows in enumerate(record.power)])
        for record in records[-LAST:]
    ]
    mean = mean_reading(readings, n)
    matrix = facts.matrix([mean[mean[:, 1] == agent][:, [0, 2, 3, 4, 5, 6]] for agent in range(n)])
    truth, truth_error = _truth(task, seed, prepared, network)
    rows = []
    for j, i in ((int(j), int(i)) for j, i in mean[:, :2] if np.isfinite(truth[int(j), int(i)])):
        power, error, known, visits = (float(each[j, i]) for each in (matrix.values, matrix.error, matrix.known, matrix.visits))
        near, impossible, reliable = (bool(each[j, i]) for each in (matrix.near, matrix.impossible, matrix.reliable))
        true = int(facts.distances[j, i]), float(truth[j, i]), float(truth_error[j, i])
        rows.append(Pair(task.name, seed, j, i, *true, power, error, known, visits, near, impossible, reliable))
    return rows


def _truth(task: Task, seed: int, prepared: Any, network: Any) -> tuple[FloatArray, FloatArray]:
    """(n, n) power of the policies as they stand now, NaN where it was not looked for, and its standard error."""
    setup, environment, n = prepared.setup, prepared.environment, prepared.setup.n
    policies = [agent.policy for agent in network.agents]
    if not task.exact:
        from benchmarks.branching import Brancher

        truth, error = np.full((n, n), np.nan), np.full((n, n), np.nan)
        brancher = Brancher(environment, policies, setup.horizon, setup.discount, 1000 + seed)
        for holder in task.holders or range(n):
            branched = brancher.power_of(holder)
            truth[holder], error[holder] = branched.middle, np.hypot(branched.error, 0.5 * (branched.high - branched.low))
        return truth, error
    from netagents.exact import ExactValues, JointModel
    from netagents.exact.exact_power import power_matrices
    from netagents.exact.joint_policy import JointPolicy

    kernel = environment.kernel()
    tables = []
    for policy in policies:
        states = np.indices([kernel.state_sizes[j] for j in policy.window]).reshape(len(policy.window), -1)
        context = policy.context(list(states))
        tables.append(policy.probabilities[context] if hasattr(policy, "probabilities") else policy.probabilities_at(context))
    model = JointModel(kernel, setup.discount)
    evaluation = ExactValues(model, JointPolicy(tuple(policy.window for policy in policies), tuple(tables)))
    power = power_matrices(evaluation, evaluation.action_values(model.rewards), evaluation.visits(setup.horizon)).realized
    return power, np.zeros((n, n))


def summary(pairs: Sequence[Pair]) -> str:
    """One line per task and distance, as a table for the documentation."""
    lines = [
        "| task | distance | pairs | true | its error | measured | its error | within it | reliable | off by at most |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for task, distance in dict.fromkeys((pair.task, pair.distance) for pair in sorted(pairs, key=lambda pair: pair.distance)):
        here = [pair for pair in pairs if (pair.task, pair.distance) == (task, distance) and not pair.impossible]
        measured = [pair for pair in here if np.isfinite(pair.power)]
        if not measured:
            continue
        within = np.mean([abs(pair.power - pair.truth) <= pair.error + 2 * pair.truth_error for pair in measured])
        reliable = [abs(pair.power - pair.truth) / pair.truth for pair in measured if pair.reliable]
        far = "" if here[0].near else " (too far)"
        true, uncertain = np.mean([pair.truth for pair in measured]), np.mean([pair.truth_error for pair in measured])
        most = f"{max(reliable):.0%}" if reliable else "-"
        lines.append(
            f"| {task} | {distance}{far} | {len(here)} | {true:.4f} | {uncertain:.4f} | "
            f"{np.mean([pair.power for pair in measured]):.4f} | {np.mean([pair.error for pair in measured]):.4f} | "
            f"{within:.0%} | {len(reliable)} | {most} |"
        )
    lines[2:] = sorted(lines[2:], key=lambda line: [task.name for task in FULL + QUICK].index(line.split(" | ")[0][2:]))
    return "\n".join(lines)


def main(words: Sequence[str]) -> None:
    """Measure all tasks (``--quick``: those of the tests), print the table and write every pair."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    quick = "--quick" in words
    pairs: list[Pair] = []
    for task in QUICK if quick else FULL:
        start = perf_counter()
        pairs += measure(task, 0)
        print(f"{task.name}: {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print(summary(pairs))
    if not quick:
        DATA.parent.mkdir(exist_ok=True)
        rows = (",".join(f"{value:.6g}" if isinstance(value, float) else str(value).replace(",", "") for value in pair) for pair in pairs)
        DATA.write_text("\n".join([",".join(Pair._fields), *rows]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
