"""The finished runs of a study as tidy tables: one row per run, per iteration, per crashed agent, per kind and hop, and per setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.intervals import Interval, interquartile_mean, run_interval
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind, RadiusKind
from netagents.records.column_table import ColumnTable
from netagents.records.recorded_link_costs import total_costs
from netagents.records.relay_view import RelayView
from netagents.records.run_reader import Run
from netagents.studies.cost_model import Cost, predict
from netagents.studies.knee import knee
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study, StudySetting

FloatArray = NDArray[np.float64]

TAIL = 0.1
"""Share of the last iterations over which a final value is averaged."""
TARGET = 0.9
"""A run has learned when it made so much of the way from untrained to the best setting's final value."""
SMALL = 0.02
"""Share of that way below which a difference between radii does not matter."""
AVERAGED = 3
"""Iterations over which a curve is smoothed before it is compared with a target."""


@dataclass(frozen=True)
class Collected:
    """The tables of a study.

    Attributes:
        tables: by name.
        facts: single numbers that the report says: untrained and target values, the budget of equal bytes, per credit the knee.
    """

    tables: dict[str, ColumnTable]
    facts: dict[str, Any]


@dataclass
class _Read:
    setting: StudySetting
    seed: int
    run: Run
    result: Mapping[str, Any]
    curve: FloatArray
    cost: Cost
    row: dict[str, Any]


def collect(study: Study, directory: StudyDirectory) -> Collected:
    """Read every finished run; runs that are not finished are left out."""
    costs = {setting.label: predict(prepare(setting.experiment).setup) for setting in study.settings}
    read = []
    for name, setting, seed in study.runs():
        result = directory.result(name)
        if result is not None:
            read.append(_read(study, setting, seed, Run.open(directory.run_path(name)), result, costs[setting.label]))
    untrained = float(np.mean([each.curve[0] for each in read])) if read else float("nan")
    finals = {setting.label: _values(read, setting, "final") for setting in study.settings}
    best = max((float(interquartile_mean(np.array(values))) for values in finals.values() if values), default=float("nan"))
    target = untrained + TARGET * (best - untrained)
    budget = min((each.row["neighbour_bytes"] for each in read if each.row["neighbour_bytes"] > 0), default=0)
    for each in read:
        _compare(each, target, budget)
    summary, intervals = _summary(study, read)
    facts: dict[str, Any] = {"untrained": untrained, "best": best, "target": target, "byte_budget": int(budget), "finished": len(read)}
    if study.question == "radius":
        facts["knees"] = {credit: _knee(study, credit, intervals, best - untrained) for credit in _credits(study)}
    tables = {
        "runs": _rows([each.row for each in read]),
        "curves": _curves(read),
        "traffic": _traffic(study, costs),
        "crash": _crash(read),
        "summary": summary,
    }
    return Collected({name: table for name, table in tables.items() if table.rows}, facts)


def _read(study: Study, setting: StudySetting, seed: int, run: Run, result: Mapping[str, Any], cost: Cost) -> _Read:
    if len(run.returns) == 0:
        raise RunDirectoryError(
            "holds no iteration of a finished run",
            where=str(run.path / "metrics.jsonl"),
            fix=f"remove {run.path}; the same study command carries it out again",
        )
    objective = np.nanmean(run.agent_metric("objective"), axis=1)
    curve = {"return": run.returns, "discounted_return": run.discounted_returns, "objective": objective}[study.measure]
    recorded = len(curve)
    tail = max(1, round(TAIL * recorded))
    near = [row for row in run.ledger.links.tolist() if row[3] > 0]
    trees = RelayView(run.setup, run.ledger).total
    relayed = setting.experiment.routing == "relay"
    # What went over links: to each receiver, or once per edge of the tree.
    messages, size = trees if relayed else (sum(row[4] for row in near), sum(row[5] for row in near))
    crossed = sum(row[4] * row[3] for row in near)
    carried = sum(row[5] * row[3] for row in near)
    between = cost.on_links()
    weighted = cost.between_agents(hop_weighted=True)
    steps = cost.steps * recorded
    links = total_costs(run.link_costs)
    setup = run.setup
    entries = run.agent_metric("critic_entries")[-1]
    possible = np.full(run.n, np.nan)
    for agent, w in enumerate(_critic_windows(run)):
        if not setup.agents[agent].uses_networks:
            possible[agent] = float(prod(setup.state_sizes(w)) * prod(setup.action_sizes(w)))
    matrix = run.power_matrix(-1)
    concentration = run.concentration(-1)
    off = ~np.eye(run.n, dtype=np.bool_)
    known = np.isfinite(matrix.values) & matrix.reliable & off
    row: dict[str, Any] = {
        "setting": setting.label,
        **setting.values,
        "seed": seed,
        "final": float(curve[-tail:].mean()),
        "final_return": float(run.returns[-tail:].mean()),
        "final_discounted_return": float(run.discounted_returns[-tail:].mean()),
        "final_objective": float(objective[-tail:].mean()),
        "utility": float(np.nanmean(run.agent_metric("utility")[-tail:])),
        "gradient_sq": float(np.nansum(run.agent_metric("gradient_sq")[-tail:], axis=1).mean()),
        "samples": recorded * setup.batch * setup.steps,
        "neighbour_messages": messages,
        "neighbour_bytes": size,
        "messages_per_step": messages / steps,
        "bytes_per_step": size / steps,
        "framed_bytes_per_step": between.framed / cost.steps,
        "hop_messages_per_step": crossed / steps,
        "hop_bytes_per_step": carried / steps,
        "hop_framed_bytes_per_step": weighted.framed / cost.steps,
        "tree_messages_per_step": trees.messages / steps,
        "tree_bytes_per_step": trees.bytes / steps,
        "sockets_mean": cost.sockets[0],
        "sockets_most": cost.sockets[1],
        "farthest_state": cost.relay.hops.get(Kind.STATE, 0),
        "farthest": max(cost.relay.hops.values(), default=0),
        "sends_per_message": (links["messages"] + links["resent"]) / links["messages"] if links["messages"] else float("nan"),
        "transmitted_per_step": links["transmissions_bytes"] / steps if links["messages"] else float("nan"),
        "entries": float(entries.sum()),
        "entries_possible": float(possible.sum()),
        "visited_share": float((entries / possible).mean()),
        "power_known_pairs": int(known.sum()),
        "power_mean": float(matrix.values[known].mean()) if known.any() else float("nan"),
        "power_gini": concentration.gini,
        "wall_seconds": float(result["wall_seconds"]),
        "cpu_seconds": float(result["cpu_seconds"]),
        "cpu_per_iteration": float(result["cpu_seconds"]) / recorded,
        "memory_mib": float(result["largest_memory_kib"]) / 1024.0,
    }
    discounted = study.measure == "discounted_return"
    if "return" in result:
        row["frozen"] = float(np.mean(result["discounted_return" if discounted else "return"]))
        for failure in ("uniform", "noop"):
            crashed = result[f"crash_{failure}_discounted" if discounted else f"crash_{failure}"]
            row[f"crash_{failure}"] = float(np.mean(crashed))
            row[f"crash_{failure}_worst"] = float(np.min(crashed))
    return _Read(setting, seed, run, result, np.asarray(curve, dtype=np.float64), cost, row)


def _critic_windows(run: Run) -> list[tuple[int, ...]]:
    reach = run.setup.reach[RadiusKind.CRITIC]
    return [reach.window(agent) for agent in range(run.n)]


def _compare(each: _Read, target: float, budget: float) -> None:
    """Equal samples is the final value; equal bytes and the target need the whole curve."""
    curve = smooth(each.curve)
    reached = np.flatnonzero(curve >= target)
    each.row["iterations_to_target"] = float(reached[0] + 1) if reached.size else float("nan")
    each.row["reached"] = float(reached.size > 0)
    per_iteration = each.row["neighbour_bytes"] / len(curve)
    affordable = len(curve) if per_iteration == 0 else int(min(len(curve), max(1, budget // per_iteration)))
    each.row["at_equal_bytes"] = float(curve[affordable - 1])
    each.row["iterations_at_equal_bytes"] = affordable
    if reached.size:
        each.row["bytes_to_target"] = per_iteration * (reached[0] + 1)
    else:
        each.row["bytes_to_target"] = float("nan")


def smooth(curve: FloatArray) -> FloatArray:
    """Mean over the last :data:`AVERAGED` iterations up to each one."""
    sums = np.cumsum(np.concatenate([np.zeros(1), curve]))
    ends = np.arange(1, len(curve) + 1)
    starts = np.maximum(0, ends - AVERAGED)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _summary(study: Study, read: Sequence[_Read]) -> tuple[ColumnTable, dict[str, dict[str, Interval]]]:
    rows, intervals = [], {}
    for setting in study.settings:
        own_rows = [each.row for each in read if each.setting is setting]
        if not own_rows:
            continue
        names = [name for name, value in own_rows[0].items() if isinstance(value, int | float) and name not in (*setting.values, "seed")]
        by_name = {name: run_interval([float(row[name]) for row in own_rows]) for name in names}
        intervals[setting.label] = by_name
        row: dict[str, Any] = {"setting": setting.label, **setting.values, "runs": len(own_rows)}
        for name, (value, low, high, n) in by_name.items():
            row |= {name: value, f"{name}_low": low, f"{name}_high": high, f"{name}_n": n}
        # A share of runs is a mean, not a mean of the middle half.
        row["reached"] = float(np.mean([row_["reached"] for row_ in own_rows]))
        rows.append(row)
    return _rows(rows), intervals


def _knee(study: Study, credit: str, intervals: Mapping[str, Mapping[str, Interval]], way: float) -> dict[str, Any]:
    """The smallest radius that nothing larger beats by :data:`SMALL` of the way learned; None where seeds do not tell."""
    own = [setting for setting in study.settings if _variant(setting) == credit and setting.label in intervals]
    position = knee([intervals[setting.label]["final"] for setting in own], SMALL * abs(way))
    if position is None:
        return {"kappa": None, "setting": None, "bytes_per_step": None}
    entry = own[position]
    return {"kappa": entry.values["kappa"], "setting": entry.label, "bytes_per_step": intervals[entry.label]["bytes_per_step"].value}


def _credits(study: Study) -> list[str]:
    return list(dict.fromkeys(_variant(setting) for setting in study.settings))


def _variant(setting: StudySetting) -> str:
    """What a curve over the radius is of: the credit, or all that was compared beside the radius."""
    return str(setting.values.get("variant", setting.values["credit"]))


def _curves(read: Sequence[_Read]) -> ColumnTable:
    """One row per setting, seed and iteration."""
    rows: dict[str, list[NDArray[Any]]] = {}
    for each in read:
        run, count = each.run, len(each.curve)
        iterations = np.arange(1, count + 1, dtype=np.int64)
        columns: dict[str, NDArray[Any]] = {"setting": np.full(count, each.setting.label)}
        columns |= {name: np.full(count, value) for name, value in each.setting.values.items()}
        columns |= {
            "seed": np.full(count, each.seed, dtype=np.int64),
            "iteration": iterations,
            "samples": iterations * run.setup.batch * run.setup.steps,
            "neighbour_bytes": iterations * (each.row["neighbour_bytes"] / count),
            "neighbour_messages": iterations * (each.row["neighbour_messages"] / count),
            "value": each.curve,
            "return": run.returns,
            "discounted_return": run.discounted_returns,
            "objective": np.nanmean(run.agent_metric("objective"), axis=1),
            "utility": np.nanmean(run.agent_metric("utility"), axis=1),
            "gradient_sq": np.nansum(run.agent_metric("gradient_sq"), axis=1),
        }
        for name, column in columns.items():
            rows.setdefault(name, []).append(column)
    return ColumnTable({name: np.concatenate(parts) for name, parts in rows.items()})


def _traffic(study: Study, costs: Mapping[str, Cost]) -> ColumnTable:
    """Per setting, kind and hop: messages, payload and framed bytes per iteration (equal to the ledger, see the cost model)."""
    rows = []
    for setting in study.settings:
        cost = costs[setting.label]
        for (kind, hop), flow in sorted(cost.flows.items()):
            rows.append(
                {
                    "setting": setting.label,
                    **setting.values,
                    "message": Kind(kind).name.lower(),
                    "distance": hop,
                    "messages": int(flow.messages),
                    "bytes": int(flow.payload),
                    "framed_bytes": int(flow.framed),
                    "hop_bytes": int(flow.payload) * hop,
                }
            )
    return _rows(rows)


def _crash(read: Sequence[_Read]) -> ColumnTable:
    """Per run and crashed agent: what is left of the team's return."""
    rows = [
        {
            "setting": each.setting.label,
            **each.setting.values,
            "seed": each.seed,
            "failure": failure,
            "agent": agent,
            "return": value,
            "others": others,
            "whole": float(np.mean(each.result["return"])),
        }
        for each in read
        if "return" in each.result
        for failure in ("uniform", "noop")
        for agent, (value, others) in enumerate(zip(each.result[f"crash_{failure}"], each.result[f"crash_{failure}_others"], strict=True))
    ]
    return _rows(rows)


def _values(read: Sequence[_Read], setting: StudySetting, name: str) -> list[float]:
    return [each.row[name] for each in read if each.setting is setting]


def _rows(rows: Sequence[Mapping[str, Any]]) -> ColumnTable:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return ColumnTable({name: np.array([row.get(name, np.nan) for row in rows]) for name in names})
