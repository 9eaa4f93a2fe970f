"""Calibration of radii in a process of its own: a short training with the largest radius, a measurement, and the choice.

Started as ``python -m netagents.launchers.radius_worker``; see :mod:`netagents.launchers.worker_process`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Discrete
from netagents.errors import NetagentsError
from netagents.experiment import Experiment, load_experiment, resolved
from netagents.foreign.part_values import is_foreign
from netagents.launchers.worker_process import run_job
from netagents.learning import Setup
from netagents.measures.influence.radius_choice import FREE, IntArray, choose_radii, make_rings, uniform_radii
from netagents.messages import Kind, RadiusKind, radius_of
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream
from netagents.records.ledger_view import HOP, KIND, RECEIVER
from netagents.records.radii_models import RADII, RadiiFacts
from netagents.records.run_reader import Run

FloatArray = NDArray[np.float64]

RADIUS_KINDS = (RadiusKind.POLICY, RadiusKind.CRITIC, RadiusKind.GRADIENT)
"""In the order of :data:`netagents.measures.influence.radius_choice.POLICY` and the following."""

_REPETITIONS, _REPETITIONS_OF_PROCESSES = 256, 16

_POWER_ITERATIONS = 10
"""Newest iterations whose power is averaged."""


def main() -> int:
    """Carry out the job on standard input."""
    return run_job(work)


def work(job: dict[str, Any]) -> None:
    """Calibrate, and write ``radii.json`` into the job's folder; where that is impossible, why: kind and line of the error.

    Args:
        job: ``experiment`` (resolved), ``base`` (folder of its file), ``n`` (agents), ``largest`` (radius), ``folder`` (for all that is
            written), ``failure`` (name of the file that says why).

    Raises:
        NetagentsError: the calibration failed.
    """
    folder = Path(job["folder"])
    try:
        facts = calibrate(load_experiment(job["experiment"]).experiment, Path(job["base"]), int(job["n"]), int(job["largest"]), folder)
    except NetagentsError as error:
        parts = {"error": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
        (folder / job["failure"]).write_text(json.dumps(parts), encoding="utf-8")
        raise
    (folder / RADII).write_text(facts.model_dump_json(), encoding="utf-8")


def calibrate(experiment: Experiment, base: Path, n: int, largest: int, folder: Path) -> RadiiFacts:
    """Train for a while with the largest radius, measure who matters to whom, and choose.

    Args:
        experiment: with ``kappa: auto``.
        base: folder that relative paths in it start from.
        n: number of agents.
        largest: radius of the calibration, and the largest that may be chosen.
        folder: for the run of the calibration, its bank and its returns.

    Raises:
        NetagentsError: whatever goes wrong, in one line.
    """
    from netagents.launchers.launch import launch

    settings = experiment.calibration
    loaded = load_experiment(calibration_settings(experiment, n, largest))
    run = launch(replace(loaded, base=base), path=folder / "run")
    pairs, members, significant = _pairs(run, experiment, folder)
    rings = make_rings(pairs, bytes_between(run), np.array(run.topology.hops.matrix()), largest)
    fixed = _fixed(experiment, run.setup)
    everything = rings.total(np.where(fixed == FREE, largest, fixed))[1]
    budget = settings.byte_budget * everything
    choose = uniform_radii if settings.by == "uniform" else choose_radii
    radii = choose(rings, budget, fixed=fixed, gradient_within_critic=experiment.learning.credit == "shared_reward")
    return RadiiFacts(
        by=settings.by,
        byte_budget=settings.byte_budget,
        largest=largest,
        iterations=settings.training,
        repetitions=_repetitions(run, experiment)[0],
        members=members,
        pairs=[] if settings.by == "uniform" else pairs.tolist(),
        significant=significant,
        bytes_largest=everything,
        bytes_chosen=rings.total(radii)[1],
        policy=radii[0].tolist(),
        critic=radii[1].tolist(),
        gradient=radii[2].tolist(),
    )


def calibration_settings(experiment: Experiment, n: int, largest: int) -> dict[str, Any]:
    """The settings of the calibration: those of the experiment but for radius, length, and what says how it is carried out.

    Args:
        experiment: with ``kappa: auto``.
        n: number of agents.
        largest: radius.
    """
    values = resolved(experiment)
    if experiment.learning.credit == "shared_reward" and experiment.kappa_gradient is None:
        critics = experiment.model_copy(update={"kappa": largest})
        values["kappa_gradient"] = [min(largest, critics.radius_of(agent, "critic")) for agent in range(n)]
    iterations = experiment.calibration.training
    values["learning"]["iterations"] = iterations
    return values | {
        "kappa": largest,
        "checkpoints": {"every": -(-iterations // 2), "keep": 2},
        "runtime": {"launcher": "in_process", "monitor": False},
        "clock": {"kind": "lockstep"},
        "failures": {},
        "faults": [],
    }


def _pairs(run: Run, experiment: Experiment, folder: Path) -> tuple[FloatArray, list[str], int]:
    """(n, n) how much j (row) matters to i (column), the policies that were varied over, and the number of pairs that count."""
    rule, n = experiment.calibration.by, run.n
    if rule == "influence":
        return _influence(run, experiment, folder)
    if rule == "power":
        power = np.nan_to_num(run.power_matrix(last=min(_POWER_ITERATIONS, len(run.returns))).values, nan=0.0)
        pairs: FloatArray = np.maximum(power, 0.0)
        return pairs, [], int((pairs > 0.0).sum())
    pairs = stream(experiment.seed, ENVIRONMENT_OWNER, Purpose.STATISTICS, 0).random((n, n))
    np.fill_diagonal(pairs, 0.0)
    return pairs, [], n * (n - 1)


def _influence(run: Run, experiment: Experiment, folder: Path) -> tuple[FloatArray, list[str], int]:
    from netagents.launchers.influence_jobs import play_missing, source_sets
    from netagents.launchers.influence_rollouts import make_plan
    from netagents.measures.influence import VarianceInformation, influence_matrix
    from netagents.records.bank_creation import make_bank
    from netagents.records.influence_returns import InfluenceReturns

    settings, seed = experiment.calibration, experiment.seed
    bank = make_bank(folder / "bank", [run.directory], "all", untrained=True, faulty=_constant_actions(run))
    sources = source_sets(range(run.n), [], run.n)
    repetitions, copies = _repetitions(run, experiment)
    parts = []
    for part in range(-(-repetitions // copies)):
        plan = make_plan(run, bank, repetitions=min(copies, repetitions - part * copies), seed=part, windows=1)
        stored_returns = InfluenceReturns.of(run.path, plan, run.n)
        play_missing(run, bank, stored_returns, sources)
        played = [stored_returns.read(source) for source in sources]
        parts.append(np.stack([each[..., 0] for each in played if each is not None]))
    returns = np.concatenate(parts, axis=2)
    matrix = influence_matrix(returns, VarianceInformation(), seed=seed, rate=settings.rate, resamples=2)
    counts = matrix.significant & (matrix.values > 0.0)
    pairs = value_of_pairs(matrix.values, counts, np.array(run.topology.hops.matrix()))
    return pairs, list(bank.names), int(counts.sum())


def _repetitions(run: Run, experiment: Experiment) -> tuple[int, int]:
    """M, and how many of the episodes are played side by side; where copies are processes, as many as in training."""
    vectorized = run.setup.spec.capabilities.vectorized
    repetitions = experiment.calibration.repetitions or (_REPETITIONS if vectorized else _REPETITIONS_OF_PROCESSES)
    return repetitions, repetitions if vectorized else min(repetitions, run.setup.batch)


def value_of_pairs(values: FloatArray, significant: NDArray[np.bool_], hops: NDArray[np.int64]) -> FloatArray:
    """(n, n) what each pair counts: its influence where that is significant, else the mean over such pairs as far apart, at least 0.

    Estimates scatter around the truth on both sides of 0, so the mean of many that are not significant is still a measurement.

    Args:
        values: (n, n) estimates. significant: (n, n). hops: (n, n) distances.
    """
    pairs = np.where(significant, values, 0.0)
    for hop in np.unique(hops[hops > 0]):
        ring = (hops == hop) & ~significant & np.isfinite(values)
        if ring.any():
            pairs[ring] = max(0.0, float(values[ring].mean()))
    np.fill_diagonal(pairs, 0.0)
    return pairs


def _constant_actions(run: Run) -> list[int]:
    """The first and the last action that all agents have, for policies that always play them; none where actions or policies are of other
    kinds."""
    spaces = run.setup.spec.action_spaces
    if not all(isinstance(space, Discrete) for space in spaces) or any(is_foreign(run.setup.policy(agent)) for agent in range(run.n)):
        return []
    return [0, min(space.size for space in spaces if isinstance(space, Discrete)) - 1]


def bytes_between(run: Run) -> FloatArray:
    """(3, n, n) payload per iteration that j (row) sends i (column) because i's radius of each kind reaches j."""
    links = run.ledger.links
    sent = np.zeros((len(RADIUS_KINDS), run.n, run.n))
    for number, radius in enumerate(RADIUS_KINDS):
        kinds = [int(kind) for kind in Kind if radius_of(kind) is radius]
        rows = links[np.isin(links[:, KIND - 1], kinds) & (links[:, HOP - 1] > 0)]
        np.add.at(sent[number], (rows[:, 0], rows[:, RECEIVER - 1]), rows[:, 5])
    return sent / max(run.ledger.iterations, 1)


def _fixed(experiment: Experiment, setup: Setup) -> IntArray:
    """(3, n) the radii that the experiment sets, FREE where the calibration chooses."""
    fixed = np.full((len(RADIUS_KINDS), setup.n), FREE, dtype=np.int64)
    for number, radius in enumerate(RADIUS_KINDS):
        for agent in range(setup.n):
            group = next((group for group in experiment.agents if agent in group.agents), None)
            own = None if group is None else group.radius(radius.value)
            if own is not None or getattr(experiment, f"kappa_{radius.value}") is not None:
                fixed[number, agent] = setup.reach[radius].radii[agent]
    return fixed


if __name__ == "__main__":
    sys.exit(main())
