"""Whether two runs left the same bits: what proves that no launcher lost, doubled, swapped or delayed a message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.records.audited_rows import first_difference
from netagents.records.ledger_view import kind_name
from netagents.records.run_reader import Run


def same_bits(a: Run, b: Run) -> list[str]:
    """The differences between two runs, one line each; an empty list means the same bits.

    Compared are the graph, returns, every metric of every agent, power readings, audits, the message ledger of every iteration and
    the newest parameters.  Wall time is not.
    """
    differences: list[str] = []
    if a.n != b.n or a.manifest["graph_digest"] != b.manifest["graph_digest"]:
        return [f"graph: {a.n} agents, digest {a.manifest['graph_digest']} against {b.n} agents, {b.manifest['graph_digest']}"]
    if not np.array_equal(a.iterations, b.iterations):
        differences.append(f"iterations: {len(a.iterations)} recorded against {len(b.iterations)}")
    for name, left, right in (
        ("team_return", a.returns, b.returns),
        ("team_return_sd", a.returns_sd, b.returns_sd),
        ("discounted_return", a.discounted_returns, b.discounted_returns),
    ):
        differences.extend(_first_difference(f"returns: {name}", left, right))
    for name in dict.fromkeys((*a.metric_names, *b.metric_names)):
        if (name in a.metric_names) != (name in b.metric_names):
            differences.append(f"metrics: only one of the runs has {name}")
            continue
        differences.extend(_first_difference(f"metrics: {name}", a.agent_metric(name), b.agent_metric(name)))
    differences.extend(_power_differences(a, b))
    differences.extend(first_difference(a.audited_power, b.audited_power))
    differences.extend(_ledger_differences(a, b))
    differences.extend(_parameter_differences(a, b))
    return differences


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """Something to compare bit by bit, in which every NaN is the same."""
    if values.dtype.kind != "f":
        return values
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    calm = np.where(np.isnan(values), np.array(np.nan, dtype=values.dtype), values)
    return np.ascontiguousarray(calm).view(unsigned)


def _first_difference(name: str, left: NDArray[Any], right: NDArray[Any]) -> Iterable[str]:
    """At most one line: where two arrays, iterations first and agents second, begin to differ."""
    common = min(len(left), len(right))
    unequal = _bits(left[:common]) != _bits(right[:common])
    if not unequal.any():
        return
    place = tuple(int(index) for index in np.argwhere(unequal)[0])
    agent = f" at agent {place[1]}" if len(place) > 1 else ""
    yield f"{name} differs first in row {place[0]}{agent}: {left[place]!r} against {right[place]!r} ({int(unequal.sum())} in all)"


def _power_differences(a: Run, b: Run) -> Iterable[str]:
    for row, (left, right) in enumerate(zip(a.power_readings(), b.power_readings(), strict=False)):
        if left.shape != right.shape or (left[:, :2] != right[:, :2]).any():
            yield f"power: the pairs differ first in row {row}"
            return
        unequal = np.argwhere(_bits(left) != _bits(right))
        if len(unequal):
            place, column = (int(index) for index in unequal[0])
            holder, over = (int(agent) for agent in left[place, :2])
            what = ("power", "error", "known share", "visits", "age")[column - 2]
            yield (
                f"power: {what} of agent {holder} over agent {over} differs first in row {row}: "
                f"{left[place, column]!r} against {right[place, column]!r}"
            )
            return


def _ledger_differences(a: Run, b: Run) -> Iterable[str]:
    common = min(a.ledger.iterations, b.ledger.iterations)
    left, right = (run.ledger.changes[run.ledger.changes[:, 0] < common] for run in (a, b))
    if np.array_equal(left, right):
        return
    unlike = sorted(set(map(tuple, left.tolist())) ^ set(map(tuple, right.tolist())))
    iteration, sender, kind, receiver, *_ = unlike[0]
    yield f"ledger: {kind_name(kind)} from {sender} to {receiver} differs first in iteration {iteration}"


def _parameter_differences(a: Run, b: Run) -> Iterable[str]:
    left, right = (max(run.checkpoints, default=None) for run in (a, b))
    if left != right:
        yield f"parameters: the newest checkpoint is of iteration {left} against {right}"
        return
    if left is None:
        return
    for agent in range(a.n):
        first, second = a.parameters(agent), b.parameters(agent)
        if first.keys() != second.keys():
            yield f"parameters: agent {agent} has components {sorted(first)} against {sorted(second)}"
            continue
        for name in sorted(first):
            if first[name].dtype != second[name].dtype or first[name].shape != second[name].shape:
                kinds = [f"{array.dtype}{array.shape}" for array in (first[name], second[name])]
                yield f"parameters: {name} of agent {agent} is {kinds[0]} against {kinds[1]}"
            elif (count := int((_bits(first[name]) != _bits(second[name])).sum())) > 0:
                yield f"parameters: {name} of agent {agent} differs in {count} of {first[name].size} numbers"
