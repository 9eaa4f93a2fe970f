"""Runs side by side: those that differ only by their seed are one group, with an interval over its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError, UsageError
from netagents.intervals import Interval, leader_sentence, run_interval, run_intervals, significant, standard_half_width
from netagents.records import Run
from netagents.reports.final_power import DEFAULT_LAST
from netagents.reports.power_picture import percent
from netagents.reports.settings_table import differing
from netagents.reports.summary import byte_size

FloatArray = NDArray[np.float64]

NOT_LEARNED = ("seed", "name", "runtime", "timeouts", "topology.source")
"""Settings that two runs of one group may differ by."""


@dataclass(frozen=True)
class Group:
    """Runs of one experiment.

    Attributes:
        label: what tells it from the other groups.
        runs: its runs, at least one.
        iterations: (K,) iterations that all of them have.
        middle, low, high: (K,) return per agent with its 95 % interval: the interquartile mean over the runs where there are several,
            else the mean over the copies of the one run.
        final: over the runs, of each one's mean over the last tenth of the iterations.
        area: over the runs, of each one's mean over all iterations that every compared run has: the area under the curve per iteration.
        top_share: of all power, by who holds most, over the runs in which it is known.
        bytes_per_iteration, messages_per_iteration, seconds: means over the runs.
    """

    label: str
    runs: tuple[Run, ...]
    iterations: NDArray[np.int64]
    middle: FloatArray
    low: FloatArray
    high: FloatArray
    final: Interval
    area: Interval
    top_share: Interval
    bytes_per_iteration: float
    messages_per_iteration: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """Groups, and the settings in which they differ: key and one value per group."""

    groups: tuple[Group, ...]
    differences: tuple[tuple[str, list[str]], ...]


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Put runs side by side.

    Raises:
        UsageError: fewer than two runs, or one run twice.
        RunDirectoryError: a run has not recorded an iteration yet.
    """
    if len(runs) < 2:
        raise UsageError("a comparison needs at least two runs", fix="netagents compare RUN RUN ...")
    runs = [run.as_of_now() for run in runs]
    paths: set[str] = set()
    for run in runs:
        if str(run.manifest["run"]) in paths:
            raise UsageError("the same run twice", where=str(run.path), fix="name each run once")
        paths.add(str(run.manifest["run"]))
        if len(run.iterations) == 0:
            raise RunDirectoryError("no iteration is recorded yet", where=str(run.path), fix=f"the run is {run.state}; leave it out")
    members = _grouped(runs)
    firsts = [group[0].experiment for group in members]
    differences = differing(firsts, NOT_LEARNED) if len(members) > 1 else []
    common = min(len(run.iterations) for run in runs)
    groups = [_group(_label(at, members, differences), group, common) for at, group in enumerate(members)]
    return Comparison(tuple(groups), tuple(differences))


HEADS = ("group", "runs", "final return", "mean return", "top power", "bytes/iteration", "time")


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The table, one row per group, in the order of :data:`HEADS`."""
    return [
        (
            group.label,
            str(len(group.runs)),
            group.final.text(number=significant, count=False),
            group.area.text(number=significant, count=False),
            group.top_share.text(number=percent) if group.top_share.n else "not known",
            byte_size(round(group.bytes_per_iteration)),
            f"{group.seconds:.1f} s",
        )
        for group in comparison.groups
    ]


def verdict(comparison: Comparison) -> str:
    """Which group ends highest, with n and intervals, or why these runs do not say."""
    return leader_sentence([group.label for group in comparison.groups], [group.final for group in comparison.groups], "final return")


def notes(comparison: Comparison) -> list[str]:
    """What must be known to read the table."""
    lines = ["final return: mean of the last tenth of the iterations; mean return: area under the curve, per iteration"]
    if any(len(group.runs) > 1 for group in comparison.groups):
        lines.append("groups: interquartile means over their runs with 95 % intervals; n is the number of runs")
    lengths = {len(run.iterations) for group in comparison.groups for run in group.runs}
    if len(lengths) > 1:
        lines.append(f"the runs are of different length; areas are taken over the first {min(lengths)} iterations")
    for group in comparison.groups:
        lines.extend(f"{run.path.name} is {run.state}" for run in group.runs if run.state != "finished")
    graphs = {str(run.manifest["graph_digest"]) for group in comparison.groups for run in group.runs}
    if len(graphs) > 1:
        lines.append("the runs have different graphs")
    return lines


def _grouped(runs: Sequence[Run]) -> list[list[Run]]:
    groups: list[list[Run]] = []
    for run in runs:
        for group in groups:
            same_graph = group[0].manifest["graph_digest"] == run.manifest["graph_digest"]
            if same_graph and not differing([group[0].experiment, run.experiment], NOT_LEARNED):
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def _label(at: int, members: list[list[Run]], differences: Sequence[tuple[str, list[str]]]) -> str:
    name = str(members[at][0].manifest["name"])
    # Up to two settings tell groups apart at a glance; beyond that their names do.
    if 1 <= len(differences) <= 2:
        return ", ".join(f"{key.rpartition('.')[2] if key.count('.') else key} {values[at]}" for key, values in differences)
    names = [str(group[0].manifest["name"]) for group in members]
    return name if names.count(name) == 1 else members[at][0].path.name


def _group(label: str, runs: list[Run], common: int) -> Group:
    length = min(len(run.iterations) for run in runs)
    returns = np.stack([run.returns[:length] for run in runs])
    if len(runs) > 1:
        middle, low, high = run_intervals(returns)
    else:
        half = standard_half_width(runs[0].returns_sd[:length], runs[0].experiment.learning.batch)
        middle, low, high = returns[0], returns[0] - half, returns[0] + half
    averaged = max(1, length // 10)
    shares = np.array([run.concentration(last=min(DEFAULT_LAST, len(run.iterations))).top_share for run in runs])
    totals = [(run.ledger.total, len(run.iterations)) for run in runs]
    return Group(
        label=label,
        runs=tuple(runs),
        iterations=runs[0].iterations[:length],
        middle=middle,
        low=low,
        high=high,
        final=run_interval(returns[:, -averaged:].mean(axis=1)),
        area=run_interval(returns[:, :common].mean(axis=1)),
        top_share=run_interval(shares),
        bytes_per_iteration=float(np.mean([total.bytes / count for total, count in totals])),
        messages_per_iteration=float(np.mean([total.messages / count for total, count in totals])),
        seconds=float(np.mean([float(run.seconds[-1]) for run in runs])),
    )
