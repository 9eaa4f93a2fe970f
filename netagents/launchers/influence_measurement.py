"""The measurement of influence: matrix, decay with distance and with time, groups and warnings, from returns that have been played."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError
from netagents.launchers.influence_jobs import Sources
from netagents.launchers.influence_rollouts import InfluenceRollouts
from netagents.measures.influence import (
    Estimator,
    GroupInfluence,
    HopDecay,
    InfluenceMatrix,
    bank_warning,
    check_sizes,
    group_influence,
    hop_decay,
    influence_matrix,
    matrix_warnings,
    policy_distances,
    seed_warning,
)
from netagents.records.influence_returns import InfluenceReturns
from netagents.records.policy_bank import Bank
from netagents.records.record_models import InfluencePlan
from netagents.records.run_reader import Run

FloatArray = NDArray[np.float64]

WINDOW_PERMUTATIONS = 199
"""Behind the nulls of parts of an episode, which are shown as means over many pairs."""

_WHERE = "influence"


@dataclass(frozen=True)
class TimeDecay:
    """Influence on the rewards of parts of an episode, at each hop distance.

    Attributes:
        ends: (W,) the step with which each part ends.
        hops: (D,) distances.
        mean: (D, W) mean estimate over pairs at that distance; NaN where no reward varies.
        null: (D, W) mean of the nulls.
    """

    ends: NDArray[np.int64]
    hops: NDArray[np.int64]
    mean: FloatArray
    null: FloatArray


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Attributes:
        plan: the rollouts. path: of the folder where their returns are kept.
        sources: agents whose policies varied.
        matrix: influence of j on i.
        decay: with hop distance. by_time: with time.
        groups: sets of sources and their joint influence.
        distances: (n,) mean distance between an agent's policies in the bank; NaN for continuous actions.
        warnings: lines.
    """

    plan: InfluencePlan
    path: Path
    sources: Sources
    matrix: InfluenceMatrix
    decay: HopDecay
    by_time: TimeDecay
    groups: tuple[tuple[Sources, GroupInfluence], ...]
    distances: FloatArray
    warnings: tuple[str, ...]


def measure(
    run: Run,
    bank: Bank,
    stored_returns: InfluenceReturns,
    sources: Sequence[int],
    groups: Sequence[Sources],
    estimator: Estimator,
    rollouts: InfluenceRollouts,
    *,
    rate: float = 0.05,
) -> Measurement:
    """The matrix and all that goes with it, from returns that have been played.

    Args:
        run: whose policies are the reference. bank: of policies.
        stored_returns: where returns are kept.
        sources: agents whose policies varied. groups: sets of sources.
        estimator: of influence.
        rollouts: for the policies of the bank, which are compared.
        rate: false-discovery rate over the matrix.

    Raises:
        ExperimentError: K or M is too small, or no return ever varies.
        RunDirectoryError: returns are missing or damaged.
    """
    plan = stored_returns.plan
    check_sizes(len(plan.members), plan.repetitions, estimator)
    played = np.stack([_read(stored_returns, (agent,)) for agent in sources])
    whole = played.sum(axis=-1)
    seed = plan.seed
    matrix = influence_matrix(whole, estimator, sources=sources, seed=seed, rate=rate)
    hops = np.array(run.topology.hops.matrix())
    decay = hop_decay(matrix, hops, seed=seed)
    joint = tuple(
        (group, group_influence(_read(stored_returns, group).sum(axis=-1), estimator, seed=seed, common_random_numbers=True))
        for group in groups
    )
    tables = rollouts.probabilities()
    distances = [None if table is None else policy_distances(table) for table in tables]
    warnings = list(matrix_warnings(matrix))
    warnings += _bank_lines(distances, plan.members, sources)
    by_seed = _by_seed(whole, bank, estimator, sources)
    unstable = None if by_seed is None else seed_warning(by_seed)
    if unstable:
        warnings.append(unstable)
    return Measurement(
        plan,
        stored_returns.path,
        tuple(sources),
        matrix,
        decay,
        _by_time(played, estimator, sources, hops, decay, plan),
        joint,
        np.array([np.nan if each is None else each[np.triu_indices(len(each), 1)].mean() for each in distances]),
        tuple(warnings),
    )


def _read(stored_returns: InfluenceReturns, sources: Sources) -> FloatArray:
    returns = stored_returns.read(sources)
    if returns is None:
        raise ExperimentError(f"source {','.join(map(str, sources))} has not been played", where=_WHERE, fix="play it first")
    return returns


def _by_time(
    played: FloatArray, estimator: Estimator, sources: Sequence[int], hops: NDArray[Any], decay: HopDecay, plan: InfluencePlan
) -> TimeDecay:
    mean, null = np.full((len(decay.hops), plan.windows), np.nan), np.full((len(decay.hops), plan.windows), np.nan)
    for window in range(plan.windows):
        rewards = played[..., window]
        if np.ptp(rewards) == 0.0:
            continue
        part = influence_matrix(rewards, estimator, sources=sources, seed=plan.seed, permutations=WINDOW_PERMUTATIONS, resamples=2)
        for row, distance in enumerate(decay.hops):
            pairs = (hops == distance) & np.isfinite(part.values)
            mean[row, window], null[row, window] = part.values[pairs].mean(), part.null_mean[pairs].mean()
    ends = -(-(np.arange(plan.windows) + 1) * plan.horizon // plan.windows)
    return TimeDecay(ends.astype(np.int64), decay.hops, mean, null)


def _bank_lines(distances: Sequence[FloatArray | None], names: Sequence[str], sources: Sequence[int]) -> list[str]:
    """One line for each kind of thing that is wrong with the policies of the bank, with the first agent it is wrong with."""
    lines = [(agent, line) for agent in sources if (each := distances[agent]) is not None and (line := bank_warning(each, names))]
    if not lines:
        return []
    agent, line = lines[0]
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return [f"agent {agent}{more}: {line}"]


def _by_seed(whole: FloatArray, bank: Bank, estimator: Estimator, sources: Sequence[int]) -> FloatArray | None:
    """``(S, sources, n)`` the estimates from the policies of each seed alone, where at least two seeds have two policies."""
    seeds: dict[int, list[int]] = {}
    for k, member in enumerate(bank.members):
        if member.kind == "trained" and member.seed is not None:
            seeds.setdefault(member.seed, []).append(k)
    groups = [members for members in seeds.values() if len(members) >= 2]
    if len(groups) < 2:
        return None
    least = min(map(len, groups))
    values = np.stack([estimator.value(np.moveaxis(whole[:, members[-least:]], -1, 1)) for members in groups])
    for row, agent in enumerate(sources):
        values[:, row, agent] = np.nan
    return values


def allocation_rows(measured: Measurement, hops: NDArray[Any], names: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What ``netagents allocate`` reads of a measurement: edges (pairs of neighbours, with intervals), and agents.

    The influence of an agent is the mean of that on all others; estimates below 0, which scatter around no influence, count as they are.

    Args:
        measured: the measurement.
        hops: (n, n) distances.
        names: of the agents.
    """
    matrix = measured.matrix
    known = np.isfinite(matrix.values)
    edges = [
        {
            "scenario": f"{names[j]} on {names[i]}",
            "influence": float(matrix.values[j, i]),
            "low": float(matrix.low[j, i]),
            "high": float(matrix.high[j, i]),
        }
        for j, i in np.argwhere((hops == 1) & known).tolist()
    ]
    agents = [{"scenario": names[j], "influence": float(matrix.values[j, known[j]].mean())} for j in measured.sources if known[j].any()]
    return edges, agents


def measurement_json(measured: Measurement, estimator: str) -> str:
    """The measurement as JSON; what is not a number is null."""

    def plain(array: NDArray[Any]) -> Any:
        if array.dtype.kind in "biu":
            return array.tolist()
        return json.loads(json.dumps(np.where(np.isfinite(array), array, np.nan).tolist()).replace("NaN", "null"))

    matrix, decay, time_decay = measured.matrix, measured.decay, measured.by_time
    facts = {
        "plan": measured.plan.model_dump(),
        "estimator": estimator,
        "K": matrix.policies,
        "M": matrix.repetitions,
        "permutations": matrix.permutations,
        "rate": matrix.rate,
        "sources": measured.sources,
        "matrix": {
            name: plain(getattr(matrix, name))
            for name in ("values", "low", "high", "null_mean", "null_quantile", "p", "adjusted", "significant", "share", "own")
        },
        "decay": {name: plain(np.asarray(value)) for name, value in decay._asdict().items()},
        "by_time": {name: plain(getattr(time_decay, name)) for name in ("ends", "hops", "mean", "null")},
        "groups": [
            {
                "sources": group,
                "joint": {name: plain(value) for name, value in joint.joint._asdict().items()},
                "synergy": {name: plain(value) for name, value in joint.synergy._asdict().items()},
            }
            for group, joint in measured.groups
        ],
        "bank_distances": plain(measured.distances),
        "warnings": measured.warnings,
    }
    return json.dumps(facts, indent=1, allow_nan=False) + "\n"
